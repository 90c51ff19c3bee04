"""Metrics for hot paths: plain numbers, put into Prometheus' words when somebody scrapes.

prometheus-client takes a lock for each count, as its metrics may be counted from several threads: about 1 us for a
counter, 2 us for a histogram, several times for each tick. These belong to one event loop and cost a fraction of that.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString


class Tally:
    """A number that only rises. Counted in one thread."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, more: int = 1) -> None:
        self.value += more


class Tallies(Collector):
    """A counter with labels; `name` is without the ending `_total` that Prometheus shows."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry = REGISTRY) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._children: dict[tuple[str, ...], Tally] = {}
        registry.register(self)

    def labels(self, *values: str) -> Tally:
        """The number of these label values; the same one for the same values."""
        return self._children.setdefault(_checked(self._labels, values), Tally())

    def describe(self) -> Iterable[CounterMetricFamily]:
        return [CounterMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for values, tally in self._children.items():
            family.add_metric(values, tally.value)
        yield family


class Spread:
    """How values spread over buckets. Counted in one thread."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: list[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


class Spreads(Collector):
    """A histogram with labels. `buckets` are upper bounds, included, rising; the infinite one is added."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        buckets: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._bounds = list(buckets)
        self._words = [*map(floatToGoString, self._bounds), "+Inf"]
        self._children: dict[tuple[str, ...], Spread] = {}
        registry.register(self)

    def labels(self, *values: str) -> Spread:
        """The histogram of these label values; the same one for the same values."""
        return self._children.setdefault(_checked(self._labels, values), Spread(self._bounds))

    def describe(self) -> Iterable[HistogramMetricFamily]:
        return [HistogramMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for values, spread in self._children.items():
            buckets = list(zip(self._words, map(float, accumulate(spread.counts)), strict=True))
            if self._bounds[0] >= 0:
                family.add_metric(values, buckets, spread.sum)
                continue
            # a sum that negative values may lower is no counter, and OpenMetrics forbids it
            family.add_metric(values, buckets, None)
            family.add_sample(f"{self._name}_count", dict(zip(self._labels, values, strict=True)), buckets[-1][1])
        yield family


def _checked(labels: tuple[str, ...], values: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) != len(values):
        raise ValueError(f"labels are {', '.join(labels)}")
    return values
