"""The venue's clock: it follows trades, and no single trade takes it far ahead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.bars import JUMP_NS, BarBuilder, VenueClock
from feed.core.ticks import BARS, BARS_1S, NS_PER_S, Trade

S = NS_PER_S
DAY = 86_400 * S
YEAR = 365 * DAY
T0 = 1_723_161_600 * S


def at_the_end(*trades_s: tuple[float, float]) -> float:
    """Seconds after T0 that the clock shows at the last of the trades; each: venue's seconds after T0, seconds here."""
    clock, monotonic_ns = VenueClock(), 0
    for venue_s, local_s in trades_s:
        monotonic_ns = round(local_s * S)
        clock.saw(T0 + round(venue_s * S), monotonic_ns)
    now = clock.now(monotonic_ns)
    assert now is not None
    return (now - T0) / S


def test_runs_on_from_the_last_trade() -> None:
    clock = VenueClock()
    assert clock.now(1_000) is None
    clock.saw(T0, 5_000)
    assert clock.now(5_000) == T0
    assert clock.now(5_700) == T0 + 700
    clock.saw(T0 + 20 * S, 6_000)  # a replay at twenty times the speed
    assert clock.now(6_001) == T0 + 20 * S + 1
    clock.saw(T0 + 10 * S, 7_000)
    assert clock.now(7_000) == T0 + 10 * S


@pytest.mark.parametrize(
    ("trades_s", "shown_s"),
    [
        ([(0, 0), (60, 0)], 60),  # the furthest that one trade is believed
        ([(0, 0), (60.001, 0)], 0),
        ([(0, 0), (300, 300)], 300),  # five quiet minutes, here as there
        ([(0, 0), (DAY / S, 1)], 1),  # doubted, the clock runs on
        ([(0, 0), (DAY / S, 1), (1, 2)], 1),  # contradicted
        ([(0, 0), (DAY / S, 1), (1, 2), (DAY / S, 3)], 2),  # two wrong ones, not in a row
        ([(0, 0), (DAY / S, 1), (DAY / S + 5, 2)], DAY / S),  # another day's recording
        ([(0, 0), (DAY / S + 5, 1), (DAY / S, 2), (DAY / S + 6, 3)], DAY / S + 6),
        ([(0, 0), (100, 0), (200, 0), (300, 0), (400, 0)], 300),  # a thinly traded symbol, replayed fast
        ([(0, 0), (YEAR / S, 1), (70, 2), (71, 3)], 71),  # agreed on no more than the nearer one
        ([(0, 0), (-DAY / S, 1)], -DAY / S),  # a recording that starts over
    ],
)
def test_a_jump_ahead_needs_a_second_trade(trades_s: list[tuple[float, float]], shown_s: float) -> None:
    assert at_the_end(*trades_s) == shown_s


@given(
    steps=st.lists(st.integers(0, 5 * S), min_size=2, max_size=30),
    wrong=st.dictionaries(st.integers(0, 28), st.integers(JUMP_NS + 10 * S, YEAR)),
)
def test_wrong_times_that_stand_alone_leave_no_trace(steps: list[int], wrong: dict[int, int]) -> None:
    with_wrong, without, monotonic_ns = VenueClock(), VenueClock(), 0
    for index, step in enumerate(steps):
        monotonic_ns += step
        for clock in (with_wrong, without):
            clock.saw(T0 + monotonic_ns, monotonic_ns)
        if index in wrong:
            with_wrong.saw(T0 + monotonic_ns + wrong[index], monotonic_ns)
        assert with_wrong.now(monotonic_ns + 1) == without.now(monotonic_ns + 1)


@given(
    first=st.lists(st.integers(0, 5 * S), min_size=1, max_size=10),
    jump=st.integers(-YEAR, YEAR),
    second=st.lists(st.integers(0, 5 * S), min_size=2, max_size=10),
)
def test_after_any_jump_the_second_trade_is_believed(first: list[int], jump: int, second: list[int]) -> None:
    clock, ts = VenueClock(), T0
    for step in first:
        ts += step
        clock.saw(ts, 0)
    ts += jump
    before = ts
    for step in second:
        before, ts = ts, ts + step
        clock.saw(ts, 0)
    assert clock.now(0) in (before, ts)


def test_one_trade_of_the_far_future_stops_no_bars() -> None:
    bars, clock, closed = BarBuilder(), VenueClock(), []
    bars.complete_from(T0)
    for second in range(300):
        now = second * S
        seen = [Trade("A", second, 1.0, 1.0, "B", T0 + now, T0 + now)]
        if second == 100:
            seen.append(Trade("BAD", 1, 1.0, 1.0, "B", T0 + now + YEAR, T0 + now))
        for trade in seen:
            bars.trade(trade)
            clock.saw(trade.ts_event, now)
            venue_now = clock.now(now)
            assert venue_now is not None
            closed += bars.close_until(venue_now)
    assert [bar.ts_event for bar in closed if bar.kind == BARS] == [T0 + minute * 60 * S for minute in range(4)]
    assert [bar.ts_event for bar in closed if bar.kind == BARS_1S] == [T0 + second * S for second in range(299)]
    assert bars.late == {BARS: 0, BARS_1S: 0}
