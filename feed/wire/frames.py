"""WebSocket frames as a server writes them (RFC 6455 section 5.2): final and unmasked."""

from struct import Struct

_TWO, _FOUR, _TEN = Struct(">BB"), Struct(">BBH"), Struct(">BBQ")

TEXT = 0x81
BINARY = 0x82
PING = 0x89
PONG = 0x8A
# Added to TEXT or BINARY: the payload is compressed (RFC 7692 section 6).
RSV1 = 0x40


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame. `opcode` is TEXT, BINARY, or PING or PONG (with at most 125 bytes)."""
    return header(opcode, len(payload)) + payload


def header(opcode: int, size: int) -> bytes:
    """What comes before a payload of `size` bytes."""
    if size < 126:
        return _TWO.pack(opcode, size)
    if size < 65_536:
        return _FOUR.pack(opcode, 126, size)
    return _TEN.pack(opcode, 127, size)


def payload(data: bytes) -> memoryview:
    """The payload of a whole frame that `frame` made."""
    return memoryview(data)[{126: 4, 127: 10}.get(data[1], 2) :]
