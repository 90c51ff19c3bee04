"""Rates and percentiles of the last few seconds. Times are integer nanoseconds and never go backwards."""

from collections import deque
from typing import Final

from feed.core.ticks import NS_PER_S

BUCKET_NS: Final = NS_PER_S // 4
BUCKETS: Final = 12
SPAN_NS: Final = 5 * NS_PER_S


class Rate:
    """Events per second over the last three seconds; before that much was seen, over what was."""

    def __init__(self) -> None:
        self._counts = deque([0] * BUCKETS, maxlen=BUCKETS)
        self._bucket = -1
        self._first = -1

    def add(self, count: int, now_ns: int) -> None:
        self._advance(now_ns)
        self._counts[-1] += count

    def per_second(self, now_ns: int) -> float:
        if self._bucket < 0:
            return 0.0
        self._advance(now_ns)
        seen = min(BUCKETS, self._bucket - self._first + 1)
        # The youngest bucket is still filling: counting it as whole would show a rate that breathes.
        span_ns = (seen - 1) * BUCKET_NS + max(0, now_ns - self._bucket * BUCKET_NS)
        return sum(self._counts) * NS_PER_S / max(span_ns, BUCKET_NS)

    def _advance(self, now_ns: int) -> None:
        bucket = now_ns // BUCKET_NS
        if self._bucket < 0:
            self._first = self._bucket = bucket
        for _ in range(min(bucket - self._bucket, BUCKETS)):
            self._counts.append(0)
        self._bucket = max(self._bucket, bucket)


class Samples:
    """The newest measurements, at most `capacity`, of which those of the last five seconds count."""

    def __init__(self, capacity: int = 512) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=capacity)

    def add(self, value: int, now_ns: int) -> None:
        self._samples.append((now_ns, value))

    def quantiles(self, now_ns: int) -> tuple[int, int] | None:
        """Median and 99th percentile, None where nothing was measured."""
        values = sorted(value for at, value in self._samples if now_ns - at <= SPAN_NS)
        if not values:
            return None
        return values[(len(values) - 1) // 2], values[-(-99 * len(values) // 100) - 1]
