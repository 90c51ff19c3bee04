"""Delays of a while: counted in few numbers, and known to 5 % all the same."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.delays import LEAST_NS, STEP, Delays, Summary

delays = st.integers(-(2**63), 2**63) | st.integers(-2_000_000, 60_000_000)


def counted(*values: int) -> Delays:
    found = Delays()
    for value in values:
        found.add(value)
    return found


@given(st.lists(delays, min_size=1, max_size=50), st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_one_of_the_delays_to_a_step(values: list[int], share: float) -> None:
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert abs(counted(*values).quantile(share) - exact) <= max(LEAST_NS, abs(exact) * (STEP - 1))


@given(st.lists(st.tuples(delays, st.integers(1, 9)), min_size=1, max_size=20))
def test_what_stands_for_several_counts_as_often(weighted: list[tuple[int, int]]) -> None:
    apart = counted(*(value for value, times in weighted for _ in range(times)))
    together = Delays()
    for value, times in weighted:
        together.add(value, times)
    assert together.summary() == apart.summary()


@given(st.lists(delays, max_size=200))
def test_memory_is_bounded_by_the_range_and_not_by_the_count(values: list[int]) -> None:
    assert len(counted(*values, *(2 * 10**n for n in range(19)))._counts) <= 2 * 754 + 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), None),
        ((5_000_000,), Summary(1, 5_000, 5_000, 5_000)),
        ((0, 0, 0), Summary(3, 0, 0, 0)),
        # never clamped: a clock that runs behind shows
        ((-1_270_000_000, -1_270_000_000, 2_000), Summary(3, -1_270_000, 2, -1_270_000)),
    ],
)
def test_summaries(values: tuple[int, ...], expected: Summary | None) -> None:
    found = counted(*values).summary()
    if expected is None or found is None:
        assert found is expected
        return
    assert found.measured == expected.measured
    assert found[1:] == pytest.approx(expected[1:], rel=STEP - 1)
