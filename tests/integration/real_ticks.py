"""Recorded Binance frames through the whole service to two clients, compared with the recording, tick by tick.

    python -m tests.integration.real_ticks FILE... --speed 20

Starts one Redis, `feed replay`, `feed gateway`, `feed ingest binance`; an independent JSON client (websockets, depth
two) and an unmodified alpaca-py client subscribe to trades before the first frame plays. Exit code 0 if each got every
trade once, in order, with the recording's price, size and time, and the JSON client contiguous numbers.
"""

import argparse
import asyncio
import gzip
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import websockets
from alpaca.data.live import StockDataStream

from feed.bus.embedded import EmbeddedServer
from tests.integration.service import running

SYMBOLS = {"BTCUSDT": "BTC/USDT", "ETHUSDT": "ETH/USDT"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Print(NamedTuple):
    """A trade as recorded, or as a client got it; time in milliseconds."""

    symbol: str
    id: int
    price: Decimal
    size: Decimal
    time_ms: int


def recorded(files: Iterable[Path]) -> dict[str, list[Print]]:
    """The recordings' trades by symbol, by rising id: the ground truth, read without the service's code."""
    trades: dict[str, list[Print]] = {symbol: [] for symbol in SYMBOLS.values()}
    for path in files:
        with gzip.open(path, "rt") as lines:
            for line in lines:
                data = json.loads(line.partition(" ")[2]).get("data", {})
                if data.get("e") == "trade":
                    symbol = SYMBOLS[data["s"]]
                    price, size = Decimal(data["p"]), Decimal(data["q"])
                    trades[symbol].append(Print(symbol, data["t"], price, size, data["T"]))
    return {symbol: sorted(found, key=lambda trade: trade.id) for symbol, found in trades.items()}


class Received:
    """What one client got, by symbol, and what was wrong with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trades: dict[str, list[Print]] = {symbol: [] for symbol in SYMBOLS.values()}
        self.faults: list[str] = []

    def count(self) -> int:
        return sum(map(len, self.trades.values()))

    def check(self, truth: dict[str, list[Print]]) -> None:
        """Compares with the recording; each difference is a fault."""
        for symbol, expected in truth.items():
            got = self.trades[symbol]
            if got == expected:
                continue
            at = next((i for i, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), None)
            where = f"first difference at {at}: {got[at]} for {expected[at]}" if at is not None else "one ends early"
            self.faults.append(f"{symbol}: {len(got)} trades for {len(expected)} recorded; {where}")


class JsonClient(Received):
    """Depth two over `websockets`: checks that `q` rises by one."""

    async def read(self, url: str, subscribed: Callable[[], None], enough: Callable[[], bool]) -> None:
        async with websockets.connect(f"{url}/v2/binance", subprotocols=["feed.v1.json"]) as socket:
            command = {"action": "subscribe", "trades": list(SYMBOLS.values()), "id": 1}
            await socket.send(json.dumps(command))
            seqs = dict.fromkeys(SYMBOLS.values(), 0)
            while not enough():
                for message in json.loads(await socket.recv(), parse_float=Decimal):
                    if message["T"] == "subscription":
                        subscribed()
                    elif message["T"] == "t":
                        self._trade(message, seqs)
                    elif message["T"] in ("gap", "error"):
                        self.faults.append(f"told of {message}")

    def _trade(self, message: dict[str, object], seqs: dict[str, int]) -> None:
        symbol, seq = str(message["S"]), int(str(message["q"]))
        if seq != seqs[symbol] + 1:
            self.faults.append(f"{symbol}: q {seq} after {seqs[symbol]}")
        seqs[symbol] = seq
        moment = datetime.fromisoformat(str(message["t"]))
        price, size = Decimal(str(message["p"])), Decimal(str(message["s"]))
        self.trades[symbol].append(Print(symbol, int(str(message["i"])), price, size, _millis(moment)))


class AlpacaClient(Received):
    """alpaca-py as it comes, in a thread of its own, as its `run` wants it."""

    def __init__(self, url: str) -> None:
        super().__init__("alpaca-py")
        self.stream = StockDataStream("any-key", "any-secret", url_override=f"{url}/v2/binance")
        self.stream.subscribe_trades(self._trade, *SYMBOLS.values())
        self.thread = threading.Thread(target=self.stream.run)

    async def _trade(self, trade: object) -> None:
        symbol, moment = trade.symbol, trade.timestamp  # type: ignore[attr-defined]
        price, size = Decimal(repr(trade.price)), Decimal(repr(trade.size))  # type: ignore[attr-defined]
        self.trades[symbol].append(Print(symbol, trade.id, price, size, _millis(moment)))  # type: ignore[attr-defined]


def _millis(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1000)


def run(files: Sequence[Path], speed: float, timeout_s: float, say: Callable[[str], None]) -> list[str]:
    """Plays the files through the service; answers what was wrong."""
    truth = recorded(files)
    total = sum(map(len, truth.values()))
    say(f"{len(files)} recordings with {total:,} trades, at {speed:g} times their speed")
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedServer())
        common = ("--redis", redis.url, "--admin-port", "0")
        # by the time it ends its clients have what they came for
        at_once = {"FEED_DRAIN__DELAY_S": "0", "FEED_DRAIN__WINDOW_S": "0"}
        gateway = stack.enter_context(running("listening", "gateway", "--port", "0", *common, environment=at_once))
        replay = stack.enter_context(running("listening", "replay", *files, "--port", "0", "--speed", f"{speed:g}"))
        ingest = ("ingest", "binance", "--venue-url", replay.url("ws"), "--symbols", ",".join(SYMBOLS.values()))

        def begin() -> None:
            stack.enter_context(running("publishing", *ingest, *common))

        urls = gateway.url("http"), gateway.url("http", "admin")
        reader, alpaca = asyncio.run(_clients(*urls, total, timeout_s, begin))
    alpaca.thread.join()  # it looks up from its socket each five seconds, or as the gateway closes it
    clients = (reader, alpaca)
    for client in clients:
        client.check(truth)
        say(f"{client.name}: {client.count():,} of {total:,} trades, {len(client.faults)} faults")
    return [f"{client.name}: {fault}" for client in clients for fault in client.faults]


async def _clients(
    url: str, admin: str, total: int, timeout_s: float, begin: Callable[[], object]
) -> tuple[Received, AlpacaClient]:
    """Both clients, subscribed before `begin` starts the ticks. The second one is told to stop, and does in time."""
    socket_url = url.replace("http", "ws", 1)
    alpaca = AlpacaClient(socket_url)
    reader = JsonClient("JSON client")
    subscribed = asyncio.Event()
    end = time.monotonic() + timeout_s
    alpaca.thread.start()
    try:
        reading = asyncio.create_task(
            reader.read(socket_url, subscribed.set, lambda: reader.count() >= total or time.monotonic() > end)
        )
        await asyncio.wait_for(subscribed.wait(), 30)
        await _until(lambda: _subscriptions(admin) == 2 * len(SYMBOLS), "both clients subscribed", 30)
        await asyncio.to_thread(begin)
        await asyncio.wait_for(reading, timeout_s)
        await _until(lambda: alpaca.count() >= total, "alpaca-py has every trade", max(5.0, end - time.monotonic()))
    except TimeoutError as error:
        reader.faults.append(f"in vain: {error}")
    finally:
        alpaca.stream.stop()
    return reader, alpaca


async def _until(condition: Callable[[], bool], what: str, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.1)


def _subscriptions(admin: str) -> int:
    with urllib.request.urlopen(f"{admin}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith('feed_gateway_subscriptions{feed="binance"}'):
                return int(float(line.split()[-1]))
    return 0


def cut(path: Path, seconds: float, folder: Path) -> Path:
    """The first seconds of a recording, as a recording."""
    target = folder / path.name
    with gzip.open(path, "rt") as lines, gzip.open(target, "wt") as out:
        out.writelines(_until_time(lines, seconds))
    return target


def _until_time(lines: Iterable[str], seconds: float) -> Iterator[str]:
    first = 0
    for line in lines:
        at = int(line.partition(" ")[0])
        first = first or at
        if at - first > seconds * 1e9:
            return
        yield line


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--speed", type=float, default=20.0)
    parser.add_argument("--timeout", type=float, default=300.0)
    asked = parser.parse_args()
    faults = run(asked.files, asked.speed, asked.timeout, print)
    for fault in faults:
        print(fault, file=sys.stderr)
    print("every trade once, in order, as recorded" if not faults else "FAILED")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
