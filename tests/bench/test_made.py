"""Made ticks: without a hole in their ids, over all symbols alike, the same each time."""

import pytest

from feed.bench.made import Made, symbols
from feed.core.ticks import QUOTES, TRADES, Quote, Trade


@pytest.mark.parametrize(("kind", "made"), [(TRADES, Trade), (QUOTES, Quote)])
@pytest.mark.parametrize("run", [1, 20])
def test_ids_rise_by_one(kind: str, made: type, run: int) -> None:
    names = symbols(7)
    source = Made(names, kind, run)
    ids: dict[str, list[int]] = {name: [] for name in names}
    for now in range(7 * run * 3):
        tick = source.next(now)
        assert isinstance(tick, made)
        assert tick.ts_recv == now
        ids[tick.symbol].append(tick.id or 0)
    assert all(found == list(range(found[0], found[0] + 3 * run)) for found in ids.values())


def test_the_same_each_time() -> None:
    one, other = (Made(symbols(50), TRADES, 1) for _ in range(2))
    assert [one.next(1) for _ in range(200)] == [other.next(1) for _ in range(200)]
