"""A venue whose truth is known: speaks Binance's market-data WebSocket, and writes down every tick before it is sent.

    python -m tests.chaos.venue TRUTH --port 9001 --symbols 4 --rate 250 --seed 1

All connections hear one market, from when they connected on. Orders on standard input: `hole N` leaves N trade ids of
some symbol out, `rate N` changes how many ticks a second are made, `close` ends the market and keeps the connections.
Prices are the simulator's; each quote has a bid size of its own, by which it is known again.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, broadcast, serve

from feed.core.ticks import Quote, Tick, Trade
from feed.ingest.market import Market
from tests.chaos import truth
from tests.chaos.orders import obey

PAUSE_S = 0.005
QUOTE_ID_STEP = 3  # a venue's quote ids rise, and not by one
FIRST_TRADE_ID = 1_000_001


def code_of(symbol: str) -> str:
    """The venue's own name of a symbol."""
    return symbol.replace("/", "")


class Made:
    """The market's ticks as the venue tells of them: a frame and a line of truth for each."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._trades: dict[str, int] = {}
        self._quotes: dict[str, int] = {}

    def tick(self, tick: Tick, made_ns: int) -> tuple[str, str, str]:
        """Topic, frame and line of truth."""
        code = code_of(tick.symbol)
        if isinstance(tick, Trade):
            number = self._trades.get(tick.symbol, FIRST_TRADE_ID)
            self._trades[tick.symbol] = number + 1
            price, size = f"{tick.price:.8f}", f"{tick.size:.8f}"
            topic, data = f"{code.lower()}@trade", _trade(code, number, price, size, tick.side, made_ns)
            line = truth.trade_line(tick.symbol, number, price, size, tick.side, made_ns)
        else:
            assert isinstance(tick, Quote)
            number = self._quotes.get(tick.symbol, 1)
            self._quotes[tick.symbol] = number + 1
            sides = f"{tick.bid:.8f}", f"{number / 1000:.8f}", f"{tick.ask:.8f}", f"{tick.ask_size:.8f}"
            topic, data = f"{code.lower()}@bookTicker", _quote(code, number * QUOTE_ID_STEP, *sides)
            line = truth.quote_line(tick.symbol, number * QUOTE_ID_STEP, *sides, made_ns)
        return topic, json.dumps({"stream": topic, "data": data}, separators=(",", ":")), line

    def hole(self, size: int, made_ns: int) -> str:
        """Leaves out trade ids of a symbol that trades already; the line of truth."""
        symbol = self._chance.choice(sorted(self._trades))
        first = self._trades[symbol]
        self._trades[symbol] += size
        return truth.hole_line(symbol, first, first + size - 1, made_ns)


def _trade(code: str, number: int, price: str, size: str, side: str, made_ns: int) -> dict[str, object]:
    return {
        "e": "trade", "E": made_ns // 1000, "s": code, "t": number, "p": price, "q": size,
        "T": made_ns // 1000, "m": side == "S", "M": True,
    }  # fmt: skip


def _quote(code: str, number: int, bid: str, bid_size: str, ask: str, ask_size: str) -> dict[str, object]:
    return {"u": number, "s": code, "b": bid, "B": bid_size, "a": ask, "A": ask_size}


class Venue:
    """The market, its listeners, and the log of truth."""

    def __init__(self, log: TextIO, symbols: int, rate: float, seed: int) -> None:
        self._log = log
        self._market = Market(symbols, rate, seed, time.time_ns())
        self._made = Made(seed)
        self._rate = rate
        self._open = True
        self._listeners: dict[ServerConnection, frozenset[str]] = {}

    @property
    def symbols(self) -> list[str]:
        return self._market.symbols

    async def listen(self, connection: ServerConnection) -> None:
        """Serves one connection, which names its streams in its URL."""
        request = connection.request
        assert request is not None
        topics = parse_qs(urlsplit(request.path).query).get("streams", [""])[0]
        self._listeners[connection] = frozenset(topics.split("/"))
        try:
            await connection.wait_closed()
        finally:
            del self._listeners[connection]

    async def trade(self) -> None:
        """Makes ticks at the rate for as long as the market is open."""
        clock = asyncio.get_running_loop().time
        due, last = 0.0, clock()
        while True:
            await asyncio.sleep(PAUSE_S)
            now = clock()
            due, last = due + (now - last) * self._rate, now
            if self._open and due >= 1:
                self._make(int(due))
            due %= 1

    def hole(self, words: list[str]) -> None:
        self._write([self._made.hole(int(words[0]), time.time_ns())])

    def rate(self, words: list[str]) -> None:
        self._rate = float(words[0])

    def close(self, _words: list[str]) -> None:
        self._open = False

    def _make(self, count: int) -> None:
        made_ns = time.time_ns()
        made = [self._made.tick(tick, made_ns) for tick in self._market.ticks(count, made_ns, 0, made_ns)]
        self._write(line for _, _, line in made)
        for topic, frame, _ in made:
            broadcast([connection for connection, topics in self._listeners.items() if topic in topics], frame)

    def _write(self, lines: Iterable[str]) -> None:
        # before anybody can hear of them: what a client has is in the truth
        self._log.writelines(lines)
        self._log.flush()


async def run(venue: Venue, port: int) -> None:
    async with serve(venue.listen, "127.0.0.1", port, compression=None) as server:
        bound = next(iter(server.sockets)).getsockname()[1]
        print(f"venue: listening on ws://127.0.0.1:{bound} symbols {','.join(venue.symbols)}", flush=True)
        trading = asyncio.create_task(venue.trade())
        try:
            await obey({"hole": venue.hole, "rate": venue.rate, "close": venue.close})
        finally:
            trading.cancel()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("truth", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--symbols", type=int, default=4)
    parser.add_argument("--rate", type=float, default=250.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with open(asked.truth, "w") as log:
        asyncio.run(run(Venue(log, asked.symbols, asked.rate, asked.seed), asked.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
