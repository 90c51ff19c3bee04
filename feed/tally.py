"""Metrics for hot paths: plain numbers, put into Prometheus' words when somebody scrapes.

prometheus-client takes a lock for each count, as its metrics may be counted from several threads: about 1 us for a
counter, 2 us for a histogram, several times for each tick. These belong to one event loop and cost a fraction of that.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, Generic, NamedTuple, TypeVar

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

# A gauge of extremes forgets what is older than twice this, and nothing younger than this.
EXTREME_S: Final = 30.0

T = TypeVar("T")


class Tally:
    """A number that only rises. Counted in one thread."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def inc(self, more: float = 1) -> None:
        self.value += more


class Level:
    """A number that rises and falls. Set in one thread, or asked for at each scrape."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self._read: Callable[[], float] = float

    def set(self, value: float) -> None:
        self._read = lambda: value

    def set_function(self, read: Callable[[], float]) -> None:
        self._read = read

    @property
    def value(self) -> float:
        return self._read()


class Mark(NamedTuple):
    """What was measured when a value fell into a bucket, shown as the bucket's exemplar: Unix time in seconds."""

    stream: str
    seq: int
    value: float
    at_s: float


class Spread:
    """How values spread over buckets. Counted in one thread."""

    __slots__ = ("_bounds", "counts", "marks", "sum")

    def __init__(self, bounds: list[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.marks: dict[int, Mark] = {}
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> int:
        """Counts a value, as often as it stands for; answers its bucket, for `marks`."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += times
        self.sum += value * times
        return bucket

    def observe_all(self, values: Collection[float]) -> None:
        """Counts each of them, in half the time that it takes one by one."""
        bounds, counts = self._bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)


class Extreme:
    """The largest value of the last half minute to minute; 0 where there was none. Counted in one thread."""

    __slots__ = ("_before", "_now", "_since")

    def __init__(self) -> None:
        self._before = self._now = 0.0
        self._since = -EXTREME_S

    def observe(self, value: float, now_s: float) -> None:
        """`now_s` is of `time.monotonic`."""
        self._turn(now_s)
        self._now = max(self._now, value)

    def value(self, now_s: float) -> float:
        self._turn(now_s)
        return max(self._before, self._now)

    def _turn(self, now_s: float) -> None:
        passed = now_s - self._since
        if passed >= EXTREME_S:
            self._before = self._now if passed < 2 * EXTREME_S else 0.0
            self._now, self._since = 0.0, now_s


class MuteTally(Tally):
    __slots__ = ()

    def inc(self, more: float = 1) -> None:
        """Counts nothing."""


class MuteSpread(Spread):
    __slots__ = ()

    def observe(self, value: float, times: int = 1) -> int:  # noqa: ARG002
        """Counts nothing; answers some bucket."""
        return 0

    def observe_all(self, values: Collection[float]) -> None:
        """Counts nothing."""


class MuteExtreme(Extreme):
    __slots__ = ()

    def observe(self, value: float, now_s: float) -> None:
        """Forgets it."""


class Children(Collector, Generic[T]):
    """A metric with labels, each set of whose values has a child that counts. `mute` is one that doesn't."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], child: Callable[[], T], mute: T, registry: CollectorRegistry
    ) -> None:
        self.name, self._text, self.label_names = name, text, tuple(labels)
        self._child = child
        self._mute = mute
        self._on = True
        self._children: dict[tuple[str, ...], T] = {}
        registry.register(self)

    def turn_off(self) -> None:
        """From here on children count nothing, and nothing is to be seen of the metric. Before any is bound."""
        self._on = False

    def labels(self, *values: str) -> T:
        """The child of these label values; the same one for the same values."""
        if len(values) != len(self.label_names):
            raise ValueError(f"labels are {', '.join(self.label_names)}")
        child = self._children.get(values) if self._on else self._mute
        if child is None:
            child = self._children[values] = self._child()
        return child

    def drop(self, *values: str) -> None:
        """Forgets the child of these label values, if there is one."""
        self._children.pop(values, None)

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        raise NotImplementedError

    def _family(self) -> Metric:
        raise NotImplementedError


class Tallies(Children[Tally]):
    """A counter with labels; `name` is without the ending `_total` that Prometheus shows."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry = REGISTRY) -> None:
        super().__init__(name, text, labels, Tally, MuteTally(), registry)

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = self._family()
        for values, tally in self._children.items():
            family.add_metric(values, tally.value)
        yield family

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(self.name, self._text, labels=self.label_names)


class Levels(Children[Level]):
    """A gauge of which there is nothing to be seen before its first child: not 0 in a process that it is not about."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry = REGISTRY) -> None:
        super().__init__(name, text, labels, Level, Level(), registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        for values, level in self._children.items():
            family.add_metric(values, level.value)
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self.name, self._text, labels=self.label_names)


class Extremes(Children[Extreme]):
    """A gauge with labels: the largest value of late."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry = REGISTRY) -> None:
        super().__init__(name, text, labels, Extreme, MuteExtreme(), registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        now_s = time.monotonic()
        for values, extreme in self._children.items():
            family.add_metric(values, extreme.value(now_s))
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self.name, self._text, labels=self.label_names)


class Spreads(Children[Spread]):
    """A histogram with labels. `buckets` are upper bounds, included, rising; the infinite one is added."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._bounds = list(buckets)
        self._words = [*map(floatToGoString, self._bounds), "+Inf"]
        super().__init__(name, text, labels, lambda: Spread(self._bounds), MuteSpread(self._bounds), registry)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = self._family()
        for values, spread in self._children.items():
            counts = map(float, accumulate(spread.counts))
            buckets = [
                (word, count, _exemplar(mark)) if (mark := spread.marks.get(bucket)) else (word, count)
                for bucket, (word, count) in enumerate(zip(self._words, counts, strict=True))
            ]
            if self._bounds[0] >= 0:
                family.add_metric(values, buckets, spread.sum)
                continue
            # a sum that negative values may lower is no counter, and OpenMetrics forbids it
            family.add_metric(values, buckets, None)
            labels = dict(zip(self.label_names, values, strict=True))
            family.add_sample(f"{self.name}_count", labels, buckets[-1][1])
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self.name, self._text, labels=self.label_names)


def _exemplar(mark: Mark) -> Exemplar:
    return Exemplar({"stream": mark.stream, "seq": str(mark.seq)}, mark.value, mark.at_s)
