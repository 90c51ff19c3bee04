"""Bars against a model that keeps every trade, sums fractions and looks at all of it each time."""

import math
from collections import Counter, defaultdict
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from feed.core.bars import BarBuilder
from feed.core.ticks import BAR_INTERVAL_NS, BARS, BARS_1S, NS_PER_S, Bar, Trade
from tests.core.test_bars import T0, builder, trade

S = NS_PER_S

decimals = st.builds(lambda n, digits: n / 10**digits, st.integers(1, 10**12), st.integers(0, 9))
anything = st.floats(min_value=1e-12, max_value=1e14)
symbols = st.sampled_from("AB")
trades = st.builds(
    trade,
    st.floats(-2, 200).map(lambda s: round(s, 2)),
    decimals | anything,
    decimals | anything,
    symbols,
)
steps = st.lists(trades | st.integers(-1, 200) | st.just("interrupted"), max_size=60)


class Naive:
    """The rules of BarBuilder without contiguous ids."""

    def __init__(self, grace_ns: int) -> None:
        self.grace_ns = grace_ns
        self.late: Counter[str] = Counter()
        self.begin(T0)

    def begin(self, whole_from: int | None) -> None:
        self.trades: dict[str, list[Trade]] = {BARS: [], BARS_1S: []}
        self.closed: dict[str, int] = {BARS: 0, BARS_1S: 0}
        self.known, self.whole_from, self.first_recv = whole_from is not None, whole_from or 0, 0

    def trade(self, item: Trade) -> None:
        if not self.known:
            self.first_recv = self.first_recv or item.ts_recv
            if item.ts_recv < self.first_recv + S:
                self.whole_from = max(self.whole_from, item.ts_event + 1)
        for kind, interval in BAR_INTERVAL_NS.items():
            start = item.ts_event // interval * interval
            if start + interval > self.closed[kind]:
                self.trades[kind].append(item)
            elif start >= self.whole_from:
                self.late[kind] += 1

    def close_until(self, now: int) -> list[Bar]:
        bars = []
        for kind, interval in BAR_INTERVAL_NS.items():
            until = max(self.closed[kind], (now - self.grace_ns) // interval * interval)
            groups = defaultdict(list)
            for item in self.trades[kind]:
                start = item.ts_event // interval * interval
                if self.closed[kind] < start + interval <= until and start >= self.whole_from:
                    groups[start, item.symbol].append(item)
            bars += [naive_bar(kind, *key, group) for key, group in groups.items()]
            self.closed[kind] = until
        return bars


def naive_bar(kind: str, start: int, symbol: str, group: list[Trade]) -> Bar:
    prices = [item.price for item in group]
    sizes = [Fraction(Decimal(repr(item.size))) for item in group]
    notional = sum(size * Fraction(Decimal(repr(price))) for size, price in zip(sizes, prices, strict=True))
    volume, vwap = float(sum(sizes)), float(notional / sum(sizes))
    ohlc = (prices[0], max(prices), min(prices), prices[-1])
    return Bar(symbol, start, kind, *ohlc, volume, len(group), vwap, start, group[-1].ts_recv)


@given(steps, st.sampled_from([0, 1, S // 2, 3 * S]))
def test_the_bars_are_those_of_a_naive_model(steps: list[Trade | int | str], grace_ns: int) -> None:
    bars, naive = BarBuilder(grace_ns=grace_ns), Naive(grace_ns)
    bars.complete_from(T0)
    for step in [*steps, 500]:
        if isinstance(step, Trade):
            bars.trade(step)
            naive.trade(step)
        elif isinstance(step, str):
            bars.interrupted()
            naive.begin(None)
        else:
            now = T0 + step * S
            assert sorted(bars.close_until(now)) == sorted(naive.close_until(now))
    assert bars.late == {kind: naive.late[kind] for kind in bars.late}


@given(st.lists(decimals | anything, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_the_order_of_the_trades(sizes: list[float], random: Random) -> None:
    results = set()
    for _ in range(2):
        bars = builder()
        for size in sizes:
            bars.trade(trade(0.5, round(math.log(size) + 100, 4), size))
        (bar,) = bars.close_until(T0 + S)
        results.add((bar.volume, bar.vwap, bar.high, bar.low, bar.count))
        random.shuffle(sizes)
    assert len(results) == 1
