"""Totals of conflated ticks: honest, exact, and the newest value wins."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.conflation import Conflation, Totals, replaces
from feed.core.exact import SCALE, exact, rounded
from feed.core.ticks import Bar, Quote, Trade

SIZES = st.one_of(
    st.decimals("0", "1000000", places=8).map(float),
    st.floats(0, 1e12, allow_nan=False),
    st.integers(0, 10**9).map(float),
)
PRICES = st.decimals("-10", "100000", places=4).map(float)


def trade(price: float, size: float) -> Trade:
    return Trade("A", 1, price, size, "B", 1, 1)


def conflated(ticks: list[Trade], first: int = 1) -> Conflation:
    found = Conflation(first, ticks[0])
    for tick in ticks[1:]:
        found.add(tick)
    return found


@given(of=st.lists(st.tuples(PRICES, SIZES), min_size=2, max_size=50), first=st.integers(1))
def test_totals_are_those_of_all_ticks(of: list[tuple[float, float]], first: int) -> None:
    ticks = [trade(price, size) for price, size in of]
    prices = [price for price, _ in of]
    found = conflated(ticks, first)
    assert found.tick is ticks[-1]
    # the sum of the shortest decimals that name the floats, rounded once
    volume = float(sum(Fraction(repr(tick.size)) for tick in ticks))
    assert found.totals() == Totals(len(ticks), first, volume, max(prices), min(prices))


def test_a_sum_is_that_of_the_decimals_people_read() -> None:
    totals = conflated([trade(1.0, 0.1)] * 10).totals()
    assert totals is not None
    assert totals.volume == 1.0
    assert sum([0.1] * 10) != 1.0


def test_one_tick_stands_for_itself() -> None:
    assert conflated([trade(1.0, 1.0)]).totals() is None


def test_quotes_are_only_counted() -> None:
    quotes = [Quote("A", n, 1.0, 1.0, 2.0, 1.0, 1, 1) for n in range(3)]
    found = Conflation(7, quotes[0])
    found.add(quotes[1])
    found.add(quotes[2])
    assert found.totals() == Totals(3, 7)
    assert found.tick is quotes[2]


@pytest.mark.parametrize(("other", "expected"), [(60, True), (120, False)])
def test_a_bar_replaces_only_the_same_bar(other: int, expected: bool) -> None:
    bars = [Bar("A", ts, "bars", 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, ts, 1) for ts in (60, other)]
    assert replaces(bars[1], bars[0]) is expected
    assert replaces(trade(1.0, 1.0), trade(2.0, 1.0))


@given(size=SIZES)
def test_exact_is_the_shortest_decimal(size: float) -> None:
    assert Fraction(exact(size)) / SCALE == Fraction(repr(size))
    assert rounded(exact(size)) == size
