from decimal import Decimal

import pytest

from feed.core.bars import MAX_OPEN, SETTLE_NS, BarBuilder
from feed.core.ticks import BARS, BARS_1S, NS_PER_S, Bar, Trade

S = NS_PER_S
MINUTE = 60 * S
T0 = 1_723_161_600 * S  # a whole minute


def trade(at_s: float, price: float = 10.0, size: float = 1.0, symbol: str = "A", id: int | None = None) -> Trade:
    """A trade `at_s` seconds after T0, received 5 ms later."""
    ts = T0 + round(at_s * 1000) * 1_000_000
    return Trade(symbol, id, price, size, "B", ts, ts + 5_000_000)


def builder(*kinds: str, grace_s: float = 0, contiguous: bool = False) -> BarBuilder:
    """One that has read everything from T0 on."""
    bars = BarBuilder(kinds or (BARS_1S,), round(grace_s * S), contiguous)
    bars.complete_from(T0)
    return bars


def starts(bars: list[Bar]) -> list[float]:
    return [(bar.ts_event - T0) / S for bar in bars]


def test_a_bar_says_what_its_trades_were() -> None:
    bars = builder(BARS)
    for item in (trade(1, 10.0, 2.0), trade(2, 12.5, 1.0), trade(3, 9.25, 0.5), trade(59.999, 11.0, 0.5)):
        bars.trade(item)
    vwap = (10 * 2 + 12.5 + 9.25 * 0.5 + 11 * 0.5) / 4
    expected = Bar("A", T0, BARS, 10.0, 12.5, 9.25, 11.0, 4.0, 4, vwap, T0, T0 + 59_999_000_000 + 5_000_000)
    assert bars.close_until(T0 + MINUTE) == [expected]
    assert bars.close_until(T0 + 2 * MINUTE) == []


def test_both_intervals_are_built_and_start_on_their_own_grid() -> None:
    bars = builder(BARS, BARS_1S)
    for at_s in (0, 0.5, 61.25):
        bars.trade(trade(at_s))
    got = bars.close_until(T0 + 2 * MINUTE)
    assert [(bar.kind, bar.count, at) for bar, at in zip(got, starts(got), strict=True)] == [
        (BARS, 2, 0),
        (BARS, 1, 60),
        (BARS_1S, 2, 0),
        (BARS_1S, 1, 61),
    ]


@pytest.mark.parametrize(
    ("at_s", "counts"),
    [
        ([0.0, 0.999, 1.0], {0: 2, 1: 1}),  # the end belongs to the next bar
        ([0.5, 3.5], {0: 1, 3: 1}),  # two intervals without trades give no bars
        ([1.5, 0.5, 1.7, 0.6], {0: 2, 1: 2}),  # out of order, none closed yet
    ],
)
def test_trades_find_their_interval(at_s: list[float], counts: dict[int, int]) -> None:
    bars = builder()
    for at in at_s:
        bars.trade(trade(at))
    got = bars.close_until(T0 + 60 * S)
    assert {at: bar.count for at, bar in zip(starts(got), got, strict=True)} == counts
    assert starts(got) == sorted(starts(got))


def test_open_and_close_are_the_first_and_last_read_whatever_their_times() -> None:
    bars = builder()
    for at_s, price in ((0.9, 5.0), (0.1, 7.0), (0.5, 6.0)):
        bars.trade(trade(at_s, price))
    (bar,) = bars.close_until(T0 + S)
    assert (bar.open, bar.high, bar.low, bar.close) == (5.0, 7.0, 5.0, 6.0)
    assert bar.ts_recv == T0 + 500_000_000 + 5_000_000


@pytest.mark.parametrize(("now_s", "closed"), [(1.0, False), (1.499_999, False), (1.5, True)])
def test_a_bar_closes_when_the_grace_after_its_end_has_passed(now_s: float, closed: bool) -> None:
    bars = builder(grace_s=0.5)
    bars.trade(trade(0.5))
    assert bool(bars.close_until(T0 + round(now_s * 1_000_000) * 1_000)) == closed


