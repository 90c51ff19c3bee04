"""One stream as a gateway reads it: its place, and what turns live messages and pages of the log into one order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

from feed.bus.entry import Batch, Entry
from feed.core.sequence import Record, Verdict, judge, route, untold
from feed.core.streams import Position, Stream
from feed.core.ticks import Gap, Tick

__all__ = ["Batch", "Hole", "Listener", "Phase", "Reading"]

# Live messages that wait while the log is read; past this many entries they are let go and read from the log instead.
MAX_WAITING_ENTRIES = 20_000
EPOCHS_KEPT = 8
# a named tuple's own constructor is Python, and takes twice as long
_new: Final[Any] = tuple.__new__


class Hole(NamedTuple):
    """Entries `first` to `last` of `epoch` that nobody will get; `last` is None where the epoch's end is not known."""

    epoch: str | None
    first: int
    last: int | None
    next: Position


class Listener(Protocol):
    """Takes what the subscriber reads, stream by stream in order. Its calls return at once."""

    def opened(self, stream: Stream, at: Position, last: tuple[int, Tick] | None) -> None:
        """The stream is live; ticks after `at` will follow. `last` is its last tick so far, with its seq."""
        ...

    def batch(self, stream: Stream, batch: Batch) -> None: ...

    def hole(self, stream: Stream, hole: Hole) -> None:
        """Redis lost these entries, or trimmed them before they could be read."""
        ...

    def epoch(self, stream: Stream, at: Position) -> None:
        """The stream goes on in another epoch at `at`, and nothing is missing."""
        ...

    def symbols(self, feed: str, streams: frozenset[Stream]) -> None:
        """All streams of a feed, whenever they may have changed."""
        ...

    def sources(self, feed: str, stale: frozenset[str] | None) -> None:
        """The symbols that no worker of the feed hears anything of now; None: all of the feed's."""
        ...

    def connected(self, up: bool) -> None: ...


class Phase(Enum):
    ASKED = "asked"  # SUBSCRIBE is not confirmed yet: a message now may precede ones that are lost
    BEHIND = "behind"  # subscribed; what came before must be read from the log first
    LIVE = "live"


