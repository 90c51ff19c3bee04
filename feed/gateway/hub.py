"""Fan-out of one feed, synchronous and without I/O: ticks in from the bus, bytes out to clients, a flush at a time.

Per tick the hub does one append. Per flush, each stream's messages are encoded once per encoding and joined once per
form, and each cohort's frame is built once; only the write itself is done per client.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from feed.bus.reading import Batch, Hole
from feed.core.streams import Position, Stream
from feed.core.ticks import Tick
from feed.gateway.cohort import Cohort, Member, Selection
from feed.gateway.forms import Form, Segment
from feed.gateway.interest import Bus, Interest
from feed.gateway.live import LiveStream
from feed.gateway.meters import Meters
from feed.settings import Flush
from feed.wire import messages


class Clock(Protocol):
    """Time, and calls at a later one. Tests turn it by hand."""

    def soon(self, call: Callable[[], object]) -> None: ...
    def later(self, delay_s: float, call: Callable[[], object]) -> None: ...
    def now_ns(self) -> int: ...
    def monotonic(self) -> float: ...


class Hub:
    """One feed's ticks on their way to its clients.

    Leading edge: a tick that comes after a pause is flushed at once, those of the window after it together. The window
    follows what a flush costs: it is short while idle, and under load batches grow instead of queues.
    """

    def __init__(self, feed: str, bus: Bus, clock: Clock, flush: Flush) -> None:
        self.feed = feed
        self.interest = Interest(feed, bus)
        self.bus_up = False
        self._clock = clock
        self._settings = flush
        self._dirty: dict[LiveStream, None] = {}
        self._flush_due = False
        self._meters = Meters(feed)

    def opened(self, stream: Stream, at: Position, last: tuple[int, Tick] | None) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            live.open(at, last, self._clock.now_ns())

    def batch(self, stream: Stream, batch: Batch) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            for gap in live.take(batch):
                self._meters.gap(gap.cause)
            self._meters.taken(stream.kind, batch)
            self._touch(live)

    def hole(self, stream: Stream, hole: Hole) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            live.skip(hole, self._clock.now_ns())
            self._meters.gap("bus")
            self._touch(live)

    def epoch(self, stream: Stream, at: Position) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            live.enter(at, self._clock.now_ns())
            self._touch(live)

    def join(self, member: Member, form: Form, selection: Selection, changed: Iterable[LiveStream]) -> None:
        """Gives a client its cohort. What the streams that are new to it, or no longer its, have pending goes to those
        who held them until now."""
        self.flush(changed)
        self.interest.move(member, form, selection, self._clock.monotonic())
        self._meters.audience(len(self.interest.streams), len(self.interest.cohorts))

    def leave(self, member: Member, selection: Selection) -> None:
        """Takes a client out, with all that it holds."""
        self.interest.leave(member)
        self.interest.release(selection.streams, selection.kinds)
        self._meters.audience(len(self.interest.streams), len(self.interest.cohorts))

    def snapshot(self, form: Form, streams: Iterable[LiveStream]) -> bytes:
        """Frames with the last tick of each stream, marked as such; empty where there is none."""
        segments = [Segment(1, form.encode(live.last, snapshot=True)) for live in streams if live.last is not None]
        return b"".join(form.frames(segments, self._settings.max_frame_bytes)) if segments else b""

    def flush(self, streams: Iterable[LiveStream] | None = None) -> None:
        """Writes what is pending: of all streams, or of these."""
        chosen = list(self._dirty) if streams is None else [live for live in streams if live in self._dirty]
        if not chosen:
            return
        started, now_ns = self._clock.monotonic(), self._clock.now_ns()
        outgoing: dict[Cohort, list[Segment]] = {}
        for live in chosen:
            self._encode(live, now_ns, outgoing)
        # Not before: a tick that can't be encoded stays pending, so that `beat`, which is awaited, fails on it too.
        for live in chosen:
            del self._dirty[live]
            live.pending = []
        for cohort, segments in outgoing.items():
            frames = cohort.form.frames(segments, self._settings.max_frame_bytes)
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            cohort.write(data, started)
            self._meters.written(sum(segment.count for segment in segments), data, len(frames), len(cohort.members))
        self._meters.flushed(self._clock.monotonic() - started)

    def beat(self, silence_s: float) -> None:
        """Sends a heartbeat to each depth-two cohort that was sent nothing for that long."""
        self.flush()  # a heartbeat names what was sent, so nothing may be pending
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        for cohort in self.interest.cohorts.values():
            if cohort.form.depth == 2 and now - cohort.sent_at >= silence_s:
                codec = cohort.form.codec
                seqs = self._seqs(cohort) if self.bus_up else None
                cohort.write(codec.control(messages.heartbeat(codec.time(now_ns), seqs)), now)

    def _seqs(self, cohort: Cohort) -> dict[str, int]:
        held = self.interest.held(cohort.key.streams, cohort.key.kinds)
        return {live.key: live.at.seq for live in held if live.at is not None}

    def _encode(self, live: LiveStream, now_ns: int, outgoing: dict[Cohort, list[Segment]]) -> None:
        if not live.holders:
            return  # let go since; whoever holds the stream anew has another place in it
        sent = False
        for form, cohorts in live.audience(self.interest.wild.get(live.stream.kind, {})):
            segments = form.segments(live.pending, now_ns // 1000, self._settings.max_frame_bytes)
            for cohort in cohorts if segments else ():
                outgoing.setdefault(cohort, []).extend(segments)
                sent = True
        if sent:
            self._meters.hops(live.pending[0], now_ns)

    def _touch(self, live: LiveStream) -> None:
        self._dirty[live] = None
        if not self._flush_due:
            self._flush_due = True
            # soon, not now: what the same read from the bus brought goes together
            self._clock.soon(self._flush_window)

    def _flush_window(self) -> None:
        if not self._dirty:
            self._flush_due = False
            return
        started = self._clock.monotonic()
        self.flush()
        cost = self._clock.monotonic() - started
        self._clock.later(min(self._settings.window_max_s, max(self._settings.window_min_s, cost)), self._flush_window)
