"""Families of several workers as one service's: each rule, what deaths do to totals, and what Prometheus is shown."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from feed.exposition import Across, Family, Joined, Sample, carried, counted, merged, rule, snapshot

RULES = {"up": Across.LEAST, "worst": Across.MOST, "open": Across.SUM, "release": Across.SAME}


def family(name: str, kind: str, *samples: tuple[str, float], **labels: str) -> Family:
    return Family(name, "Words.", kind, tuple(Sample(end, tuple(labels.items()), value) for end, value in samples))


def values(families: tuple[Family, ...]) -> dict[str, float]:
    """Values by what a line of the text format begins with."""
    return {
        sample.name + "".join(f"[{name}={value}]" for name, value in sample.labels): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "kind", "how"),
    [
        ("ticks", "counter", Across.SUM),
        ("delay", "histogram", Across.SUM),
        ("open", "gauge", Across.SUM),
        ("up", "gauge", Across.LEAST),
        ("worst", "gauge", Across.MOST),
        ("release", "gauge", Across.SAME),
        ("feed_build", "info", Across.SAME),
        ("unheard_of", "gauge", Across.EACH),
        ("process_cpu_seconds", "counter", Across.EACH),
        ("process_open_fds", "gauge", Across.EACH),
        ("python_gc_collections", "counter", Across.EACH),
    ],
)
def test_which_rule_a_family_has(name: str, kind: str, how: Across) -> None:
    assert rule(family(name, kind), RULES) is how


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("open", "gauge", {"open": 7.0}),
        ("up", "gauge", {"up": 2.0}),
        ("worst", "gauge", {"worst": 5.0}),
        ("release", "gauge", {"release": 2.0}),
        ("unheard_of", "gauge", {"unheard_of[worker=1]": 2.0, "unheard_of[worker=parent]": 5.0}),
        ("process_open_fds", "gauge", {"process_open_fds[worker=1]": 2.0, "process_open_fds[worker=parent]": 5.0}),
    ],
)
def test_how_two_values_become_one(name: str, kind: str, expected: dict[str, float]) -> None:
    told = {"1": [family(name, kind, (name, 2.0))], "parent": [family(name, kind, (name, 5.0))]}
    assert values(merged(told, RULES)) == expected


def test_a_counter_counts_since_the_first_began() -> None:
    one, two = (
        family("n", "counter", ("n_total", n), ("n_created", since)) for n, since in ((1.0, 200.0), (2.0, 100.0))
    )
    assert values(merged({"1": [one], "2": [two]}, {})) == {"n_total": 3.0, "n_created": 100.0}
    assert values(carried([one], [two], {})) == {"n_total": 3.0, "n_created": 100.0}


def test_samples_that_only_some_have_keep_their_labels_apart() -> None:
    a, b = (family("n", "counter", ("n_total", n), code=code) for n, code in ((1.0, "a"), (2.0, "b")))
    both = family("n", "counter", ("n_total", 10.0), code="b")
    assert values(merged({"1": [a], "2": [b], "3": [both]}, {})) == {"n_total[code=a]": 1.0, "n_total[code=b]": 12.0}


def test_a_dead_worker_leaves_its_counts_and_nothing_else() -> None:
    told = [
        family("n", "counter", ("n_total", 3.0)),
        family("delay", "histogram", ("delay_bucket", 2.0), ("delay_count", 2.0), ("delay_sum", 0.5)),
        family("open", "gauge", ("open", 9.0)),
        family("process_cpu_seconds", "counter", ("process_cpu_seconds_total", 8.0)),
        family("feed_build", "info", ("feed_build_info", 1.0)),
    ]
    gone = counted(told, RULES)
    assert set(values(gone)) == {"n_total", "delay_bucket", "delay_count", "delay_sum"}
    assert values(carried(gone, told, RULES)) == {
        "n_total": 6.0, "delay_bucket": 4.0, "delay_count": 4.0, "delay_sum": 1.0,
        "open": 9.0, "process_cpu_seconds_total": 8.0, "feed_build_info": 1.0,
    }  # fmt: skip


class Service:
    """Three places whose workers count, die and come back, and what the service shows in sum."""

    def __init__(self) -> None:
        self.gone: list[tuple[Family, ...]] = [(), (), ()]
        self.now = [0.0, 0.0, 0.0]

    def place(self, place: int) -> tuple[Family, ...]:
        told = family("n", "counter", ("n_total", self.now[place]))
        return carried(self.gone[place], [told], {})

    def die(self, place: int) -> None:
        self.gone[place] = counted(self.place(place), {})
        self.now[place] = 0.0

    def total(self) -> float:
        return values(merged({str(place): self.place(place) for place in range(3)}, {}))["n_total"]


steps = st.lists(
    st.tuples(st.integers(0, 2), st.none() | st.floats(0, 1e6, allow_nan=False) | st.integers(0, 1_000).map(float))
)


@given(steps)
def test_totals_never_fall_and_a_death_leaves_them_as_they_are(steps: list[tuple[int, float | None]]) -> None:
    service, before = Service(), 0.0
    for place, more in steps:
        if more is None:
            service.die(place)
            assert service.total() == before
        else:
            service.now[place] += more
        assert service.total() >= before
        before = service.total()


@given(steps)
def test_whole_numbers_are_summed_exactly(steps: list[tuple[int, float | None]]) -> None:
    service, exact = Service(), 0
    for place, more in steps:
        if more is None:
            service.die(place)
        else:
            service.now[place] += math.floor(more)
            exact += math.floor(more)
    assert service.total() == exact


@given(st.lists(st.floats(0, 1e9, allow_nan=False), min_size=2, max_size=6), st.randoms())
def test_the_order_of_workers_does_not_matter(numbers: list[float], chance: st.DrawFn) -> None:
    told = {str(place): [family("n", "counter", ("n_total", number))] for place, number in enumerate(numbers)}
    shuffled = sorted(told, key=lambda _: chance.random())  # type: ignore[attr-defined]
    total = values(merged(told, {}))["n_total"]
    assert values(merged({place: told[place] for place in shuffled}, {}))["n_total"] == total
    assert total == float(sum(map(Fraction, numbers)))


def registry_of(ticks: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    counter = Counter("ticks", "Ticks.", ["feed"], registry=registry)
    for feed in ("sim", "binance"):
        counter.labels(feed).inc(ticks)
    delay = Histogram("delay_seconds", "Delay.", ["hop"], registry=registry, buckets=(0.001, 1.0))
    for hop in ("a", "b"):
        delay.labels(hop).observe(0.5)
    Gauge("open", "Open.", registry=registry).set(ticks)
    Info("feed_build", "Version.", registry=registry).info({"version": "1"})
    return registry


def shown(*registries: CollectorRegistry) -> CollectorRegistry:
    registry = CollectorRegistry()
    told = {str(number): snapshot(one) for number, one in enumerate(registries, 1)}
    registry.register(Joined(lambda: merged(told, RULES)))
    return registry


@pytest.mark.parametrize("encode", [generate_latest, generate_openmetrics], ids=["text", "openmetrics"])
def test_a_single_worker_is_shown_as_it_shows_itself(encode) -> None:  # type: ignore[no-untyped-def]
    registry = registry_of(3)
    assert encode(shown(registry)) == encode(registry)


def test_two_workers_are_shown_as_one_that_counted_twice_as_much() -> None:
    text = generate_latest(shown(registry_of(3), registry_of(4))).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#") and "_created" not in line]
    assert lines == [
        'ticks_total{feed="sim"} 7.0',
        'ticks_total{feed="binance"} 7.0',
        *(
            f"delay_seconds_{line}"
            for hop in ("a", "b")
            for line in (
                f'bucket{{hop="{hop}",le="0.001"}} 0.0',
                f'bucket{{hop="{hop}",le="1.0"}} 2.0',
                f'bucket{{hop="{hop}",le="+Inf"}} 2.0',
                f'count{{hop="{hop}"}} 2.0',
                f'sum{{hop="{hop}"}} 1.0',
            )
        ),
        "open 7.0",
        'feed_build_info{version="1"} 1.0',
    ]
