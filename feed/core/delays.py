"""Delays of a while: how many there were and how they spread, to 5 % and in bounded memory whatever they are."""

import math
from typing import Final, NamedTuple

# From one step to the next; 752 steps are the whole of 64 bits, and as many again lie below zero.
STEP: Final = 1.05
LEAST_NS: Final = 1_000  # shorter than this, either way, is one step
_LOG_STEP: Final = math.log(STEP)


class Summary(NamedTuple):
    """So many delays, in microseconds: median, 99th percentile, and the least, below zero where a clock runs behind."""

    measured: int
    p50_us: int
    p99_us: int
    least_us: int


class Delays:
    """Counts delays, in nanoseconds; those below zero are delays like any other."""

    __slots__ = ("_counts", "count", "least_ns", "most_ns")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.least_ns = 0
        self.most_ns = 0

    def add(self, delay_ns: int, times: int = 1) -> None:
        """Counts a delay as often as it stands for."""
        step = _step(delay_ns)
        self._counts[step] = self._counts.get(step, 0) + times
        self.least_ns = min(self.least_ns, delay_ns) if self.count else delay_ns
        self.most_ns = max(self.most_ns, delay_ns) if self.count else delay_ns
        self.count += times

    def quantile(self, share: float) -> int:
        """The delay, in nanoseconds, that this share of all did not pass; 0 where there is none."""
        rank, seen = math.ceil(share * self.count), 0
        for step in sorted(self._counts):
            seen += self._counts[step]
            if seen >= rank:
                return min(max(_value(step), self.least_ns), self.most_ns)
        return 0

    def summary(self) -> Summary | None:
        """None where nothing was counted."""
        if not self.count:
            return None
        micros = (self.quantile(0.5), self.quantile(0.99), self.least_ns)
        return Summary(self.count, *(round(value / 1_000) for value in micros))


def _step(delay_ns: int) -> int:
    size = abs(delay_ns)
    if size < LEAST_NS:
        return 0
    step = round(math.log(size / LEAST_NS) / _LOG_STEP) + 1
    return step if delay_ns > 0 else -step


def _value(step: int) -> int:
    if not step:
        return 0
    size = round(LEAST_NS * STEP ** (abs(step) - 1))
    return size if step > 0 else -size
