"""Reads what the server writes with other people's parsers: `websockets` for frames, json and msgpack for content."""

import json
from typing import Any

import msgpack
from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

Message = dict[str, Any]


def frames_of(data: bytes, *extensions: Extension) -> list[Frame]:
    """Every frame in `data`, to its last byte. Raises where something else than whole, unmasked frames is in it."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while reader.buffer:
        parser = Frame.parse(reader.read_exact, mask=False, extensions=extensions)
        try:
            next(parser)
        except StopIteration as done:
            frames.append(done.value)
    return frames


def messages_of(data: bytes) -> list[Message]:
    """The messages of all frames in `data`; times of MessagePack are Timestamps, those of JSON are text."""
    return [message for frame in frames_of(data) for message in content_of(frame)]


def content_of(frame: Frame) -> list[Message]:
    assert frame.fin
    if frame.opcode is Opcode.TEXT:
        content = json.loads(frame.data, parse_constant=_refuse, object_pairs_hook=_unique)
    else:
        assert frame.opcode is Opcode.BINARY
        content = msgpack.unpackb(frame.data, object_pairs_hook=_unique)
    assert isinstance(content, list)
    assert all(next(iter(message)) == "T" for message in content), "T is the first key of each message"
    return content


def _unique(pairs: list[tuple[str, Any]]) -> Message:
    fields = dict(pairs)
    assert len(fields) == len(pairs), f"a key came twice: {pairs}"
    return fields


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")
