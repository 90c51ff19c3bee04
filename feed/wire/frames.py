"""WebSocket frames as a server writes them (RFC 6455 section 5.2): final and unmasked."""

TEXT = 0x81
BINARY = 0x82
PONG = 0x8A
# Added to TEXT or BINARY: the payload is compressed (RFC 7692 section 6).
RSV1 = 0x40


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame. `opcode` is TEXT, BINARY or PONG (with at most 125 bytes)."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65_536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload


def payload(data: bytes) -> memoryview:
    """The payload of a whole frame that `frame` made."""
    return memoryview(data)[{126: 4, 127: 10}.get(data[1], 2) :]