def test_a_trade_within_the_grace_is_put_in_and_one_after_it_is_late() -> None:
    bars = builder(grace_s=0.5)
    bars.trade(trade(0.5))
    assert bars.close_until(T0 + round(1.4 * S)) == []
    bars.trade(trade(0.6))
    (bar,) = bars.close_until(T0 + round(1.5 * S))
    assert bar.count == 2
    assert bars.late == {BARS_1S: 0}
    bars.trade(trade(0.7))
    bars.trade(trade(0.8, symbol="B"))  # the interval is closed for symbols that gave no bar, too
    assert bars.late == {BARS_1S: 2}
    assert bars.close_until(T0 + 60 * S) == []


def test_late_for_one_interval_is_not_late_for_the_other() -> None:
    bars = builder(BARS, BARS_1S)
    bars.trade(trade(0.5))
    bars.close_until(T0 + 2 * S)
    bars.trade(trade(0.6))
    assert bars.late == {BARS: 0, BARS_1S: 1}
    assert [bar.count for bar in bars.close_until(T0 + MINUTE)] == [2]


def test_a_clock_that_goes_back_reopens_nothing() -> None:
    bars = builder()
    bars.trade(trade(0.5))
    assert len(bars.close_until(T0 + 5 * S)) == 1
    assert bars.close_until(T0 + S) == []
    bars.trade(trade(3.5))
    assert bars.late == {BARS_1S: 1}


def test_the_bar_in_which_reading_began_is_not_given() -> None:
    bars = BarBuilder((BARS_1S,))
    for at_s in (0.0, 0.5, 1.2, 2.5):
        bars.trade(trade(at_s))
    # 0.5 and 1.2 are within or after the second in which reading began; 0 is on a boundary, but trades share times
    got = bars.close_until(T0 + 60 * S)
    assert starts(got) == [1, 2]


def test_trades_of_the_past_on_subscribing_do_not_pass_for_the_beginning() -> None:
    bars = BarBuilder((BARS,))
    stale = trade(-100)._replace(ts_recv=T0 + 30 * S)  # what a venue sends to greet a subscriber
    bars.trade(stale)
    for at_s in (30.5, 59, 60.5):
        bars.trade(trade(at_s))
    assert starts(bars.close_until(T0 + 2 * MINUTE)) == [60]


def test_only_the_first_second_of_reading_tells_when_it_began() -> None:
    bars = BarBuilder((BARS_1S,))
    first = trade(0.5)
    bars.trade(first)
    bars.trade(trade(2.0)._replace(ts_recv=first.ts_recv + SETTLE_NS - 1))
    bars.trade(trade(3.5)._replace(ts_recv=first.ts_recv + SETTLE_NS))
    assert starts(bars.close_until(T0 + 60 * S)) == [3]


def test_an_interruption_takes_the_open_bars_and_the_one_in_which_reading_goes_on() -> None:
    bars = builder()
    for at_s in (0.5, 1.5):
        bars.trade(trade(at_s))
    assert starts(bars.close_until(T0 + S)) == [0]
    bars.interrupted()
    for at_s in (1.7, 3.2, 3.4, 4.5):
        bars.trade(trade(at_s))
    # 1 was open when the connection was lost; reading goes on in 1.7, so 2 was read whole: it had no trade
    assert starts(bars.close_until(T0 + 60 * S)) == [3, 4]
    assert bars.late == {BARS_1S: 0}


def test_trades_of_an_interval_that_was_never_to_be_given_are_not_late() -> None:
    bars = BarBuilder((BARS_1S,))
    bars.trade(trade(5.5))
    bars.close_until(T0 + 10 * S)
    bars.trade(trade(4.5))
    bars.trade(trade(6.5))
    assert bars.late == {BARS_1S: 1}


@pytest.mark.parametrize("ids", [(1, 2, 4), (1, 2, 2), (1, 2, None), (7, 8, 1)])
def test_a_hole_in_the_ids_takes_its_symbols_open_bars_only(ids: tuple[int | None, ...]) -> None:
    bars = builder(contiguous=True)
    for other, (id, at_s) in enumerate(zip(ids, (0.2, 0.4, 1.2), strict=True)):
        bars.trade(trade(at_s, id=id))
        bars.trade(trade(at_s, symbol="B", id=other))
    bars.trade(trade(2.5, id=(ids[-1] or 0) + 1))
    got = bars.close_until(T0 + 60 * S)
    assert [(bar.symbol, start) for bar, start in zip(got, starts(got), strict=True)] == [("B", 0), ("B", 1), ("A", 2)]


