"""Recorded ticks go on without a hole when the recording begins again."""

import itertools

from feed.bench.recorded import Recorded
from feed.core.ticks import Quote, Trade
from tests.data import recording


def test_ids_go_on_rising_over_the_recordings_end() -> None:
    source = Recorded([str(recording("binance_spot/ethusdt_20240808.gz"))])
    assert source.symbols == ["ETHUSDT"]
    many = round(source.per_s * source.seconds)
    trades, quotes = [], []
    for now in range(2 * many):
        tick = source.take(now)
        assert tick.ts_recv == now
        if isinstance(tick, Trade):
            trades.append(tick.id or 0)
        elif isinstance(tick, Quote):
            quotes.append(tick.id or 0)
    assert trades == list(range(trades[0], trades[0] + len(trades)))
    assert all(one < other for one, other in itertools.pairwise(quotes))
