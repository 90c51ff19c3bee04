"""The highest rate that a system survives is found by halving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bench.halving import MOST, Halving


def search(rate: float, bears: float) -> Halving:
    """A system that bears so many ticks a second and carries as many under more."""
    found = Halving(rate)
    for _ in range(MOST + 1):
        if found.done:
            break
        held = found.rate <= bears
        found.tell(1.0 if held else bears / found.rate, 10.0 if held else 2_000.0, min(bears, found.rate))
    return found


@given(st.floats(1, 1e5), st.floats(0.5, 1e5))
def test_it_ends_at_a_rate_that_holds_or_has_tried_enough(rate: float, bears: float) -> None:
    found = search(rate, bears)
    assert found.done
    assert found.survived == (found.rate <= bears)
    if found.survived:
        assert found.rate == rate or found.rate * 2 > bears / 1.5
    else:
        assert found.rate == rate / 2**MOST


def test_late_is_not_survived() -> None:
    found = Halving(100)
    found.tell(1.0, 1_000.0, 100)
    assert (found.rate, found.done) == (50, False)


def test_nothing_delivered_is_halved_once() -> None:
    found = Halving(100)
    found.tell(0.0, None, 0)
    assert (found.rate, found.done) == (50, False)


@pytest.mark.parametrize(("least", "done"), [(50, False), (51, True)])
def test_a_rate_at_which_a_window_sees_nothing_is_not_tried(least: float, done: bool) -> None:
    found = Halving(100, least)
    found.tell(0.5, 10.0, 50)
    assert (found.done, found.survived) == (done, False)
