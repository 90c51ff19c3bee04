from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from math import log
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.core.streams import valid_symbol
from feed.core.ticks import Quote, Trade, kind_of
from feed.ingest.market import LISTINGS, Market

START = 1_723_161_600_123_456_789
STEP = 10_000_000


def market(symbols: int = 20, seed: int = 1, start_ns: int = START, ticks_per_s: float = 100.0) -> Market:
    return Market(symbols, ticks_per_s, seed, start_ns)


@cache
def many(symbols: int = 20, seed: int = 1) -> Sequence[Trade | Quote]:
    """Ticks of some minutes: made once, for all who look at them."""
    return market(symbols, seed).ticks(40_000, START, STEP, START)


def digits(number: float) -> int:
    """Significant decimal digits of the shortest form."""
    return len(Decimal(repr(number)).normalize().as_tuple().digits)


def test_the_same_seed_and_start_give_the_same_ticks() -> None:
    first, again, other = (market(30, seed).ticks(5_000, START, STEP, START) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@given(st.lists(st.integers(0, 1_500), max_size=6), st.integers(1, 40), st.integers())
@settings(max_examples=20, deadline=None)
def test_slicing_changes_only_times(slices: list[int], symbols: int, seed: int) -> None:
    whole = market(symbols, seed).ticks(sum(slices), START, STEP, 7)
    sliced, part = market(symbols, seed), []
    for count in slices:
        part += sliced.ticks(count, START, STEP, 7)
    assert [tick._replace(ts_event=0) for tick in part] == [tick._replace(ts_event=0) for tick in whole]


def test_times_are_those_asked_for() -> None:
    ticks = market().ticks(100, 1_000, 7, 5_000)
    assert [tick.ts_event for tick in ticks] == list(range(1_000, 1_700, 7))
    assert {tick.ts_recv for tick in ticks} == {5_000}


def test_ids_are_contiguous_per_stream_and_a_later_run_starts_above_them() -> None:
    streams = defaultdict(list)
    for tick in many():
        streams[kind_of(tick), tick.symbol].append(tick.id)
    assert len(streams) == 40
    for ids in streams.values():
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    last = max(max(ids) for ids in streams.values())
    (first,) = market(1, start_ns=START + 40_000 * STEP).ticks(1, 0, 0, 0)
    assert first.id is not None
    assert first.id > last


def test_ids_are_integers_that_javascript_holds() -> None:
    year_2100 = 4_102_444_800 * 10**9
    (tick,) = market(1, start_ns=year_2100).ticks(1, 0, 0, 0)
    assert tick.id is not None
    assert tick.id < 2**53


def test_symbols_are_unique_legal_and_begin_with_the_listings() -> None:
    symbols = market(12_000).symbols
    assert symbols[:20] == [listing.symbol for listing in LISTINGS]
    assert symbols[20:22] == ["SIM0021", "SIM0022"]
    assert symbols[-1] == "SIM12000"
    assert len(set(symbols)) == 12_000
    assert all(map(valid_symbol, symbols))
    assert market(3).symbols == symbols[:3]


def test_three_quotes_to_a_trade() -> None:
    kinds = Counter(type(tick) for tick in many())
    assert 2.8 < kinds[Quote] / kinds[Trade] < 3.2


def test_popular_symbols_tick_more() -> None:
    counts = Counter(tick.symbol for tick in many())
    ranked = [counts[symbol] for symbol in market().symbols]
    assert ranked[0] > 3 * ranked[5] > 6 * ranked[19] > 0


def test_prices_lie_on_their_grid_and_survive_as_decimals() -> None:
    grid = {listing.symbol: listing.digits for listing in LISTINGS}
    for tick in many(30):
        numbers = (tick.price,) if isinstance(tick, Trade) else (tick.bid, tick.ask)
        for number in numbers:
            assert number == round(number, grid.get(tick.symbol, 2)) > 0
            assert digits(number) <= 15


def test_a_trade_is_at_its_sides_price_of_the_last_quote() -> None:
    quotes: dict[str, Quote] = {}
    sides: Counter[str] = Counter()
    for tick in many():
        if isinstance(tick, Quote):
            quotes[tick.symbol] = tick
        elif quote := quotes.get(tick.symbol):
            assert tick.price == (quote.ask if tick.side == "B" else quote.bid)
            sides[tick.side] += 1
    assert set(sides) == {"B", "S"}
    assert 0.9 < sides["B"] / sides["S"] < 1.1


def test_buyers_come_when_the_price_rises() -> None:
    rises: dict[str, list[float]] = {"B": [], "S": []}
    before, side = 0.0, ""
    for tick in market(1).ticks(40_000, START, STEP, START):
        if isinstance(tick, Trade):
            side = tick.side
            continue
        if side and before:
            rises[side].append(tick.ask - before)
        before, side = tick.ask, ""
    assert fmean(rises["B"]) > 0 > fmean(rises["S"])


def test_the_spread_is_at_least_a_step_and_its_usual_width_on_average() -> None:
    spreads = defaultdict(list)
    for tick in many():
        if isinstance(tick, Quote):
            spreads[tick.symbol].append(tick.ask - tick.bid)
    for listing in LISTINGS:
        step = 10**-listing.digits
        assert min(spreads[listing.symbol]) > 0.999 * step
        assert 0.6 * listing.spread < fmean(spreads[listing.symbol]) / step < 1.4 * listing.spread


def test_equities_have_whole_sizes_venues_and_tapes_others_decimals_and_none() -> None:
    listings = {listing.symbol: listing for listing in LISTINGS}
    for tick in many(30):
        listing = listings.get(tick.symbol)
        sizes = (tick.size,) if isinstance(tick, Trade) else (tick.bid_size, tick.ask_size)
        venues = (tick.exchange,) if isinstance(tick, Trade) else (tick.bid_exchange, tick.ask_exchange)
        assert min(sizes) > 0
        if listing is None or listing.tape:
            assert all(size.is_integer() for size in sizes)
            assert all(len(venue) == 1 and venue.isupper() for venue in venues)
            assert tick.tape in {"A", "B", "C"}
            assert tick.conditions
        else:
            assert all(size == round(size, listing.size_digits) and digits(size) <= 15 for size in sizes)
            assert (*venues, tick.conditions, tick.tape) == (*[""] * len(venues), (), "")
        if isinstance(tick, Trade) and tick.tape:
            assert (tick.conditions == ("@", "I")) == (tick.size < 100)


def mids(seed: int, symbols: int = 1, ticks_per_s: float = 100.0) -> list[float]:
    ticks = market(symbols, seed, ticks_per_s=ticks_per_s).ticks(60_000, START, STEP, START)
    return [(tick.bid + tick.ask) / 2 for tick in ticks if isinstance(tick, Quote)]


def test_prices_move_by_their_volatility_whatever_the_rate() -> None:
    expected = 0.27 / (252 * 6.5 * 3600) ** 0.5  # of AAPL, in one second
    for ticks_per_s in (100.0, 2_000.0):
        path = mids(1, ticks_per_s=ticks_per_s)[:: round(ticks_per_s * 0.75)]
        moves = [log(b / a) for a, b in pairwise(path)]
        assert 0.5 * expected < pstdev(moves) < 2 * expected


def test_calm_and_stormy_times_come_in_clusters() -> None:
    path = mids(1)[::25]  # far enough apart that price steps don't hide the moves
    moves = [abs(log(b / a)) for a, b in pairwise(path)]
    mean = fmean(moves)
    follows = fmean((a - mean) * (b - mean) for a, b in pairwise(moves)) / pstdev(moves) ** 2
    assert follows > 0.1


@pytest.mark.parametrize("ticks_per_s", [1e-300, 1e-4])
def test_no_price_runs_away_however_wild_the_market(ticks_per_s: float) -> None:
    started = {listing.symbol: listing.price for listing in LISTINGS}
    for tick in market(20, ticks_per_s=ticks_per_s).ticks(20_000, START, STEP, START):
        low, high = (tick.bid, tick.ask) if isinstance(tick, Quote) else (tick.price, tick.price)
        assert 0 < low < high * 1.000001
        assert 0.005 < high / started[tick.symbol] < 200


def test_cheap_symbols_stay_above_a_hundred_steps() -> None:
    ticks = market(3_000, ticks_per_s=1e-4).ticks(60_000, START, STEP, START)
    assert min(tick.bid for tick in ticks if isinstance(tick, Quote)) > 0.5
