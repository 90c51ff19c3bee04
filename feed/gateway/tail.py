"""The newest messages of one stream, so that a client that comes back finds what it missed without asking Redis."""

from collections import deque
from itertools import chain

from feed.core.streams import Position
from feed.gateway.message import Message


class Tail:
    """Messages without a hole from `start` to `end`, in the chunks in which they were written.

    A position is found by epoch and number together: numbers alone may have been given twice.
    """

    __slots__ = ("_chunks", "end", "start")

    def __init__(self, start: Position) -> None:
        self.start = start
        self.end = start
        self._chunks: deque[list[Message]] = deque()

    @property
    def oldest_ns(self) -> int:
        """When the oldest message came."""
        return self._chunks[0][0].ts_gateway if self._chunks else 0

    def append(self, chunk: list[Message]) -> None:
        if chunk:
            self._chunks.append(chunk)
            self.end = chunk[-1].at

    def prepend(self, chunk: list[Message], start: Position) -> None:
        """Messages after `start` up to the present start."""
        if chunk:
            self._chunks.appendleft(chunk)
            self.start = start

    def drop_oldest(self) -> int:
        """Lets the oldest chunk go; answers how many messages that were."""
        if not self._chunks:
            return 0
        chunk = self._chunks.popleft()
        self.start = chunk[-1].at
        return len(chunk)

    def after(self, at: Position, limit: int | None = None) -> list[Message] | None:
        """The messages that follow a position, the oldest `limit` of them; None where the position is not in here."""
        if at == self.end:
            return []
        later: list[list[Message]] = []
        for chunk in reversed(self._chunks):
            index = _index(chunk, at)
            if index is not None:
                return _first(chunk[index + 1 :], later, limit)
            later.append(chunk)
        return _first([], later, limit) if at == self.start else None

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


def _first(head: list[Message], later: list[list[Message]], limit: int | None) -> list[Message]:
    if limit is None:
        return list(chain(head, *reversed(later)))
    found = head[:limit]
    while later and len(found) < limit:
        found += later.pop()[: limit - len(found)]
    return found
