"""Where a reader of a stream stands, what the next message is to it, and how to go on after a hole."""

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


class Record(NamedTuple):
    """What Redis keeps of a stream: `start` is the first seq of `epoch`; `prev_epoch` ended at `prev_seq`."""

    epoch: str
    seq: int
    start: int
    prev_epoch: str | None = None
    prev_seq: int = 0

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    def epoch_of(self, seq: int) -> str:
        """The epoch in which an entry of the log was numbered."""
        return self.epoch if seq >= self.start or self.prev_epoch is None else self.prev_epoch


class Route(NamedTuple):
    """How to go on from a position: read the log from `first` on. `cut` means that the position's epoch ended at a
    place nobody knows any more, so that what is missing before `first` can't be counted."""

    first: int
    cut: bool


def route(at: Position, record: Record) -> Route:
    """The way from a position to the stream's present.

    Numbers go on rising from epoch to epoch wherever a publisher remembered them. Where the new epoch begins at or
    below the reader's own seq, numbers were given twice, and the reader must take the new epoch from its start.
    """
    if at == START or at.epoch == record.epoch:
        return Route(at.seq + 1, cut=False)
    if at.epoch == record.prev_epoch and record.start > at.seq:
        return Route(at.seq + 1, cut=False)
    return Route(record.start, cut=True)
