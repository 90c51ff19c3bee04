"""How one kind of client gets its bytes: encoding, depth, stamps, compression. Clients of one form share them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from feed.gateway.message import Message
from feed.wire import messages
from feed.wire.codec import JSON, MSGPACK, Codec
from feed.wire.deflate import compressed

Written = tuple[int, int, bytes]
"""How many messages in how many whole frames, and these one after the other."""


class Segment:
    """The messages of one stream and flush in one form, joined: made once, sent to every cohort of that form.

    `alone` is what a cohort is written that gets nothing else, made for the first such cohort. `said` are the messages
    whose delay tells how late the gateway is; none where the client wanted to wait.
    """

    __slots__ = ("alone", "content", "count", "said")

    def __init__(self, count: int, content: bytes, said: Sequence[Message] = ()) -> None:
        self.count = count
        self.content = content
        self.said = said
        self.alone: Written | None = None


@dataclass(frozen=True, eq=False)
class Form:
    """One way to put messages into bytes. There are twelve, so that identity tells them apart."""

    codec: Codec
    depth: int
    stamps: bool
    deflate: bool

    def segments(self, said: Sequence[Message], tw_us: int, max_bytes: int, *, alone: bool = False) -> list[Segment]:
        """The messages as segments of at most `max_bytes` each (a single message may be larger). `alone` says that no
        other form of this encoding wants them, so that nothing is kept for it."""
        if alone and not self.stamps:
            ticks = [(each.seq, each.tick) for each in said if each.tick is not None and each.totals is None]
            if len(ticks) == len(said):
                content = self.codec.whole(ticks, self.depth)
                if len(content) <= max_bytes:
                    return [Segment(len(ticks), content)]
        tw = self.codec.stamp(tw_us) if self.stamps else b""
        encoded = [data for message in said if (data := self.encode(message, tw))]
        if not encoded:
            return []
        size = sum(map(len, encoded))
        if size <= max_bytes:
            return [Segment(len(encoded), self.codec.join(encoded))]
        return [Segment(len(part), self.codec.join(part)) for part in _parts(encoded, max_bytes)]

    def encode(self, message: Message, tw: bytes = b"", *, snapshot: bool = False) -> bytes:
        """One message; empty where this form has no place for it."""
        tick = message.tick
        if tick is None:
            return self.codec.message(message.fields or {}) if self.depth == 2 else b""
        body = message.body(self.codec, tick)
        if self.depth == 1:
            return self.codec.depth_one(body, tick)
        if snapshot:
            return self.codec.depth_two(body, tick, message.seq, {"snap": True})
        if not self.stamps and message.totals is None:
            return self.codec.depth_two(body, tick, message.seq)
        more: dict[str, Any] = {} if message.totals is None else {"m": messages.totals(message.totals)}
        if not self.stamps:
            return self.codec.depth_two(body, tick, message.seq, more)
        more |= {"ti": tick.ts_recv // 1000, "tg": message.ts_gateway // 1000}
        if message.ts_pub:
            more["tp"] = message.ts_pub // 1000
        return self.codec.stamped(body, tick, message.seq, more, tw)

    def joined(self, segments: Sequence[Segment], max_bytes: int) -> Written:
        """What a cohort is written of these: one frame where they fit."""
        if len(segments) == 1:
            segment = segments[0]
            if segment.alone is None:
                segment.alone = segment.count, 1, self._frame(segment.count, [segment.content])
            return segment.alone
        count = size = 0
        contents = []
        for segment in segments:
            count += segment.count
            size += len(segment.content)
            contents.append(segment.content)
        if size <= max_bytes:
            return count, 1, self._frame(count, contents)
        frames = self.frames(segments, max_bytes)
        return count, len(frames), b"".join(frames)

    def frames(self, segments: Sequence[Segment], max_bytes: int) -> list[bytes]:
        """Whole frames of at most about `max_bytes` before they are compressed: clients refuse what is larger than
        their own limit."""
        frames: list[bytes] = []
        contents: list[bytes] = []
        count = size = 0
        for segment in segments:
            if size and size + len(segment.content) > max_bytes:
                frames.append(self._frame(count, contents))
                count, size, contents = 0, 0, []
            count += segment.count
            size += len(segment.content)
            contents.append(segment.content)
        frames.append(self._frame(count, contents))
        return frames

    def heartbeat(self, now_ns: int, seqs: Mapping[str, int] | None) -> bytes:
        """A whole frame; `seqs` as in `wire.messages.heartbeat`."""
        return self.codec.control(messages.heartbeat(self.codec.time(now_ns), seqs))

    def _frame(self, count: int, contents: Sequence[bytes]) -> bytes:
        data = self.codec.frame(count, contents)
        return compressed(data) if self.deflate else data


def without_waits(segments: Sequence[Segment]) -> tuple[list[Segment], int]:
    """Those whose delay tells how late the gateway is, and how many messages they hold."""
    prompt = [segment for segment in segments if segment.said]
    return prompt, sum(segment.count for segment in prompt)


def _parts(encoded: list[bytes], max_bytes: int) -> list[list[bytes]]:
    parts: list[list[bytes]] = [[]]
    size = 0
    for data in encoded:
        if parts[-1] and size + len(data) > max_bytes:
            parts.append([])
            size = 0
        parts[-1].append(data)
        size += len(data)
    return parts


_FORMS: Final = {
    (codec.name, depth, stamps, deflate): Form(codec, depth, stamps, deflate)
    for codec in (JSON, MSGPACK)
    for depth, stamps in ((1, False), (2, False), (2, True))
    for deflate in (False, True)
}


def form_of(codec: Codec, depth: int, stamps: bool, deflate: bool = False) -> Form:
    return _FORMS[codec.name, depth, stamps and depth == 2, deflate]
