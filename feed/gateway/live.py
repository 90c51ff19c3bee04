"""One stream as the hub holds it: where it stands, what waits for the next flush, what was sent lately, who gets it."""

from collections.abc import Callable

from feed.bus.reading import Batch, Hole
from feed.core.streams import START, Position, Stream
from feed.core.ticks import Gap, Tick
from feed.gateway.cohort import Cohort
from feed.gateway.flow import Flow
from feed.gateway.forms import Form
from feed.gateway.message import Message, newest_tick, of_entry, of_epoch, of_hole
from feed.gateway.tail import Tail

Cohorts = dict[float, dict[Form, dict[Cohort, None]]]
"""By rate and form."""
Audience = list[tuple[float, Form, list[Cohort], bool]]
"""Who gets a stream, by rate and form, and whether that is its encoding's only form."""


class LiveStream:
    """Held by `holders` clients (and once more by a wildcard); `at` is None until the bus has opened it.

    `tail.end` is where the clients of every tick stand, `last` the last tick up to there. `audience` is who gets it, as
    found at a version of the feed's wildcards; None where cohorts of its own have come or gone since.
    """

    __slots__ = (
        "at", "audience", "audience_of", "cohorts", "flows", "holders", "key", "last", "pending", "stream", "tail",
        "waiting",
    )  # fmt: skip

    def __init__(self, stream: Stream, since: Position | None = None) -> None:
        self.stream = stream
        self.key = stream.key
        self.at = since
        self.last: Message | None = None
        self.pending: list[Message] = []
        self.tail = Tail(since or START)
        self.cohorts: Cohorts = {}
        self.audience: Audience | None = None
        self.audience_of = 0
        self.flows: dict[float, Flow] = {}
        self.holders = 0
        self.waiting: dict[Callable[[], None], None] = {}

    def open(self, at: Position, last: tuple[int, Tick] | None, now_ns: int) -> None:
        self.at = at
        self.tail = Tail(at)
        if last is not None:
            seq, tick = last
            self.last = Message(at.epoch, seq, tick, 0, now_ns)
        waiting, self.waiting = self.waiting, {}
        for ready in waiting:
            ready()

    def take(self, batch: Batch) -> list[Message]:
        """Adds a batch to what is pending; answers the in-band gaps in it."""
        if self.at is not None and self.at.epoch is None:
            # a client that was told of no epoch could not resume from what it is about to get
            self.enter(Position(batch.epoch, batch.first), batch.ts_gateway)
        epoch, first, ts_pub, ts_gateway, entries = batch
        gaps: list[Message] = []
        seq = first
        for entry in entries:
            if isinstance(entry, Gap):
                gaps.append(of_entry(self.key, epoch, seq, entry, ts_pub, ts_gateway))
                self.pending.append(gaps[-1])
            else:
                self.pending.append(Message(epoch, seq, entry, ts_pub, ts_gateway))
            seq += 1
        self.at = Position(epoch, seq - 1)
        return gaps

    def skip(self, hole: Hole, now_ns: int) -> Message:
        """Names entries that nobody will get, and stands behind them; answers the gap."""
        gap = of_hole(self.key, hole, "bus", now_ns)
        self.pending.append(gap)
        self.at = gap.at
        return gap

    def enter(self, at: Position, now_ns: int) -> None:
        """Goes on in another epoch at `at`."""
        self.pending.append(of_epoch(self.key, at, now_ns))
        self.at = self.pending[-1].at

    def flow(self, rate: float) -> Flow:
        """The stream at a rate above 0, begun anew where nobody has had it lately."""
        flow = self._fed(rate)
        if flow is None:
            flow = self.flows[rate] = Flow(rate, self.tail.end, self.last)
        return flow

    def sent(self, rate: float) -> Position:
        """Where clients of this rate stand."""
        flow = self._fed(rate)
        return self.tail.end if flow is None else flow.sent

    def newest(self, rate: float) -> Message | None:
        """The last tick that clients of this rate were sent."""
        flow = self._fed(rate)
        return self.last if flow is None else flow.snapshot

    def _fed(self, rate: float) -> Flow | None:
        flow = self.flows.get(rate)
        # one that nobody fed any more has seen less; in the middle of a flush one has seen all that is pending
        return flow if flow is not None and flow.seen in (self.tail.end, self.at) else None

    def flushed(self) -> int:
        """What was pending is sent; answers how many messages the tail grew by."""
        chunk, self.pending = self.pending, []
        self.last = newest_tick(chunk) or self.last
        self.tail.append(chunk)
        return len(chunk)
