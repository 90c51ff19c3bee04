"""Tallies say what prometheus-client's own metrics would say of the same values."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from feed.hops import Hop
from feed.tally import Extremes, Spreads, Tallies

Expositions = tuple[list[str], list[str]]

values = st.floats(-20, 20) | st.sampled_from([-1.0, 0.0, 0.5, 2.0])


def exposed(registry: CollectorRegistry) -> Expositions:
    """What a scrape brings in both formats, without the moments of creation that only prometheus-client's tell."""
    texts = generate_latest(registry).decode(), generate_openmetrics(registry).decode()
    return tuple([line for line in text.splitlines() if "_created" not in line] for text in texts)  # type: ignore[return-value]


@given(st.lists(values), st.lists(values), st.sampled_from([(-1.0, 0.0, 0.5, 2.0), (0.0, 0.5, 2.0), (0.25,)]))
def test_a_spread_is_a_histogram(first: list[float], second: list[float], buckets: tuple[float, ...]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    for metric in (
        Spreads("some_seconds", "Text.", ["feed", "hop"], buckets, registry=ours),
        Histogram("some_seconds", "Text.", ["feed", "hop"], buckets=buckets, registry=theirs),
    ):
        for of, label in ((first, "a"), (second, "b")):
            child = metric.labels("sim", label)
            for value in of:
                child.observe(value)
    assert exposed(ours) == exposed(theirs)


@given(st.lists(st.integers(0, 10**6)), st.lists(st.integers(0, 10**6)))
def test_a_tally_is_a_counter(first: list[int], second: list[int]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    for metric in (
        Tallies("some_ticks", "Text.", ["feed"], registry=ours),
        Counter("some_ticks", "Text.", ["feed"], registry=theirs),
    ):
        for of, label in ((first, "a"), (second, "b"), ([1], "a")):
            for value in of:
                metric.labels(label).inc(value)
            metric.labels(label)
    assert exposed(ours) == exposed(theirs)


def test_labels_are_counted() -> None:
    with pytest.raises(ValueError, match="feed, hop"):
        Tallies("some_ticks", "Text.", ["feed", "hop"], registry=CollectorRegistry()).labels("sim")


def test_a_name_is_taken_once() -> None:
    registry = CollectorRegistry()
    Tallies("some_ticks", "Text.", [], registry=registry)
    with pytest.raises(ValueError, match="some_ticks"):
        Counter("some_ticks", "Text.", [], registry=registry)


def test_turned_off_children_count_nothing_and_nothing_is_to_be_seen() -> None:
    registry = CollectorRegistry()
    tallies, spreads = (
        Tallies("some_ticks", "Text.", ["feed"], registry=registry),
        Spreads("some_seconds", "Text.", ["feed"], (-1.0, 1.0), registry=registry),
    )
    extremes = Extremes("some_offset", "Text.", ["feed"], registry=registry)
    for metric in (tallies, spreads, extremes):
        metric.turn_off()
    tallies.labels("sim").inc()
    tallies.labels("sim").value += 1
    hop = Hop(spreads.labels("sim"), tallies.labels("sim"), extremes.labels("sim"))
    assert spreads.labels("sim").counts[hop.observe(-0.5, 3)] == 0
    hop.observe_all([0.5, -0.5])
    assert extremes.labels("sim").value(time.monotonic()) == 0
    assert [family.samples for family in registry.collect()] == [[], [], []]
