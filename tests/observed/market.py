"""A venue that speaks Binance's WebSocket and makes up so many trades a second, until it is told to be mute."""

import asyncio
import contextlib
import json
import time
from typing import Final

from tests.ingest.venue_server import VenueServer, Visit

EVERY_S: Final = 0.02


class Market:
    """All who listen are told the same trades. Lives in one event loop."""

    def __init__(self, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"), trades_per_s: float = 50.0) -> None:
        self.mute = False
        """Connections stay open, and bring nothing."""
        self.ahead_s = 0.0
        """By how much the venue's clock is ahead of ours."""
        self.trades_per_s = trades_per_s
        self.trades = 0
        self._symbols = symbols
        self._ids = dict.fromkeys(symbols, 0)
        self._open: set[Visit] = set()
        self._server = VenueServer([self._visit])

    @property
    def url(self) -> str:
        return self._server.url

    async def run(self, listens: asyncio.Event, port: int = 0) -> None:
        """Until cancelled; `listens` is set when `url` is known. Cancelled and run again it is back at `port`."""
        async with self._server.serving(port):
            listens.set()
            told = time.monotonic()
            while True:
                await asyncio.sleep(EVERY_S)
                due = int((time.monotonic() - told) * self.trades_per_s)
                if due and not self.mute:
                    await self.say(due)
                told += due / self.trades_per_s

    async def say(self, trades: int) -> None:
        for _ in range(trades):
            self.trades += 1
            symbol = self._symbols[self.trades % len(self._symbols)]
            self._ids[symbol] += 1
            stamp = int((time.time() + self.ahead_s - 0.005) * 1e6)
            trade = {"e": "trade", "s": symbol, "t": self._ids[symbol], "p": "1.5", "q": "2", "m": True, "M": True}
            await self.send(json.dumps({"stream": f"{symbol.lower()}@trade", "data": {**trade, "T": stamp}}))

    def skip(self, trades: int) -> None:
        """So many trades of the first symbol are never told: their ids are missing."""
        self._ids[self._symbols[0]] += trades

    async def send(self, frame: str) -> None:
        """To all who listen, sense or nonsense."""
        for visit in list(self._open):
            with contextlib.suppress(ConnectionError):  # who goes just now has not heard it
                await visit.send(frame)

    async def _visit(self, visit: Visit) -> None:
        self._open.add(visit)
        try:
            await visit.stay()
        finally:
            self._open.discard(visit)