@dataclass(eq=False, slots=True)
class Reading:
    """Where one stream stands. `at` is None until it was opened at its present position."""

    stream: Stream
    at: Position | None
    phase: Phase = Phase.ASKED
    has_been_live: bool = False
    passed: tuple[str, ...] = ()  # the last epochs that this was in before the present one
    last_id: int | None = None
    doubles_to: int | None = None  # after a change of epoch: venue ids up to this one were delivered before it
    moved: bool = False  # what is delivered next does not follow `at`, though nothing is missing
    waiting: list[Batch] = field(default_factory=list)
    waiting_entries: int = 0
    overflowed: bool = False
    older: int = 0  # so many of the waiting messages came before the log was asked: it knows of them

    def restart(self) -> None:
        """The connection is gone: subscribe again, then catch up from where this stood."""
        self.phase = Phase.ASKED
        self._forget()

    def ask(self) -> None:
        """The log is about to be asked for this stream."""
        self.older = len(self.waiting)

    def ahead(self) -> None:
        """The log has more than the channel brings: the stream is at another master already, though its channel is
        not."""
        self.overflowed = self.phase is Phase.BEHIND  # what is being read may be older than what this is said of
        if self.phase is Phase.LIVE:
            self.phase = Phase.BEHIND

    def live(self, batch: Batch, listener: Listener) -> int:
        """Takes a message from the channel; answers how many of its entries were old. May turn BEHIND."""
        at = self.at
        if self.phase is Phase.ASKED:
            return 0
        if self.phase is Phase.BEHIND or at is None:
            self._wait(batch)
            return 0
        epoch, first, _, _, entries = batch
        if first == at.seq + 1 and epoch == at.epoch and self.doubles_to is None and not self.moved:
            # what nearly every message is: to be judged and delivered as below takes as long again
            self.at = _new(Position, (epoch, at.seq + len(entries)))
            self._tell(batch, listener)
            return 0
        verdict = judge(at, epoch, first, len(entries))
        if verdict is Verdict.NEXT:
            self._deliver(batch, listener)
            return 0
        if verdict is Verdict.PARTLY_STALE:
            old = at.seq + 1 - first
            self._deliver(batch._replace(first=first + old, entries=entries[old:]), listener)
            return old
        if verdict is Verdict.STALE:
            return len(entries)
        self.phase = Phase.BEHIND
        self._wait(batch)
        return 0

    def open(self, record: Record | None, last: Iterable[tuple[int, Entry]], listener: Listener) -> None:
        """Begins at the stream's present position. `last` are the log's last entries, newest first."""
        if record is None:
            self.at = Position(None, 0)
            tick = None
        else:
            self.at = record.position
            tick = next(((seq, entry) for seq, entry in last if not isinstance(entry, Gap)), None)
            self.last_id = tick[1].id if tick else None
        listener.opened(self.stream, self.at, tick)

    def catch_up(
        self, record: Record | None, page: list[tuple[int, Entry]], ts_gateway: int, listener: Listener
    ) -> bool:
        """Goes on from `at` with the entries that the log has after it, naming what it doesn't have.

        True where the page is of no use: the stream goes on in numbers below `at`, which was moved to their start.
        """
        assert self.at is not None
        if record is None:
            return False  # Redis knows nothing of this stream: it may have lost it, and the next publish will tell
        if untold(self.at, record) or record.epoch in self.passed:
            return False  # a Redis that was set back: the next publish will tell
        way = route(self.at, record, self.passed)
        if way.cut:
            start = Position(record.epoch_of(way.first), way.first)
            listener.hole(self.stream, Hole(self.at.epoch, self.at.seq + 1, None, start))
            self._stand(Position(start.epoch, way.first - 1))
            self.doubles_to = self.last_id
            return True
        expected = way.first
        for seq, entry in page:
            if seq < expected:
                continue
            self._from_log(record.epoch_of(seq), seq, expected, entry, ts_gateway, listener)
            expected = seq + 1
        return False

    def missing_end(self, record: Record, listener: Listener) -> None:
        """The log ended before the stream's own position: its last entries were trimmed or lost."""
        assert self.at is not None
        if record.seq > self.at.seq and not untold(self.at, record) and record.epoch not in self.passed:
            after = Position(record.epoch, record.seq + 1)
            listener.hole(self.stream, Hole(self.at.epoch, self.at.seq + 1, record.seq, after))
            self._stand(record.position)

    def caught_up(self, record: Record | None, listener: Listener) -> int:
        """The log was read to its end: takes the messages that waited. Answers how many entries were old.

        May leave the reading BEHIND, to be read again from where it stands now.
        """
        if self.overflowed:
            self._forget()
            return 0
        self.phase, self.has_been_live = Phase.LIVE, True
        waiting, older = self.waiting, self.older
        self._forget()
        old = 0
        for at, batch in enumerate(waiting):
            # the record is younger than these: another epoch is one that ended, and no log has what they miss
            if at < older and record is not None and batch.epoch != record.epoch:
                old += len(batch.entries)
                continue
            if at < older and record is None and self.at and batch.first > self.at.seq + 1:
                before = Position(batch.epoch, batch.first - 1)
                listener.hole(
                    self.stream, Hole(self.at.epoch, self.at.seq + 1, before.seq, before._replace(seq=batch.first))
                )
                self._stand(before)
            old += self.live(batch, listener)
        return old

    def _from_log(self, epoch: str, seq: int, expected: int, entry: Entry, ts_gateway: int, listener: Listener) -> None:
        assert self.at is not None
        if seq > expected:
            listener.hole(self.stream, Hole(self.at.epoch or epoch, expected, seq - 1, Position(epoch, seq)))
        if epoch != self.at.epoch and self.at.epoch is not None:
            self.doubles_to = self.last_id
            self.moved = seq == expected
        self._deliver(Batch(epoch, seq, 0, ts_gateway, [entry]), listener)

    def _deliver(self, batch: Batch, listener: Listener) -> None:
        epoch, first, ts_pub, ts_gateway, entries = batch
        self._stand(Position(epoch, first + len(entries) - 1))
        if self.doubles_to is None and not self.moved:
            self._tell(batch, listener)
            return
        for seq, entry in enumerate(entries, first):
            if self._is_double(entry):
                self.moved = True
                continue
            if self.moved:
                listener.epoch(self.stream, Position(epoch, seq))
                self.moved = False
            self._tell(Batch(epoch, seq, ts_pub, ts_gateway, [entry]), listener)

    def _stand(self, at: Position) -> None:
        before = self.at.epoch if self.at is not None else None
        if before is not None and before != at.epoch:
            self.passed = (*self.passed, before)[-EPOCHS_KEPT:]
        self.at = at

    def _tell(self, batch: Batch, listener: Listener) -> None:
        last = batch.entries[-1]
        if not isinstance(last, Gap) and last.id is not None:
            self.last_id = last.id
        listener.batch(self.stream, batch)

    def _is_double(self, entry: Entry) -> bool:
        """Whether a Redis that forgot some ticks was given this one a second time."""
        if self.doubles_to is None:
            return False
        if isinstance(entry, Gap):
            if entry.ids is None:
                self.doubles_to = None  # the venue's numbering began anew, perhaps: ids tell nothing any more
            return False
        if entry.id is not None and entry.id <= self.doubles_to:
            return True
        self.doubles_to = None
        return False

    def _wait(self, batch: Batch) -> None:
        self.waiting.append(batch)
        self.waiting_entries += len(batch.entries)
        if self.waiting_entries > MAX_WAITING_ENTRIES:
            self._forget()  # they are in the log as well
            self.overflowed = True

    def _forget(self) -> None:
        self.waiting = []
        self.waiting_entries = 0
        self.overflowed = False
        self.older = 0
