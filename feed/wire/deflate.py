"""permessage-deflate (RFC 7692) with frames that clients share: each is compressed without reference to another."""

import re
import zlib
from collections.abc import Iterable
from typing import Final

from feed.wire.frames import RSV1, frame, payload

NAME: Final = "permessage-deflate"
# As `server_max_window_bits` counts: 4 KiB, what the websockets package asks for. All clients share one window, so that
# they share the bytes. With 15 a frame of a hundred quotes would be 1 % smaller, and one of five take five times as
# long: the compressor's memory is new each time.
WINDOW_BITS: Final = 12
# Bytes of a frame. Smaller ones hold one tick, of which compression would save a quarter at most, and of MessagePack
# nothing.
MIN_BYTES: Final = 200

# 6, the usual level, makes frames of a hundred quotes up to 4 % smaller and takes a sixth longer; 3 makes them up to a
# seventh larger.
_LEVEL: Final = 5
_MEMORY: Final = 5
# The end of what is flushed, which the reader puts back (section 7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'({_TOKEN})(?:[ \t]*=[ \t]*(?:({_TOKEN})|"({_TOKEN})"))?')
_FLAGS: Final = ("server_no_context_takeover", "client_no_context_takeover")
_SERVER_BITS: Final = "server_max_window_bits"
_VALUES: Final = dict.fromkeys(_FLAGS, re.compile("")) | {
    _SERVER_BITS: re.compile("[89]|1[0-5]"),
    "client_max_window_bits": re.compile("(?:[89]|1[0-5])?"),
}


def agreed(headers: Iterable[str]) -> str:
    """The answer to the values of a client's Sec-WebSocket-Extensions: the first offer that can be kept, accepted.

    Empty where there is none. An offer with a parameter that is unknown, malformed or given twice can't be kept, nor
    can one that wants a smaller window. Of the parameters, only what was asked for is answered: a client need not
    understand the others.
    """
    for header in headers:
        for offer in header.split(","):
            answer = _accepted(offer)
            if answer:
                return answer
    return ""


def compressed(data: bytes) -> bytes:
    """A whole frame with its payload compressed on its own, or as it is where that would not make it smaller."""
    if len(data) < MIN_BYTES:
        return data
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -WINDOW_BITS, _MEMORY)
    block = compressor.compress(payload(data)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    shorter = frame(data[0] | RSV1, block.removesuffix(_TAIL))
    return shorter if len(shorter) < len(data) else data


def _accepted(offer: str) -> str:
    """The answer that accepts one offer; empty where it is declined."""
    name, *parts = (part.strip(" \t") for part in offer.split(";"))
    parameters = _parameters(parts)
    if name != NAME or parameters is None:
        return ""
    answer = [NAME, *(flag for flag in _FLAGS if flag in parameters)]
    if _SERVER_BITS in parameters:
        if int(parameters[_SERVER_BITS]) < WINDOW_BITS:
            return ""
        answer.append(f"{_SERVER_BITS}={parameters[_SERVER_BITS]}")
    return "; ".join(answer)


def _parameters(parts: Iterable[str]) -> dict[str, str] | None:
    """Values by name, empty where none is given; None where a part is malformed, unknown, or comes twice."""
    found: dict[str, str] = {}
    for part in parts:
        match = _PARAMETER.fullmatch(part)
        if match is None or match[1] in found or match[1] not in _VALUES:
            return None
        value = match[2] or match[3] or ""
        if not _VALUES[match[1]].fullmatch(value):
            return None
        found[match[1]] = value
    return found