def test_a_hole_before_a_trade_on_the_boundary_takes_that_bar_too() -> None:
    bars = builder(contiguous=True)
    for id, at_s in ((1, 0.5), (3, 1.0), (4, 2.0), (6, 0.9)):  # what is missing may share the time of what came
        bars.trade(trade(at_s, id=id))
    assert starts(bars.close_until(T0 + 60 * S)) == [2]


def test_ids_missed_in_an_interruption_hold_back_no_bar_of_later() -> None:
    bars = builder(contiguous=True)
    bars.trade(trade(0.5, id=1))
    bars.interrupted()
    bars.trade(trade(1.5, symbol="B", id=1))
    bars.trade(trade(8.5, id=5))
    assert starts(bars.close_until(T0 + 60 * S)) == [8]


def test_a_source_that_starts_over_in_the_past_gives_its_bars_again() -> None:
    bars = builder(contiguous=True)
    for id, at_s in ((1, 50), (3, 100)):
        bars.trade(trade(at_s, id=id))
    bars.close_until(T0 + 200 * S)
    bars.interrupted()
    for id, at_s in ((1, 0.5), (2, 1.6)):
        bars.trade(trade(at_s, id=id))
    assert starts(bars.close_until(T0 + 200 * S)) == [1]
    assert bars.late == {BARS_1S: 0}


def test_ids_are_followed_symbol_by_symbol_and_only_where_they_are_contiguous() -> None:
    trades = [trade(0.1, symbol="A", id=5), trade(0.2, symbol="B", id=90), trade(0.3, symbol="A", id=6)]
    for contiguous, last_id, given_ in ((True, 91, ["A", "B"]), (True, 95, ["A"]), (False, 95, ["A", "B"])):
        bars = builder(contiguous=contiguous)
        for item in (*trades, trade(0.4, symbol="B", id=last_id)):
            bars.trade(item)
        assert [bar.symbol for bar in bars.close_until(T0 + S)] == given_


def test_one_interval_too_many_gives_up_the_oldest() -> None:
    bars = builder()
    bars.trade(trade(0.5))
    bars.trade(trade(0.6))
    for second in range(1, MAX_OPEN + 1):
        bars.trade(trade(second))
    assert bars.late == {BARS_1S: 2}
    bars.trade(trade(0.7))
    assert bars.late == {BARS_1S: 3}
    assert starts(bars.close_until(T0 + 1_000 * S)) == list(range(1, MAX_OPEN + 1))


def test_a_trade_older_than_every_open_interval_is_late_when_there_are_too_many() -> None:
    bars = builder()
    for second in range(1, MAX_OPEN + 1):
        bars.trade(trade(second))
    bars.trade(trade(0.5))
    assert bars.late == {BARS_1S: 1}
    assert starts(bars.close_until(T0 + 1_000 * S)) == list(range(1, MAX_OPEN + 1))


@pytest.mark.parametrize(
    ("sizes", "volume"),
    [
        ([0.1, 0.2], 0.3),
        ([0.1] * 10, 1.0),
        ([1e-9, 2e-9], 3e-9),  # finer than 8 decimals
        ([1e-9, 0.3, 5.0], 5.300000001),
        ([1e15, 0.1, 0.2], 1_000_000_000_000_000.2),  # half way between two floats, rounded once from the exact sum
        ([123456789.12345678, 0.00000001], 123456789.12345679),
        ([755347483.0658494, 2.408251], 755347485.4741004),  # too long for units of 1e-8 that a float holds
        ([1e22, 1.0], 1e22),
    ],
)
def test_the_volume_is_the_exact_decimal_sum(sizes: list[float], volume: float) -> None:
    bars = builder()
    for size in sizes:
        bars.trade(trade(0.5, 1.0, size))
    (bar,) = bars.close_until(T0 + S)
    assert bar.volume == volume == float(sum(Decimal(repr(size)) for size in sizes))


def test_trades_without_size_have_their_last_price_for_a_mean() -> None:
    bars = builder()
    for price in (5.0, 6.0):
        bars.trade(trade(0.5, price, 0.0))
    (bar,) = bars.close_until(T0 + S)
    assert (bar.vwap, bar.volume, bar.count) == (6.0, 0.0, 2)
