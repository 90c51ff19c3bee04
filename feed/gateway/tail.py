"""The newest messages of one stream, so that a client that comes back finds what it missed without asking Redis."""

from bisect import bisect_right
from collections import deque
from itertools import pairwise

from feed.core.streams import Position
from feed.gateway.message import Message


class Tail:
    """Messages without a hole from `start` to `end`, in the chunks in which they were written.

    A position is found by epoch and number together: numbers alone may have been given twice.
    """

    __slots__ = ("_chunks", "_ordered", "_unbroken", "end", "start")

    def __init__(self, start: Position) -> None:
        self.start = start
        self.end = start
        self._chunks: deque[list[Message]] = deque()
        self._ordered = True  # numbers never fall, so that a position's chunk is found by halving
        self._unbroken = 0  # so many ticks at the end follow each other with nothing else in between

    @property
    def oldest_ns(self) -> int:
        """When the oldest message came."""
        return self._chunks[0][0].ts_gateway if self._chunks else 0

    def append(self, chunk: list[Message]) -> None:
        if chunk:
            self._ordered = self._ordered and _rises(chunk) and self.end.seq <= chunk[0].seq
            self._chunks.append(chunk)
            self.end = chunk[-1].at
            ticks = _ticks_at_the_end(chunk)
            self._unbroken = ticks + (self._unbroken if ticks == len(chunk) else 0)

    def prepend(self, chunk: list[Message], start: Position) -> None:
        """Messages after `start` up to the present start."""
        if chunk:
            meets = not self._chunks or chunk[-1].seq <= self._chunks[0][0].seq
            self._ordered = self._ordered and _rises(chunk) and meets
            self._chunks.appendleft(chunk)
            self.start = start

    def drop_oldest(self) -> int:
        """Lets the oldest chunk go; answers how many messages that were."""
        if not self._chunks:
            return 0
        chunk = self._chunks.popleft()
        self.start = chunk[-1].at
        if not self._chunks:
            self._ordered = True
        return len(chunk)

    def after(self, at: Position, limit: int | None = None) -> list[Message] | None:
        """The messages that follow a position, the oldest `limit` of them; None where the position is not in here."""
        if at == self.end:
            return []
        place = self._place(at)
        if place is None:
            return None
        number, index = place
        found = self._chunks[number][index:] if number < len(self._chunks) else []
        while (number := number + 1) < len(self._chunks) and (limit is None or len(found) < limit):
            found += self._chunks[number]
        return found if limit is None else found[:limit]

    def unbroken(self, at: Position) -> tuple[int, Message] | None:
        """How many ticks follow a position, and the last of them. None where something else is among them, or the
        position is not in here."""
        ticks = self.end.seq - at.seq
        # numbers of one epoch rise by one from tick to tick; `start` has what was let go since they were counted
        if at.epoch == self.end.epoch and 0 < ticks <= self._unbroken and self._holds(at):
            return ticks, self._chunks[-1][-1]
        return None

    def find(self, seq: int) -> Position | None:
        """The newest position of that number, whatever its epoch."""
        for chunk in reversed(self._chunks):
            # within one epoch numbers only rise
            if chunk[0].epoch == chunk[-1].epoch and not chunk[0].seq <= seq <= chunk[-1].seq:
                continue
            found = next((message for message in reversed(chunk) if message.seq == seq), None)
            if found is not None:
                return found.at
        return self.start if self.start.seq == seq else None

    def _holds(self, at: Position) -> bool:
        return at.seq >= self.start.seq if at.epoch == self.start.epoch else self._place(at) is not None

    def _place(self, at: Position) -> tuple[int, int] | None:
        """The chunk and the index in it of what follows a position."""
        if self._ordered:
            number = bisect_right(self._chunks, at.seq, key=_first_seq)
            # one number may have been given once more in the next epoch
            while number and self._chunks[number - 1][-1].seq >= at.seq:
                number -= 1
                index = _index(self._chunks[number], at)
                if index is not None:
                    return number, index + 1
        else:
            for number in reversed(range(len(self._chunks))):
                index = _index(self._chunks[number], at)
                if index is not None:
                    return number, index + 1
        return (0, 0) if at == self.start else None


def _first_seq(chunk: list[Message]) -> int:
    return chunk[0].seq


def _rises(chunk: list[Message]) -> bool:
    """Whether numbers never fall within a chunk. Of one epoch they don't."""
    if chunk[0].epoch == chunk[-1].epoch:
        return chunk[0].seq <= chunk[-1].seq
    return all(one.seq <= next_one.seq for one, next_one in pairwise(chunk))


def _ticks_at_the_end(chunk: list[Message]) -> int:
    for index in reversed(range(len(chunk))):
        if chunk[index].tick is None:
            return len(chunk) - 1 - index
    return len(chunk)


def _index(chunk: list[Message], at: Position) -> int | None:
    first, last = chunk[0], chunk[-1]
    if first.epoch == last.epoch == at.epoch:
        if not first.seq <= at.seq <= last.seq:
            return None
        # numbers rise by one, but where a hole was named
        guess = at.seq - first.seq
        if guess < len(chunk) and chunk[guess].seq == at.seq:
            return guess
    return next((i for i in reversed(range(len(chunk))) if chunk[i].seq == at.seq and chunk[i].epoch == at.epoch), None)
