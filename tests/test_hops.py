"""A hop counts delays one by one or many at once alike, and never clamps one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed import metrics
from feed.core.ticks import NS_PER_S
from feed.hops import Hop
from feed.metrics import DELAY_BUCKETS
from feed.tally import Extreme, Spread, Tally

delays = st.lists(st.floats(-20, 20) | st.sampled_from([0.0, -0.001, 0.1, *DELAY_BUCKETS]))


class Counted:
    """A hop of its own, and what it counted."""

    def __init__(self) -> None:
        self.spread, self.negative, self.offset = Spread(list(DELAY_BUCKETS)), Tally(), Extreme()
        self.hop = Hop(self.spread, self.negative, self.offset)

    @property
    def all(self) -> tuple[list[int], float, float]:
        return self.spread.counts, self.negative.value, self.offset._now


@given(delays)
def test_many_at_once_are_counted_as_one_by_one(values: list[float]) -> None:
    together, single = Counted(), Counted()
    together.hop.observe_all(values)
    for value in values:
        single.hop.observe(value)
    assert together.all == single.all
    assert together.spread.sum == pytest.approx(single.spread.sum)
    assert sum(together.spread.counts) == len(values)
    assert together.negative.value == sum(value < 0 for value in values)


def test_a_delay_that_stands_for_several_counts_as_often() -> None:
    counted = Counted()
    counted.hop.observe(-0.25, 3)
    assert counted.all == ([0, 0, 3, *[0] * (len(DELAY_BUCKETS) - 2)], 3, 0.25)


def test_hops_of_a_feed_and_name_are_one() -> None:
    one, same = metrics.hop("hoptest", "client_echo"), metrics.hop("hoptest", "client_echo")
    one.observe(1.0)
    same.observe(1.0)
    assert one.spread is same.spread
    assert sum(one.spread.counts) == 2


def test_a_bucket_is_marked_once_a_second_whichever_way_the_time_of_day_is_set() -> None:
    hop = Counted().hop
    bucket = hop.observe(0.5)
    assert hop.wants_mark(bucket, 100 * NS_PER_S)
    hop.mark(bucket, "feed:trades:A", 7, 0.5, 100 * NS_PER_S)
    wants = [hop.wants_mark(bucket, round(at_s * NS_PER_S)) for at_s in (100, 100.9, 101, 99.1, 99)]
    assert wants == [False, False, True, False, True]
    assert hop.wants_mark(bucket + 1, 100 * NS_PER_S)
