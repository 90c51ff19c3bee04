"""Whether a client masks its frames, as every client must (RFC 6455 section 5.1): only headers are looked at."""

from typing import Final

_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_SHORT: Final = 126
_KEY_BYTES: Final = 4
# The bytes that give the length, after the first two.
_EXTENDED: Final = {126: 2, 127: 8}


class Masking:
    """Follows the frames of one connection through its reads, wherever these are cut."""

    __slots__ = ("_head", "_skip")

    def __init__(self) -> None:
        self._skip = 0  # bytes of the current frame that are still to come
        self._head = b""  # of a header that came in part

    def kept(self, data: bytes) -> bool:
        """Takes in what was read next; False from the first frame on whose header has no mask."""
        if self._head:
            data, self._head = self._head + data, b""
        at, size = self._skip, len(data)
        while at < size - 1:
            second = data[at + 1]
            if not second & _MASKED:
                return False
            length, start = second & _LENGTH, at + 2
            if length >= _SHORT:
                start += _EXTENDED[length]
                if start > size:
                    break
                length = int.from_bytes(data[at + 2 : start])
            at = start + _KEY_BYTES + length
        if at < size:
            self._head, self._skip = data[at:], 0
        else:
            self._skip = at - size
        return True
