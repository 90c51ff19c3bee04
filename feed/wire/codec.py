"""Both encodings of the protocol: a tick's body once, and what a client's depth and stamps add to it.

A message is joined from parts that are made once: the BODY (the tick, for everyone); for depth two its number and side;
then stamps, of which the last (`tw`, when it was written) is the same for a whole flush.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol

import msgpack
import orjson

from feed.core.ticks import NS_PER_S, Quote, Tick, Trade
from feed.wire.fields import depth_two_fields, tick_fields
from feed.wire.frames import BINARY, TEXT, frame

_pack = msgpack.Packer().pack


class Codec(Protocol):
    """One encoding. Bodies and messages are bytes of this encoding; stamps are integer microseconds."""

    @property
    def name(self) -> str: ...

    def time(self, ns: int) -> Any:
        """A time as this encoding's control messages carry it."""
        ...

    def control(self, *messages: dict[str, Any]) -> bytes:
        """A whole frame of control messages."""
        ...

    def message(self, fields: dict[str, Any]) -> bytes:
        """One message that goes among data messages."""
        ...

    def body(self, tick: Tick) -> bytes:
        """The part of a tick's message that is the same for every client."""
        ...

    def depth_one(self, body: bytes, tick: Tick) -> bytes: ...

    def depth_two(self, body: bytes, tick: Tick, seq: int, extra: dict[str, Any] | None = None) -> bytes: ...

    def stamped(self, body: bytes, tick: Tick, seq: int, stamps: dict[str, Any], tw: bytes) -> bytes:
        """A depth-two message with stamps; `tw` comes from `stamp`."""
        ...

    def stamp(self, micros: int) -> bytes:
        """The `tw` stamp, made once a flush."""
        ...

    def join(self, messages: Sequence[bytes]) -> bytes:
        """Messages to the content of an array."""
        ...

    def frame(self, count: int, contents: Sequence[bytes]) -> bytes:
        """A whole frame: one array of `count` messages from joined contents."""
        ...


class Json:
    """JSON in text frames."""

    name: Final = "json"

    def time(self, ns: int) -> str:
        return rfc3339(ns)

    def control(self, *messages: dict[str, Any]) -> bytes:
        return frame(TEXT, orjson.dumps(messages))

    def message(self, fields: dict[str, Any]) -> bytes:
        return orjson.dumps(fields)

    def body(self, tick: Tick) -> bytes:
        return b'%b,"t":"%b"' % (orjson.dumps(tick_fields(tick))[:-1], rfc3339(tick.ts_event).encode())

    def depth_one(self, body: bytes, tick: Tick) -> bytes:  # noqa: ARG002 - one signature for both encodings
        return body + b"}"

    def depth_two(self, body: bytes, tick: Tick, seq: int, extra: dict[str, Any] | None = None) -> bytes:
        return b'%b,"q":%d%b}' % (body, seq, _tail(depth_two_fields(tick) | (extra or {})))

    def stamped(self, body: bytes, tick: Tick, seq: int, stamps: dict[str, Any], tw: bytes) -> bytes:
        return b'%b,"q":%d%b%b}' % (body, seq, _tail(depth_two_fields(tick) | stamps), tw)

    def stamp(self, micros: int) -> bytes:
        return b',"tw":%d' % micros

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b",".join(messages)

    def frame(self, count: int, contents: Sequence[bytes]) -> bytes:  # noqa: ARG002 - JSON needs no count
        return frame(TEXT, b"[%b]" % b",".join(contents))


class MessagePack:
    """MessagePack in binary frames; times are its Timestamp extension, type -1."""

    name: Final = "msgpack"

    def time(self, ns: int) -> msgpack.Timestamp:
        return msgpack.Timestamp(*divmod(ns, NS_PER_S))

    def control(self, *messages: dict[str, Any]) -> bytes:
        return frame(BINARY, _pack(messages))

    def message(self, fields: dict[str, Any]) -> bytes:
        return _pack(fields)  # type: ignore[no-any-return]

    def body(self, tick: Tick) -> bytes:
        # the map's header is left to the message, which knows how many fields follow; `t` is among them already
        return _fields(tick_fields(tick)) + _timestamp(tick.ts_event)

    def depth_one(self, body: bytes, tick: Tick) -> bytes:
        return _map_header(_body_fields(tick)) + body

    def depth_two(self, body: bytes, tick: Tick, seq: int, extra: dict[str, Any] | None = None) -> bytes:
        more = {"q": seq} | depth_two_fields(tick) | (extra or {})
        return _map_header(_body_fields(tick) + len(more)) + body + _fields(more)

    def stamped(self, body: bytes, tick: Tick, seq: int, stamps: dict[str, Any], tw: bytes) -> bytes:
        more = {"q": seq} | depth_two_fields(tick) | stamps
        return _map_header(_body_fields(tick) + len(more) + 1) + body + _fields(more) + tw

    def stamp(self, micros: int) -> bytes:
        return _fields({"tw": micros})

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b"".join(messages)

    def frame(self, count: int, contents: Sequence[bytes]) -> bytes:
        return frame(BINARY, b"".join((_array_header(count), *contents)))


JSON: Final[Codec] = Json()
MSGPACK: Final[Codec] = MessagePack()


def rfc3339(ns: int) -> str:
    """RFC 3339 in UTC, up to nine digits of fraction, trailing zeros dropped."""
    seconds, fraction = divmod(ns, NS_PER_S)
    if not fraction:
        return _whole_second(seconds) + "Z"
    return f"{_whole_second(seconds)}.{fraction:09d}".rstrip("0") + "Z"


@lru_cache(maxsize=64)
def _whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _tail(fields: dict[str, Any]) -> bytes:
    return b"," + orjson.dumps(fields)[1:-1] if fields else b""


def _fields(fields: dict[str, Any]) -> bytes:
    """A map's content without its header."""
    return _pack(fields)[1 if len(fields) < 16 else 3 :]  # type: ignore[no-any-return]


def _body_fields(tick: Tick) -> int:
    # of `tick_fields` and `t`; counted there, a message would build its fields twice
    if isinstance(tick, Trade):
        return 8 if tick.id is None else 9
    return 11 if isinstance(tick, Quote) else 10


def _timestamp(ns: int) -> bytes:
    seconds, fraction = divmod(ns, NS_PER_S)
    if not 0 <= seconds < 2**34:
        return b"\xa1t" + _pack(msgpack.Timestamp(seconds, fraction))  # type: ignore[no-any-return]
    # timestamp 64: 30 bits of nanoseconds, 34 of seconds
    return b"\xa1t\xd7\xff" + (fraction << 34 | seconds).to_bytes(8, "big")


def _map_header(count: int) -> bytes:
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def _array_header(count: int) -> bytes:
    if count < 16:
        return bytes((0x90 | count,))
    if count < 65_536:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")
