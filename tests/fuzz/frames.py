"""What a client writes, right or wrong in any part: requests for a WebSocket, and frames with a mask or without."""

import base64
import random
import struct
import zlib
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3, MASK = 0x80, 0x40, 0x20, 0x10, 0x80
# One message that is as large as the gateway takes and inflates to a thousand times that.
BOMB_BYTES = 60_000


class Plan(NamedTuple):
    """One connection: what is written, and what becomes of it.

    `pace_s` is waited between writes, `deaf` reads nothing, and one that `must_end` the gateway has to end itself.
    """

    writes: list[bytes]
    must_end: bool = False
    deaf: bool = False
    pace_s: float = 0.0


class Door(NamedTuple):
    """Who asks: with `headers` that hold a key, or a stranger."""

    headers: bytes = b""

    @property
    def stranger(self) -> bool:
        return not self.headers


def upgrade(door: Door, path: bytes = b"/v2/sim", more: bytes = b"") -> bytes:
    """A request for a WebSocket as a library makes it; `more` are further header lines."""
    key = base64.b64encode(bytes(16))
    return (
        b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s%s\r\n" % (path, key, door.headers, more)
    )


def frame(first: int, payload: bytes = b"", *, length: bytes = b"", masked: bool = True) -> bytes:
    """A frame that begins with the byte `first`. `length` is written as it is in place of the right one."""
    size = len(payload)
    if not length:
        short = size if size < 126 else 126 if size < 65_536 else 127
        length = bytes([short]) + {126: struct.pack(">H", size & 0xFFFF), 127: struct.pack(">Q", size)}.get(short, b"")
    if not masked:
        return bytes([first]) + length + payload
    # a mask of zeros changes nothing, and is one
    return bytes([first, length[0] | MASK]) + length[1:] + bytes(4) + payload


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


def bomb() -> bytes:
    """Zeros, 60 million of them in `BOMB_BYTES`."""
    return deflated(bytes(BOMB_BYTES * 1_000))[:BOMB_BYTES]


def cut(chance: random.Random, data: bytes) -> list[bytes]:
    """The data in up to five writes."""
    places = sorted(chance.randint(0, len(data)) for _ in range(chance.randint(0, 4)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]
