"""Percentiles, quantiles of histograms, and the join of what clients saw with what was published."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bench.delays import Published, Seen, join, percentile, percentiles, quantile_of_buckets

MS = 1_000_000


@pytest.mark.parametrize(
    ("many", "share", "rank"), [(1, 0.5, 1), (2, 0.5, 1), (3, 0.5, 2), (100, 0.99, 99), (1_000, 0.999, 999), (9, 1, 9)]
)
def test_percentile_is_the_value_of_its_rank(many: int, share: float, rank: int) -> None:
    assert percentile(list(range(1, many + 1)), share) == rank


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1))
def test_at_least_the_share_does_not_pass_it(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
    assert sum(value < found for value in ordered) < share * len(ordered) + 1e-9


def test_nothing_has_no_percentiles() -> None:
    assert percentiles([]) is None


def test_join() -> None:
    published = [
        Published("trades:A", 10, 3, 100 * MS),
        Published("trades:A", 13, 1, 200 * MS),
        Published("trades:A", 20, 1, 300 * MS),
        Published("trades:B", 10, 1, 400 * MS),
    ]
    seen = [
        Seen("trades:A", 10, 101 * MS),
        Seen("trades:A", 12, 102 * MS),
        Seen("trades:A", 13, 205 * MS),
        Seen("trades:A", 9, 500 * MS),  # before the witness listened
        Seen("trades:A", 15, 500 * MS),  # not heard by it
        Seen("trades:B", 10, 401 * MS),
        Seen("trades:C", 10, 500 * MS),
    ]
    assert join(seen, published) == [1.0, 2.0, 5.0, 1.0]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=40), st.randoms())
def test_every_message_finds_the_call_that_published_it(calls: list[tuple[int, int]], chance: object) -> None:
    published, seen, expected, seq, now = [], [], [], 1, 0
    for entries, late in calls:
        now += MS
        published.append(Published("trades:A", seq, entries, now))
        for number in range(seq, seq + entries):
            seen.append(Seen("trades:A", number, now + late * MS))
            expected.append(float(late))
        seq += entries
    chance.shuffle(published)  # type: ignore[attr-defined]
    assert join(seen, published) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, 1.0), (0.5, 2.0), (0.75, 2.5), (1.0, None)],
)
def test_quantiles_lie_straight_within_their_bucket(share: float, expected: float | None) -> None:
    assert quantile_of_buckets({1.0: 25.0, 2.0: 50.0, 3.0: 99.0, math.inf: 100.0}, share) == (
        pytest.approx(expected, abs=0.02) if expected is not None else None
    )


def test_an_empty_histogram_has_none() -> None:
    assert quantile_of_buckets({}, 0.5) is None
    assert quantile_of_buckets({1.0: 0.0, math.inf: 0.0}, 0.5) is None
