"""Metrics of several processes as those of one service: plain values that are carried over deaths, and joined."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from prometheus_client.core import Exemplar, Metric
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]

# What the operating system and the interpreter tell of a process: a core that is full must not hide in a sum, and these
# counters begin anew with each process, which is what whoever reads them expects.
OF_PROCESSES: Final = ("process_", "python_gc_")
# Suffix of the samples that say since when a counter counts.
CREATED: Final = "_created"
WORKER: Final = "worker"


class Across(Enum):
    """How one value is made of all workers' values."""

    SUM = "sum"
    LEAST = "least"
    MOST = "most"
    SAME = "same"  # the first stands for all
    EACH = "each"  # none is: each worker's has its name as a label


class Shown(NamedTuple):
    """An exemplar: one of those that a bucket counts, and when it was, in Unix seconds."""

    labels: Labels
    value: float
    at_s: float


class Sample(NamedTuple):
    name: str
    labels: Labels
    value: float
    shown: Shown | None = None


class Family(NamedTuple):
    """One metric: its name without endings, its help text, its Prometheus type, its samples."""

    name: str
    words: str
    kind: str
    samples: tuple[Sample, ...]


Rules = Mapping[str, Across]
# a family's name to what it is and its values: one for each process that has the sample
_Gathered = dict[str, tuple[Family, dict[tuple[str, Labels], list[tuple[float, Shown | None]]]]]


def snapshot(registry: Collector) -> tuple[Family, ...]:
    """What a registry holds now."""
    return tuple(
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            tuple(
                Sample(sample.name, tuple(sample.labels.items()), sample.value, _shown(sample.exemplar))
                for sample in metric.samples
            ),
        )
        for metric in registry.collect()
    )


def of_plain(name: str, words: str, kind: str, samples: tuple[tuple[Any, ...], ...]) -> Family:
    """The family of the tuples that it became on its way from another process."""
    return Family(
        name,
        words,
        kind,
        tuple(Sample(name, labels, value, shown and Shown(*shown)) for name, labels, value, shown in samples),
    )


def rule(family: Family, rules: Rules) -> Across:
    """How the family is joined. A gauge that no rule names is told of each worker apart: never wrong, if long."""
    if family.name in rules:
        return rules[family.name]
    if family.name.startswith(OF_PROCESSES):
        return Across.EACH
    if family.kind in ("counter", "histogram"):
        return Across.SUM
    return Across.SAME if family.kind == "info" else Across.EACH


def counted(families: Iterable[Family], rules: Rules) -> tuple[Family, ...]:
    """Those that only rise and are summed: what must outlive the worker that counted it, or totals would fall."""
    return tuple(
        family
        for family in families
        if family.kind in ("counter", "histogram") and rule(family, rules) is Across.SUM
    )  # fmt: skip


def carried(gone: Iterable[Family], now: Iterable[Family], rules: Rules) -> tuple[Family, ...]:
    """What the worker of one place tells `now`, and in its counters what its dead predecessors there had `counted`.

    Each place carries its own: a total over places is then a sum of the same numbers before and after a death, and does
    not fall by the last bit of a float, which Prometheus would take for a counter that began anew.
    """
    gathered: _Gathered = {}
    _gather(gathered, counted(gone, rules), ())
    _gather(gathered, now, ())
    return _joined(gathered, rules)


def merged(workers: Mapping[str, Iterable[Family]], rules: Rules) -> tuple[Family, ...]:
    """The families of all workers, by their names, as those of one service."""
    gathered: _Gathered = {}
    for name, families in workers.items():
        for family in families:
            apart = rule(family, rules) is Across.EACH
            _gather(gathered, (family,), ((WORKER, name),) if apart else ())
    return _joined(gathered, rules)


class Joined(Collector):
    """Families for a registry to show: those that `families` gives at the time."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families():
            metric = Metric(family.name, family.words, family.kind)
            for sample in family.samples:
                exemplar = sample.shown and Exemplar(dict(sample.shown.labels), *sample.shown[1:])
                metric.add_sample(sample.name, dict(sample.labels), sample.value, exemplar=exemplar)
            yield metric


def _gather(into: _Gathered, families: Iterable[Family], more: Labels) -> None:
    for family in families:
        _, values = into.setdefault(family.name, (family, {}))
        for name, labels, value, shown in family.samples:
            values.setdefault((name, labels + more), []).append((value, shown))


def _joined(gathered: _Gathered, rules: Rules) -> tuple[Family, ...]:
    return tuple(
        family._replace(samples=tuple(_one(key, found, rule(family, rules)) for key, found in values.items()))
        for family, values in gathered.values()
    )


def _one(key: tuple[str, Labels], found: list[tuple[float, Shown | None]], how: Across) -> Sample:
    name, labels = key
    shown = max((each for _, each in found if each is not None), key=lambda each: each.at_s, default=None)
    return Sample(name, labels, _value(name, [value for value, _ in found], how), shown)


def _value(name: str, values: list[float], how: Across) -> float:
    if how is Across.LEAST or (how is Across.SUM and name.endswith(CREATED)):
        return min(values)
    if how is Across.SUM:
        return math.fsum(values)  # exactly rounded, so that the order does not matter
    return max(values) if how is Across.MOST else values[0]


def _shown(exemplar: Exemplar | None) -> Shown | None:
    if exemplar is None or exemplar.timestamp is None:
        return None
    return Shown(tuple(exemplar.labels.items()), exemplar.value, float(exemplar.timestamp))
