"""What a new user tries first: the demo, a plain client and alpaca-py, each with trades, quotes and minute bars."""

import asyncio
import json
import re
import threading

import pytest
import websockets
from alpaca.data.live import StockDataStream

from tests.integration.service import running

# a bar comes with the minute; the demo's market is as old as the minute in which it starts
WITHIN_S = 90.0
SYMBOLS = ("AAPL", "BTC/USD")


async def plain_client(url: str) -> set[str]:
    """Message types that a JSON client received, until it has all three."""
    got: set[str] = set()
    async with websockets.connect(url) as socket:
        assert json.loads(await socket.recv()) == [{"T": "success", "msg": "connected"}]
        await socket.send(json.dumps({"action": "auth", "key": "k", "secret": "s"}))
        assert json.loads(await socket.recv()) == [{"T": "success", "msg": "authenticated"}]
        everything = {kind: list(SYMBOLS) for kind in ("trades", "quotes", "bars")}
        await socket.send(json.dumps({"action": "subscribe", **everything}))
        while not {"t", "q", "b"} <= got:
            got |= {message["T"] for message in json.loads(await socket.recv())}
    return got


class Alpaca:
    """alpaca-py, unmodified, until it has all three."""

    def __init__(self, url: str) -> None:
        self.got: set[str] = set()
        self.done = threading.Event()
        self.stream = StockDataStream("k", "s", url_override=url)
        self.stream.subscribe_trades(self._take, *SYMBOLS)
        self.stream.subscribe_quotes(self._take, *SYMBOLS)
        self.stream.subscribe_bars(self._take, *SYMBOLS)

    async def _take(self, tick: object) -> None:
        self.got.add(type(tick).__name__)
        if len(self.got) == 3:
            self.done.set()


@pytest.mark.chaos  # not that anything breaks: the minute whose bar is waited for is a real one
@pytest.mark.timeout(150)
def test_both_clients_get_trades_quotes_and_minute_bars() -> None:
    with running("try", "demo", "--port", "0", "--admin-port", "0", "--ingest-admin-port", "0") as demo:
        found = re.search(r"ws://\S+", demo.said)
        assert found
        alpaca = Alpaca(found[0])
        thread = threading.Thread(target=alpaca.stream.run)
        thread.start()
        try:
            got = asyncio.run(asyncio.wait_for(plain_client(found[0]), WITHIN_S))
            assert {"t", "q", "b"} <= got
            assert alpaca.done.wait(10), f"alpaca-py got {alpaca.got} in the time that brought the plain client all"
        finally:
            alpaca.stream.stop()
            thread.join()
    assert demo.process.returncode == 0
