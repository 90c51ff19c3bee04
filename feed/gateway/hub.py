"""Fan-out of one feed, synchronous and without I/O: ticks in from the bus, bytes out to clients, a flush at a time.

Per tick the hub does one append. Per flush, each stream's messages are encoded once per encoding and joined once per
form, and each cohort's frame is built once; only the write itself is done per client.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from feed.bus.reading import Batch, Hole
from feed.bus.store import Past
from feed.core.streams import Position, Stream
from feed.core.ticks import Tick
from feed.gateway.clock import Clock
from feed.gateway.cohort import Cohort, Member, Selection
from feed.gateway.entitled import Scope
from feed.gateway.fanout import Fanout
from feed.gateway.forms import Form, Segment
from feed.gateway.interest import Bus, Interest
from feed.gateway.lane import Backfill
from feed.gateway.live import LiveStream
from feed.gateway.members import Members
from feed.gateway.message import Message
from feed.gateway.meters import meters_of
from feed.gateway.paces import Paces
from feed.gateway.resume import Place, absorb
from feed.gateway.rhythm import Rhythm
from feed.gateway.status import STALE, Silent, changed, frames, state
from feed.gateway.tails import Tails
from feed.gateway.watched import Watched
from feed.settings import Flush, Gateway, Metrics


class Hub:
    """One feed's ticks on their way to its clients. When they are flushed is for `Rhythm` to say."""

    def __init__(
        self,
        feed: str,
        bus: Bus,
        clock: Clock,
        backfill: Backfill,
        flush: Flush,
        knobs: Gateway,
        measured: Metrics | None = None,
    ) -> None:
        self.feed = feed
        self.interest = Interest(feed, bus)
        self.bus_up = False
        self.meters = meters_of(feed, measured or Metrics(), clock.now_ns)
        self.watched = Watched()
        self._clock = clock
        self._backfill = backfill
        self._settings = flush
        self._dirty: dict[LiveStream, None] = {}
        self._rhythm = Rhythm(clock, flush, self._flush_all, self.meters.flushed)
        self.members = Members(self.interest, backfill, clock, knobs, flush.max_frame_bytes, self.meters)
        self._tails = Tails(knobs.tail_ticks)
        self._silent: Silent = frozenset()
        self._fanout = Fanout(self.interest, Paces(clock, self._touch), self.meters, flush.max_frame_bytes)

    def opened(self, stream: Stream, at: Position, last: tuple[int, Tick] | None) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            live.open(at, last, self._clock.now_ns())

    def batch(self, stream: Stream, batch: Batch) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            for gap in live.take(batch):
                self._missed(live, gap)
            self.meters.taken(stream, batch)
            if self.watched.streams:
                self.watched.taken(stream, batch)
            self._touch(live)

    def hole(self, stream: Stream, hole: Hole) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            self._missed(live, live.skip(hole, self._clock.now_ns()))
            self._touch(live)

    def epoch(self, stream: Stream, at: Position) -> None:
        live = self.interest.streams.get(stream)
        if live is not None:
            live.enter(at, self._clock.now_ns())
            self._touch(live)

    def sources(self, silent: Silent) -> None:
        """Tells clients which symbols' sources fell silent, or came back."""
        before, self._silent = self._silent, silent
        now_ns = self._clock.now_ns()
        for cohort in self.interest.cohorts.values():
            if cohort.form.depth == 2:
                held = self.interest.held_by(cohort.key)
                news = changed((live.stream.symbol for live in held), before, silent)
                data = frames(cohort.form.codec, news, now_ns)
                for member in cohort.members if data else ():
                    member.put(data)
        for lane in self.members.lanes.all():
            news = changed((live.stream.symbol for live in lane.tracks), before, silent)
            if news and lane.form.depth == 2:
                lane.member.put(frames(lane.form.codec, news, now_ns))

    def statuses(self, form: Form, streams: Iterable[LiveStream]) -> bytes:
        """Frames that say which of these symbols have a silent source; live is what a client may take for granted."""
        symbols = sorted({live.stream.symbol for live in streams if state(live.stream.symbol, self._silent) == STALE})
        return frames(form.codec, dict.fromkeys(symbols, STALE), self._clock.now_ns()) if form.depth == 2 else b""

    def ask(self, live: LiveStream, at: Position, then: Callable[[Past], None]) -> Callable[[], None]:
        """Has the log read for a client that stood at a position; see Backfill."""
        return self._backfill.ask(live, at, then)

    def absorb(self, live: LiveStream, past: Past) -> None:
        """What was read of a log, for clients that will ask for the same."""
        if self.interest.streams.get(live.stream) is live:
            self._tails.grew(live, absorb(live, past, self._clock.now_ns()))

    def join(
        self,
        member: Member,
        form: Form,
        selection: Selection,
        changed: Collection[LiveStream],
        places: Mapping[LiveStream, Place] | None = None,
    ) -> None:
        """Gives a client its place. `changed` are the streams that are new to it, or no longer its own, or have another
        rate: what they have pending goes to those who held them until now. `places` are where it resumes.

        A client that stands where no cohort does is written nothing before `pump`.
        """
        self.flush(changed)
        self.members.join(member, form, selection, changed, places or {})
        self.meters.audience(len(self.interest.streams), len(self.interest.cohorts))

    def leave(self, member: Member, selection: Selection) -> None:
        """Takes a client out, with all that it holds."""
        self.members.leave(member)
        self.release(*selection.held)

    def release(self, streams: Iterable[Stream], kinds: Iterable[str], scope: Scope = None) -> None:
        """Gives up what was held, as `Interest` takes it."""
        self.interest.release(streams, kinds, scope)
        self.meters.audience(len(self.interest.streams), len(self.interest.cohorts))

    def pump(self, member: Member) -> None:
        """Sends a client that is in a lane what there is room for now."""
        lane = self.members.lanes.of(member)
        if lane is not None:
            self.members.lanes.pump(lane)

    def snapshot(self, form: Form, ticks: Iterable[Message]) -> bytes:
        """Frames with each tick, marked as its stream's last one; empty where there is none."""
        return self._frames(form, [Segment(1, form.encode(tick, snapshot=True)) for tick in ticks])

    def told(self, form: Form, lead: Iterable[Message]) -> bytes:
        """Frames with messages of one client's own."""
        return self._frames(form, [Segment(1, data) for message in lead if (data := form.encode(message))])

    def flush(self, streams: Iterable[LiveStream] | None = None) -> None:
        """Writes what is pending: of all streams, or of these."""
        chosen = list(self._dirty) if streams is None else [live for live in streams if live in self._dirty]
        if not chosen:
            return
        started = self._clock.monotonic()
        flows, behind = self._fanout.write(chosen, started, self._clock.now_ns())
        for member in behind:
            self.members.fall_behind(member)
        if self.watched.streams:
            self.watched.written(chosen, self._clock.now_ns())
        # Not before: a tick that can't be encoded stays pending, so that `beat`, which is awaited, fails on it too;
        # and who fell behind stands where the others stood before.
        for live in chosen:
            del self._dirty[live]
            self._tails.grew(live, live.flushed())
        for flow in flows:
            flow.flushed()

    def beat(self, silence_s: float) -> None:
        """Sends a heartbeat to each depth-two client that was sent nothing for that long; judges the slow ones."""
        self.flush()  # a heartbeat names what was sent, so nothing may be pending
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        for cohort in self.interest.cohorts.values():
            if cohort.form.depth == 2 and now - cohort.sent_at >= silence_s:
                beat = cohort.form.heartbeat(now_ns, self._seqs(cohort) if self.bus_up else None)
                for member in cohort.members:
                    member.write(beat)  # one that has no room for it has other messages to read
                cohort.sent_at = now
        self.meters.tail(self._tails.messages)
        self.members.lanes.beat(silence_s, self.bus_up)
        self.members.lanes.judge()

    def _seqs(self, cohort: Cohort) -> dict[str, int]:
        """What the cohort was sent, by stream."""
        rates, kinds = dict(cohort.key.streams), dict(cohort.key.kinds)
        held = self.interest.held_by(cohort.key)
        return {live.key: live.sent(rates.get(live.stream, kinds.get(live.stream.kind, 0.0))).seq for live in held}

    def _frames(self, form: Form, segments: list[Segment]) -> bytes:
        return form.joined(segments, self._settings.max_frame_bytes)[2] if segments else b""

    def _missed(self, live: LiveStream, gap: Message) -> None:
        if gap.fields is not None:
            self.meters.gap(gap.fields, self.members.holding(live))

    def _touch(self, live: LiveStream) -> None:
        self._dirty[live] = None
        self._rhythm.wake()

    def _flush_all(self) -> bool:
        due = bool(self._dirty)
        self.flush()
        return due
