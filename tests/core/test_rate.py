"""The token bucket, on a clock turned by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.rate import TokenBucket


def test_a_full_bucket_lets_a_burst_through_and_no_more() -> None:
    bucket = TokenBucket(rate=10.0, burst=3.0, now=100.0)
    assert [bucket.take(100.0) for _ in range(5)] == [True, True, True, False, False]


def test_tokens_come_back_at_the_rate() -> None:
    bucket = TokenBucket(rate=10.0, burst=1.0, now=0.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.0625)
    assert bucket.take(0.125)


def test_a_long_pause_saves_up_no_more_than_the_burst() -> None:
    bucket = TokenBucket(rate=10.0, burst=2.0, now=0.0)
    assert [bucket.take(1_000.0) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.75])
def test_less_than_one_a_second_is_a_rate_too(rate: float) -> None:
    bucket = TokenBucket(rate=rate, burst=rate, now=0.0)
    assert bucket.take(0.0)
    assert not bucket.take(1.0)
    assert bucket.take(1.0 + 1.0 / rate)


@given(
    pauses=st.lists(st.floats(0, 2), max_size=50),
    rate=st.floats(0.5, 100),
    burst=st.floats(1, 20),
)
def test_never_more_than_the_burst_and_what_the_time_gave(pauses: list[float], rate: float, burst: float) -> None:
    now, taken = 0.0, 0
    bucket = TokenBucket(rate, burst, now)
    for pause in pauses:
        now += pause
        taken += bucket.take(now)
    assert taken <= burst + now * rate + 1e-6
