"""One stream at one rate: what its clients get instead of every tick."""

import math
from typing import Final

from feed.core.streams import Position
from feed.gateway.message import Conflator, Message, newest_tick

# Streams of one rate come due together, so that a client gets them in one write: so many times in a period.
PHASES: Final = 4


class Flow:
    """Shared by all who want the stream at this rate. `sent` is where they stand, `seen` what was taken in by then.

    The first message after a pause goes at once; the next one a whole period later at the earliest, and stands for all
    that came meanwhile.
    """

    __slots__ = ("_conflator", "_leading", "_period_s", "_taken", "due", "seen", "sent", "snapshot")

    def __init__(self, rate: float, at: Position, snapshot: Message | None) -> None:
        self.due = -math.inf
        self.sent = at
        self.seen = at
        self.snapshot = snapshot  # the last tick that `sent` covers
        self._period_s = 1.0 / rate
        self._conflator = Conflator()
        self._leading = True
        self._taken: list[Message] = []

    @property
    def waiting(self) -> bool:
        return bool(self._conflator)

    def add(self, messages: list[Message], end: Position, now: float) -> None:
        """Takes in what follows, up to `end`."""
        if not self._conflator:
            self._leading = now >= self.due
        for message in messages:
            self._conflator.add(message)
        self.seen = end

    def take(self, now: float) -> list[Message]:
        """What goes out at this time; it counts as sent from `flushed` on."""
        if now < self.due or not self._conflator:
            return []
        self.due = self._next(now)
        self._taken = self._conflator.take()
        return self._taken

    def flushed(self) -> None:
        """What was taken is sent; nothing was added since."""
        taken, self._taken = self._taken, []
        self.sent = self.seen
        self.snapshot = newest_tick(taken) or self.snapshot

    def _next(self, now: float) -> float:
        due = self.due + self._period_s
        if not self._leading and due > now + self._period_s / 2:
            return due  # not from `now`: the time that each message is late would add up
        return next_due(now, self._period_s)


def next_due(now: float, period_s: float) -> float:
    """When a message may follow one that went at `now`: a period later, or a little more, together with others."""
    step = period_s / PHASES
    return math.ceil((now + period_s) / step) * step
