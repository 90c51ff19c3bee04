"""Conflation: the newest tick in place of several, with honest totals of all that it stands for."""

from typing import NamedTuple

from feed.core.exact import Exact, exact, rounded
from feed.core.ticks import Bar, Tick, Trade


class Totals(NamedTuple):
    """What a conflated message stands for: `count` ticks, the first of them numbered `first`.

    Of trades also their volume (the float nearest to the exact sum of their sizes) and their highest and lowest price.
    """

    count: int  # type: ignore[assignment]  # hides tuple.count, which nothing needs
    first: int
    volume: float | None = None
    high: float | None = None
    low: float | None = None


def replaces(new: Tick, old: Tick) -> bool:
    """Whether the newer tick says all that a reader of the newest value needs. A bar only replaces the same bar."""
    return not isinstance(new, Bar) or new.ts_event == old.ts_event


class Conflation:
    """Ticks of one stream, taken one by one in order; the newest stands for all."""

    __slots__ = ("count", "first", "high", "low", "tick", "volume")

    def __init__(self, seq: int, tick: Tick) -> None:
        self.tick = tick
        self.first = seq
        self.count = 1
        self.volume: Exact = 0
        self.high = self.low = 0.0
        if isinstance(tick, Trade):
            self.volume = exact(tick.size)
            self.high = self.low = tick.price

    def add(self, tick: Tick) -> None:
        self.tick = tick
        self.count += 1
        if isinstance(tick, Trade):
            self.volume += exact(tick.size)
            if tick.price > self.high:
                self.high = tick.price
            elif tick.price < self.low:
                self.low = tick.price

    def totals(self) -> Totals | None:
        """None where the one tick stands for itself."""
        if self.count == 1:
            return None
        if isinstance(self.tick, Trade):
            return Totals(self.count, self.first, rounded(self.volume), self.high, self.low)
        return Totals(self.count, self.first)
