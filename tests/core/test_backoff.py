"""Exponential backoff with full jitter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.core.backoff import delay_s


@pytest.mark.parametrize(
    ("failures", "chance", "expected"),
    [
        (1, 0.0, 0.0),
        (1, 0.5, 0.25),
        (2, 0.5, 0.5),
        (3, 1.0, 2.0),
        (6, 1.0, 16.0),
        (7, 1.0, 30.0),
        (8, 0.5, 15.0),
        (1_000_000, 1.0, 30.0),
    ],
)
def test_ceiling_doubles_up_to_its_maximum(failures: int, chance: float, expected: float) -> None:
    assert delay_s(failures, 0.5, 30.0, chance) == expected


def test_no_failure_has_no_delay() -> None:
    with pytest.raises(ValueError, match="failures is 0"):
        delay_s(0, 0.5, 30.0, 0.5)


@settings(deadline=None)
@given(
    st.integers(1, 10**9),
    st.floats(0.001, 100),
    st.floats(0.001, 86_400),
    st.floats(0, 1, exclude_max=True),
)
def test_delay_is_within_its_bounds(failures: int, min_s: float, max_s: float, chance: float) -> None:
    assert 0 <= delay_s(failures, min_s, max_s, chance) <= max_s


@settings(deadline=None)
@given(st.integers(1, 1_000), st.floats(0, 1, exclude_max=True))
def test_one_more_failure_never_shortens_the_ceiling(failures: int, chance: float) -> None:
    assert delay_s(failures, 0.5, 30.0, chance) <= delay_s(failures + 1, 0.5, 30.0, chance)
