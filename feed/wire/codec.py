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
from feed.wire.fields import depth_two_field, tick_fields
from feed.wire.frames import BINARY, TEXT, frame, header

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

    def whole(self, ticks: Sequence[tuple[int, Tick]], depth: int) -> bytes:
        """The content of an array of ticks with their numbers, without stamps: cheaper than tick by tick, where nothing
        of it is shared with another depth."""
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
        fields = tick_fields(tick)
        fields["t"] = rfc3339(tick.ts_event)
        return orjson.dumps(fields)[:-1]

    def whole(self, ticks: Sequence[tuple[int, Tick]], depth: int) -> bytes:
        said = []
        for seq, tick in ticks:
            fields = tick_fields(tick)
            fields["t"] = rfc3339(tick.ts_event)
            if depth == 2:
                fields["q"] = seq
                field = depth_two_field(tick)
                if field is not None:
                    fields[field[0]] = field[1]
            said.append(fields)
        return orjson.dumps(said)[1:-1]

    def depth_one(self, body: bytes, tick: Tick) -> bytes:  # noqa: ARG002 - one signature for both encodings
        return body + b"}"

    def depth_two(self, body: bytes, tick: Tick, seq: int, extra: dict[str, Any] | None = None) -> bytes:
        more = _json_field(depth_two_field(tick)) + (_tail(extra) if extra else b"")
        return b'%b,"q":%d%b}' % (body, seq, more)

    def stamped(self, body: bytes, tick: Tick, seq: int, stamps: dict[str, Any], tw: bytes) -> bytes:
        return b'%b,"q":%d%b%b%b}' % (body, seq, _json_field(depth_two_field(tick)), _tail(stamps), tw)

    def stamp(self, micros: int) -> bytes:
        return b',"tw":%d' % micros

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b",".join(messages)

    def frame(self, count: int, contents: Sequence[bytes]) -> bytes:  # noqa: ARG002 - JSON needs no count
        content = b",".join(contents)
        return b"%b[%b]" % (header(TEXT, len(content) + 2), content)


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

    def whole(self, ticks: Sequence[tuple[int, Tick]], depth: int) -> bytes:
        if depth == 1:
            return b"".join([self.depth_one(self.body(tick), tick) for _, tick in ticks])
        return b"".join([self.depth_two(self.body(tick), tick, seq) for seq, tick in ticks])

    def depth_one(self, body: bytes, tick: Tick) -> bytes:
        return _map_header(_body_fields(tick)) + body

    def depth_two(self, body: bytes, tick: Tick, seq: int, extra: dict[str, Any] | None = None) -> bytes:
        return self._numbered(body, tick, seq, extra or {}, 0, b"")

    def stamped(self, body: bytes, tick: Tick, seq: int, stamps: dict[str, Any], tw: bytes) -> bytes:
        return self._numbered(body, tick, seq, stamps, 1, tw)

    def _numbered(self, body: bytes, tick: Tick, seq: int, extra: dict[str, Any], last: int, end: bytes) -> bytes:
        count, field = _msgpack_field(depth_two_field(tick))
        header = _map_header(_body_fields(tick) + 1 + count + len(extra) + last)
        more = _fields(extra) if extra else b""
        return b"".join((header, body, b"\xa1q", _pack(seq), field, more, end))

    def stamp(self, micros: int) -> bytes:
        return _fields({"tw": micros})

    def join(self, messages: Sequence[bytes]) -> bytes:
        return b"".join(messages)

    def frame(self, count: int, contents: Sequence[bytes]) -> bytes:
        start = _array_header(count)
        content = b"".join(contents)
        return b"%b%b%b" % (header(BINARY, len(start) + len(content)), start, content)


JSON: Final[Codec] = Json()
MSGPACK: Final[Codec] = MessagePack()


def rfc3339(ns: int) -> str:
    """RFC 3339 in UTC, up to nine digits of fraction, trailing zeros dropped."""
    seconds, fraction = divmod(ns, NS_PER_S)
    if not fraction:
        return _whole_second(seconds) + "Z"
    # the sum has ten digits, and its last nine are the fraction's: twice as fast as a format
    return _whole_second(seconds) + "." + str(fraction + NS_PER_S)[1:].rstrip("0") + "Z"


@lru_cache(maxsize=64)
def _whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=16)
def _json_field(field: tuple[str, str] | None) -> bytes:
    return _tail(dict([field])) if field else b""


@lru_cache(maxsize=16)
def _msgpack_field(field: tuple[str, str] | None) -> tuple[int, bytes]:
    return (1, _fields(dict([field]))) if field else (0, b"")


def _tail(fields: dict[str, Any]) -> bytes:
    return b"," + orjson.dumps(fields)[1:-1]


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
