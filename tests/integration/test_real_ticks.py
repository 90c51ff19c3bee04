"""The main job on real ticks: venue's WebSocket to Redis to clients, every recorded trade once and in order."""

from pathlib import Path

import pytest

from tests.data import recording
from tests.integration.real_ticks import Print, Received, cut, recorded, run

FILES = ("binance_spot/btcusdt_20240808.gz", "binance_spot/ethusdt_20240808.gz")
SLICE_S = 60.0


@pytest.mark.timeout(180)
def test_every_recorded_trade_reaches_both_clients_once_in_order(tmp_path: Path) -> None:
    files = [cut(recording(name), SLICE_S, tmp_path) for name in FILES]
    assert sum(map(len, recorded(files).values())) > 1_000
    said: list[str] = []
    assert run(files, 20.0, 90.0, said.append) == [], said


@pytest.mark.parametrize("fault", ["loss", "double", "swap", "price", "size", "time", "end"])
def test_the_comparison_sees_a_planted_fault(fault: str, tmp_path: Path) -> None:
    truth = recorded([cut(recording(FILES[0]), 10.0, tmp_path)])
    client = Received("client")
    got = client.trades["BTC/USDT"] = list(truth["BTC/USDT"])
    client.check(truth)
    assert not client.faults, "without a fault it finds none"
    at, trade = len(got) // 2, got[len(got) // 2]
    changed: dict[str, list[Print]] = {
        "loss": got[:at] + got[at + 1 :],
        "double": [*got[:at], trade, *got[at:]],
        "swap": [*got[:at], got[at + 1], trade, *got[at + 2 :]],
        "price": [*got[:at], trade._replace(price=trade.price + 1), *got[at + 1 :]],
        "size": [*got[:at], trade._replace(size=trade.size * 2), *got[at + 1 :]],
        "time": [*got[:at], trade._replace(time_ms=trade.time_ms + 1), *got[at + 1 :]],
        "end": got[:-1],
    }
    client.trades["BTC/USDT"] = changed[fault]
    client.check(truth)
    assert len(client.faults) == 1
