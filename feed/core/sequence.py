"""Where a reader of a stream stands, what the next message is to it, and how to go on after a hole."""

from collections.abc import Collection
from enum import Enum
from typing import NamedTuple

from feed.core.streams import START, Position


class Verdict(Enum):
    """What a message is to a reader who stands at some position."""

    NEXT = "next"  # follows at once
    PARTLY_STALE = "partly stale"  # begins with entries that were read before, then follows
    STALE = "stale"  # nothing new
    GAP = "gap"  # entries are missing before it
    EPOCH = "epoch"  # of another epoch: only the stream's own record can tell what it means


def judge(at: Position, epoch: str, first: int, count: int) -> Verdict:
    """Judges a message of `count` entries that begins at (`epoch`, `first`) for a reader who has read up to `at`."""
    if epoch != at.epoch:
        # a stream's very first message has nothing before it that could be missing
        return Verdict.NEXT if at == START and first == 1 else Verdict.EPOCH
    if first == at.seq + 1:
        return Verdict.NEXT
    if first > at.seq + 1:
        return Verdict.GAP
    return Verdict.STALE if first + count - 1 <= at.seq else Verdict.PARTLY_STALE


class Epoch(NamedTuple):
    """One life of a stream's numbering, and the seq of its first entry."""

    name: str
    start: int


class Record(NamedTuple):
    """What Redis keeps of a stream: its last seq, and its last epochs, oldest first, the present one at the end.

    Not `settled` is one that no worker has published to since Redis came back, perhaps without its last writes: it
    knows nothing of what was published between what it kept and its end.
    """

    seq: int
    epochs: tuple[Epoch, ...]
    settled: bool = True

    @property
    def epoch(self) -> str:
        return self.epochs[-1].name

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    def epoch_of(self, seq: int) -> str:
        """The epoch in which an entry of the log was numbered."""
        return next((epoch.name for epoch in reversed(self.epochs) if epoch.start <= seq), self.epochs[0].name)


def untold(at: Position, record: Record) -> bool:
    """Whether only the next publish can tell how a reader at this position goes on."""
    known = any(epoch.name == at.epoch for epoch in record.epochs)
    return not record.settled and at != START and not (known and at.seq <= record.seq)


class Route(NamedTuple):
    """How to go on from a position: read the log from `first` on. `cut` means that the position's epoch ended at a
    place nobody knows any more, so that what is missing before `first` can't be counted."""

    first: int
    cut: bool


def route(at: Position, record: Record, passed: Collection[str] = ()) -> Route:
    """The way from a position to the stream's present. `passed` are epochs that the reader has left behind it.

    Numbers go on rising from epoch to epoch wherever a publisher remembered them. Where the next epoch began at or
    below the reader's own seq, numbers were given twice, and the reader must take that epoch from its start.
    """
    if at == START:
        return Route(1, cut=False)
    # an epoch that the record does not know was before all that it knows: a Redis that was emptied, or long ago; but a
    # Redis that was set back knows epochs that the reader has passed, and not the reader's own
    known = (at.epoch, *passed)
    last = max((index for index, epoch in enumerate(record.epochs) if epoch.name in known), default=-1)
    later = record.epochs[last + 1 :]
    if not later or later[0].start > at.seq:
        return Route(at.seq + 1, cut=False)
    return Route(later[0].start, cut=True)
