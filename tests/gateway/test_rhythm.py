"""When the hub flushes, for flushes that take their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.gateway.rhythm import SHARE, TIMER_S, Rhythm
from feed.settings import Flush
from tests.gateway.hub_stage import Clock

KNOBS = Flush(window_min_s=0.001, window_max_s=0.02)


class Flushing:
    """Flushes take `cost_s`; what was woken for is noted."""

    def __init__(self, cost_s: float) -> None:
        self.clock = Clock()
        self.cost_s = cost_s
        self.waiting = 0
        self.began: list[float] = []
        self.took: list[float] = []
        self.batches: list[int] = []
        self.rhythm = Rhythm(self.clock, KNOBS, self._flush, self.took.append)

    def tick(self) -> None:
        self.waiting += 1
        self.rhythm.wake()

    def _flush(self) -> bool:
        batch, self.waiting = self.waiting, 0
        if batch:
            self.began.append(self.clock.at)
            self.batches.append(batch)
            self.clock.at += self.cost_s
        return bool(batch)


def test_after_a_pause_it_goes_at_once_and_nothing_is_timed() -> None:
    stage = Flushing(0.002)
    for _ in range(3):
        stage.tick()
        assert stage.clock.due_in == [0.0]
        stage.clock.turn(0.5)
        assert stage.clock.due_in == []
    assert stage.batches == [1, 1, 1]
    assert stage.took == pytest.approx([0.002] * 3)


@pytest.mark.parametrize(
    ("cost_s", "next_after_s"),
    [(0.0, 0.001), (0.0005, 0.001), (0.0014, 0.0014 / SHARE), (0.01, 0.01 / SHARE), (0.2, 0.2 + 0.02)],
)
def test_the_next_comes_when_the_last_leaves_time_for_the_rest(cost_s: float, next_after_s: float) -> None:
    stage = Flushing(cost_s)
    stage.tick()
    stage.clock.turn()
    stage.tick()
    stage.clock.turn(1.0)
    assert stage.batches == [1, 1]
    assert next_after_s <= stage.began[1] - stage.began[0] + 1e-9 <= next_after_s + TIMER_S


def test_under_load_the_next_tick_is_the_timer() -> None:
    stage = Flushing(0.0017)
    stage.tick()
    stage.clock.turn()
    while len(stage.batches) == 1:
        stage.tick()
        stage.clock.turn(0.00001)
    assert stage.began[1] - stage.began[0] == pytest.approx(0.0017 / SHARE, abs=0.00003)


def test_what_somebody_else_flushed_meanwhile_is_not_waited_for() -> None:
    stage = Flushing(0.0)
    stage.tick()
    stage.waiting = 0
    stage.clock.turn()
    assert stage.took == []
    stage.tick()
    stage.clock.turn()
    assert stage.batches == [1]


@given(st.lists(st.floats(0, 0.01), min_size=1, max_size=60), st.floats(0, 0.03))
def test_all_is_flushed_and_no_more_often_than_it_may(pauses: list[float], cost_s: float) -> None:
    stage = Flushing(cost_s)
    for pause in pauses:
        stage.tick()
        stage.clock.turn(pause)
    stage.clock.turn(1.0)
    assert sum(stage.batches) == len(pauses)
    assert stage.clock.due_in == []
    least = max(KNOBS.window_min_s, cost_s + min(KNOBS.window_max_s, cost_s / SHARE - cost_s))
    assert all(b - a >= least - 1e-9 for a, b in zip(stage.began, stage.began[1:], strict=False))
