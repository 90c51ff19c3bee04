"""One hop of a tick's way, as it is measured: its delays, and what those below zero prove."""

import time
from collections.abc import Collection
from typing import Final

from feed.tally import Extreme, Mark, Spread, Tally

MARK_S: Final = 1.0


class Hop:
    """A delay below zero is never clamped: it shows that the later clock runs behind the earlier one, by so much at
    least. Counted in one thread."""

    __slots__ = ("_negative", "_offset", "spread")

    def __init__(self, spread: Spread, negative: Tally, offset: Extreme) -> None:
        self.spread = spread
        self._negative = negative
        self._offset = offset

    def observe(self, delay_s: float, times: int = 1) -> int:
        """Counts a delay, as often as it stands for; answers its bucket, for `mark`."""
        if delay_s < 0:
            self._negative.inc(times)
            self._offset.observe(-delay_s, time.monotonic())
        return self.spread.observe(delay_s, times)

    def observe_all(self, delays_s: Collection[float]) -> None:
        """Counts each of these delays, in half the time that it takes one by one. None is no delay."""
        self.spread.observe_all(delays_s)
        least = min(delays_s, default=0.0)
        if least < 0:
            self._negative.inc(sum([delay_s < 0 for delay_s in delays_s]))
            self._offset.observe(-least, time.monotonic())

    def wants_mark(self, bucket: int, now_ns: int) -> bool:
        """Whether what a bucket's mark says is a second old: to name each delay takes longer than to count it."""
        mark = self.spread.marks.get(bucket)
        return mark is None or abs(now_ns / 1e9 - mark.at_s) >= MARK_S  # the time of day may be set back

    def mark(self, bucket: int, stream: str, seq: int, delay_s: float, now_ns: int) -> None:
        """Says what was measured last in a bucket: a slow one can be looked for by its stream and number."""
        self.spread.marks[bucket] = Mark(stream, seq, delay_s, now_ns / 1e9)
