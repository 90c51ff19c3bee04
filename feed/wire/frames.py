"""WebSocket frames as a server writes them (RFC 6455 section 5.2): final, unmasked, uncompressed."""

TEXT = 0x81
BINARY = 0x82
PONG = 0x8A


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame. `opcode` is TEXT, BINARY or PONG (with at most 125 bytes)."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65_536:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload
