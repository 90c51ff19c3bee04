"""One stream as the hub holds it: where it stands, what waits for the next flush, who gets it."""

from collections.abc import Callable, Iterator

from feed.bus.reading import Batch, Hole
from feed.core.streams import Position, Stream
from feed.core.ticks import Gap, Tick
from feed.gateway.cohort import Cohort
from feed.gateway.forms import Form, Message
from feed.wire import messages


class LiveStream:
    """Held by `holders` clients (and once more by a wildcard); `at` is None until the bus has opened it."""

    __slots__ = ("at", "cohorts", "holders", "key", "last", "pending", "stream", "waiting")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.key = stream.key
        self.at: Position | None = None
        self.last: Message | None = None
        self.pending: list[Message] = []
        self.cohorts: dict[Form, dict[Cohort, None]] = {}
        self.holders = 0
        self.waiting: dict[Callable[[], None], None] = {}

    def open(self, at: Position, last: tuple[int, Tick] | None, now_ns: int) -> None:
        self.at = at
        if last is not None:
            seq, tick = last
            self.last = Message(tick, seq, 0, now_ns)
        waiting, self.waiting = self.waiting, {}
        for ready in waiting:
            ready()

    def take(self, batch: Batch) -> list[Gap]:
        """Adds a batch to what is pending; answers the in-band gaps in it."""
        gaps = []
        if self.at is not None and self.at.epoch is None:
            # a client that was told of no epoch could not resume from what it is about to get
            self.enter(Position(batch.epoch, batch.first), batch.ts_gateway)
        for seq, entry in enumerate(batch.entries, batch.first):
            if isinstance(entry, Gap):
                gaps.append(entry)
                after = Position(batch.epoch, seq + 1)
                fields = messages.gap(self.key, batch.epoch, seq, seq, after, entry.cause, seq=seq, ids=entry.ids)
                self.pending.append(Message(None, seq, batch.ts_pub, batch.ts_gateway, fields))
            else:
                self.last = Message(entry, seq, batch.ts_pub, batch.ts_gateway)
                self.pending.append(self.last)
        self.at = Position(batch.epoch, batch.first + len(batch.entries) - 1)
        return gaps

    def skip(self, hole: Hole, now_ns: int) -> None:
        """Names entries that nobody will get, and stands behind them."""
        fields = messages.gap(self.key, hole.epoch, hole.first, hole.last, hole.next, "bus")
        self.at = Position(hole.next.epoch, hole.next.seq - 1)
        self.pending.append(Message(None, self.at.seq, 0, now_ns, fields))

    def enter(self, at: Position, now_ns: int) -> None:
        """Goes on in another epoch at `at`."""
        self.at = Position(at.epoch, at.seq - 1)
        self.pending.append(Message(None, self.at.seq, 0, now_ns, messages.epoch(self.key, at)))

    def audience(self, wild: dict[Form, dict[Cohort, None]]) -> Iterator[tuple[Form, list[Cohort]]]:
        """Cohorts by form: those that named the stream, and those that want all of its kind."""
        for form in self.cohorts.keys() | wild.keys():
            cohorts = [*self.cohorts.get(form, ()), *wild.get(form, ())]
            if cohorts:
                yield form, cohorts
