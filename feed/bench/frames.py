"""A server's WebSocket frames (RFC 6455 section 5.2) as a load client reads them: counted, hardly looked at."""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgpack
import orjson

TEXT: Final = 0x81
BINARY: Final = 0x82
CLOSE: Final = 0x88
PING: Final = 0x89
PONG: Final = 0x8A
COMPRESSED: Final = 0x40  # RSV1: permessage-deflate, RFC 7692
DEFLATE_END: Final = b"\x00\x00\xff\xff"

TRADE: Final = b'{"T":"t"'
QUOTE: Final = b'{"T":"q"'
BAR: Final = b'{"T":"b"'

DATA_TAG: Final = b"\xa1T\xa1"  # MessagePack: a key "T" and a value of one character, which only data messages have
KNOWN_INFLATED: Final = 64


class Counted(NamedTuple):
    """What whole frames at the beginning of some bytes hold. `used` is where the first frame begins that isn't whole.

    `frames` are those with data messages in them; `others` are pings, closes and everything else that is not data.
    """

    frames: int
    messages: int
    used: int
    others: int


def count(data: bytes, markers: tuple[bytes, ...]) -> Counted:
    """Counts data messages: in JSON by `markers`, in MessagePack by the array's header, inflated where compressed."""
    frames = messages = others = at = 0
    size = len(data)
    while size - at >= 2:
        length = data[at + 1]
        start = at + 2
        if length == 126:
            start = at + 4
            length = data[at + 2] << 8 | data[at + 3] if size >= start else size
        elif length == 127:
            start = at + 10
            length = int.from_bytes(data[at + 2 : start], "big") if size >= start else size
        end = start + length
        if end > size:
            break
        opcode = data[at]
        found = 0
        if opcode == TEXT:
            for marker in markers:
                found += data.count(marker, start, end)
        elif opcode == BINARY:
            found = count_msgpack(data, start, end)
        elif opcode & COMPRESSED:
            found = _inflated_count(opcode & ~COMPRESSED, data[start:end], markers)
        if found:
            frames += 1
            messages += found
        else:
            others += 1
        at = end
    return Counted(frames, messages, at, others)


def count_msgpack(data: bytes, start: int, end: int) -> int:
    """Data messages in a MessagePack payload `data[start:end]`, an array of maps."""
    head = data[start]
    first = start + 1
    if head & 0xF0 == 0x90:
        many = head & 0x0F
    elif head == 0xDC:
        many, first = int.from_bytes(data[start + 1 : start + 3], "big"), start + 3
    elif head == 0xDD:
        many, first = int.from_bytes(data[start + 1 : start + 5], "big"), start + 5
    else:
        return 0
    # control messages come alone; a map's header takes one byte or three
    return many if data.find(DATA_TAG, first, min(end, first + 6)) >= 0 else 0


# What was inflated last, as clients of one cohort are sent the same bytes.
_inflated: dict[bytes, int] = {}


def _inflated_count(opcode: int, payload: bytes, markers: tuple[bytes, ...]) -> int:
    known = _inflated.get(payload)
    if known is not None:
        return known
    text = inflate(payload)
    found = sum(map(text.count, markers)) if opcode == TEXT else count_msgpack(text, 0, len(text))
    if len(_inflated) >= KNOWN_INFLATED:
        _inflated.clear()
    _inflated[payload] = found
    return found


def inflate(payload: bytes) -> bytes:
    """What a compressed payload says that leans on no payload before it."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(payload + DEFLATE_END)


class Frame(NamedTuple):
    """One frame: its first byte, inflation undone; its payload; and where in the data it ends."""

    opcode: int
    payload: bytes
    end: int


def split(data: bytes) -> Iterator[Frame]:
    """The whole frames at the beginning of `data`, one by one. For the few that are looked at."""
    at, size = 0, len(data)
    while size - at >= 2:
        length, start = data[at + 1], at + 2
        if length > 125:
            start += 2 if length == 126 else 8
            if start > size:
                return
            length = int.from_bytes(data[at + 2 : start], "big")
        if start + length > size:
            return
        opcode, payload = data[at], data[start : start + length]
        compressed = bool(opcode & COMPRESSED)
        at = start + length
        yield Frame(opcode & ~COMPRESSED, inflate(payload) if compressed else payload, at)


def command(text: str, packed: bool) -> bytes:
    """A client's frame with this command, which is written as JSON: as it is, or packed as MessagePack."""
    if packed:
        return masked(BINARY, msgpack.packb(orjson.loads(text)))
    return masked(TEXT, text.encode())


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame. Its mask is zero, which is as good as any here, and leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, 0x80 | size, 0, 0, 0, 0)) + payload
    if size < 65_536:
        return bytes((opcode, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4) + payload
    return bytes((opcode, 0x80 | 127)) + size.to_bytes(8, "big") + bytes(4) + payload
