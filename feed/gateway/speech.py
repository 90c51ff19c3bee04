"""What a handshake settles: encoding and depth."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from feed.wire.codec import JSON, MSGPACK, Codec

DEPTH_TWO: Final = {"feed.v1.json": JSON, "feed.v1.msgpack": MSGPACK}


class Speech(NamedTuple):
    codec: Codec
    depth: int


def speech_of(headers: Mapping[str, str]) -> Speech | None:
    """Encoding and depth that a client asks for; None where it offers subprotocols and none is spoken here."""
    offered = [name.strip() for name in headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
    if offered:
        chosen = next((name for name in offered if name in DEPTH_TWO), None)
        return None if chosen is None else Speech(DEPTH_TWO[chosen], 2)
    content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Speech(MSGPACK if content_type == "application/msgpack" else JSON, 1)
