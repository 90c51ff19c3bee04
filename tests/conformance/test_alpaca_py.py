"""Alpaca's own client for Python, unmodified, against the gateway: only the URL is another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alpaca.data.live.stock import StockDataStream

from feed.settings import Auth
from tests.gateway.gateway_stage import T0, Doorkeeper, Stage, bar, play, quote, serving, until
from tests.minted import heard, mint

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


class Told:
    """What the client's callbacks were told."""

    def __init__(self) -> None:
        self.ticks: list[Any] = []

    async def take(self, tick: Any) -> None:
        self.ticks.append(tick)


@asynccontextmanager
async def running(stream: StockDataStream) -> AsyncIterator[None]:
    task = asyncio.create_task(stream._run_forever())  # what its `run` does, on a loop that is there already
    try:
        yield
    finally:
        await stream.stop_ws()
        # it looks whether to stop only between frames, for which it waits five seconds
        await stream.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def client_of(stage: Stage, key: str = "k", secret: str = "s") -> StockDataStream:
    return StockDataStream(key, secret, url_override=f"ws://{stage.address}/v2/sim")


def joined(stage: Stage) -> list[int]:
    """Streams of each cohort: what clients get from here on, not what they have asked for."""
    return [len(key.streams) for key in stage.hub.interest.cohorts]


def when(ns: int) -> datetime:
    # datetime has no nanoseconds: neither has this client
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)


def test_ticks_are_what_was_published(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage:
            stream, trades, quotes, bars = client_of(stage), Told(), Told(), Told()
            stream.subscribe_trades(trades.take, "BTC/USDT", "ETH/USDT")
            stream.subscribe_quotes(quotes.take, "*")
            stream.subscribe_bars(bars.take, "BTC/USDT")
            async with running(stream):
                await until(lambda: stage.hub.interest.wild and stage.hub.interest._cohort_of)
                first = stage.trade(
                    price=61709.12345678, size=0.00012, ts_event=T0 + 123_456_789, conditions=("@", "I")
                )
                second = stage.trade("ETH/USDT", price=2_500.0, size=3.0, exchange="V", tape="C")
                asked = quote("SOL/USDT", bid=151.25)
                built = bar()
                stage.offer(asked)
                stage.offer(built)
                await until(lambda: len(trades.ticks) == 2 and quotes.ticks and bars.ticks)
            told = {trade.symbol: trade for trade in trades.ticks}
            for trade in (first, second):
                heard = told[trade.symbol]
                assert (heard.id, heard.price, heard.size) == (trade.id, trade.price, trade.size)
                assert heard.timestamp == when(trade.ts_event)
                assert (heard.exchange, heard.tape, tuple(heard.conditions)) == (
                    trade.exchange, trade.tape, trade.conditions,
                )  # fmt: skip
            (heard,) = quotes.ticks
            assert (heard.symbol, heard.timestamp) == ("SOL/USDT", when(asked.ts_event))
            assert (heard.bid_price, heard.bid_size, heard.ask_price, heard.ask_size) == asked[2:6]
            (heard,) = bars.ticks
            assert (heard.open, heard.high, heard.low, heard.close, heard.volume, heard.trade_count, heard.vwap) == (
                built[3:10]
            )
            assert heard.timestamp == when(built.ts_event)
            await stage.gone()

    play(scene)


def test_subscriptions_may_change_while_it_runs(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            stream, trades = client_of(stage), Told()
            stream.subscribe_trades(trades.take, "A")
            async with running(stream):
                await until(lambda: joined(stage) == [1])
                stage.trade("A")
                await until(lambda: len(trades.ticks) == 1)
                # from another thread, as its `run` wants it
                await asyncio.to_thread(stream.subscribe_trades, trades.take, "B")
                await until(lambda: joined(stage) == [2])
                stage.trade("B")
                await until(lambda: len(trades.ticks) == 2)
                await asyncio.to_thread(stream.unsubscribe_trades, "A")
                await until(lambda: joined(stage) == [1])
                stage.trade("A")
                stage.trade("B")
                await until(lambda: len(trades.ticks) == 3)
                assert [tick.symbol for tick in trades.ticks] == ["A", "B", "B"]

    play(scene)


def test_a_key_gets_what_it_includes(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, auth=Auth(mode="keys")) as stage:
            key = await asyncio.to_thread(mint, redis_url, "desk", "--symbols", "BTC/*", "--kinds", "trades")
            await heard(stage, key)
            stream, trades = client_of(stage, *key), Told()
            stream.subscribe_trades(trades.take, "*")
            async with running(stream):
                await until(lambda: any(key.kinds for key in stage.hub.interest.cohorts))
                stage.trade("ETH/USDT")
                stage.trade("BTC/USDT", price=61_709.5)
                await until(lambda: trades.ticks)
            assert [(trade.symbol, trade.price) for trade in trades.ticks] == [("BTC/USDT", 61_709.5)]

    play(scene)


async def said(stream: StockDataStream, log: pytest.LogCaptureFixture, words: str) -> None:
    """Runs the client until it logs these words."""
    async with running(stream):
        await until(lambda: any(words in record.getMessage() for record in log.records))


def test_a_wrong_secret_reads_as_its_library_has_it(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with serving(redis_url, auth=Auth(mode="keys")) as stage:
            key = await asyncio.to_thread(mint, redis_url, "desk")
            await heard(stage, key)
            stream = client_of(stage, key.id, "fs_wrong")
            stream.subscribe_trades(Told().take, "A")
            await said(stream, caplog, "auth failed")
            assert "fs_wrong" not in caplog.text

    play(scene)


def test_a_connection_too_many_reads_as_its_library_has_it(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with serving(redis_url, auth=Auth(mode="keys")) as stage:
            key = await asyncio.to_thread(mint, redis_url, "desk", "--max-connections", "1")
            await heard(stage, key)
            first, second = client_of(stage, *key), client_of(stage, *key)
            for stream in (first, second):
                stream.subscribe_trades(Told().take, "A")
            async with running(first):
                await until(lambda: joined(stage) == [1])
                await said(second, caplog, "connection limit exceeded")
                assert joined(stage) == [1]

    play(scene)


@pytest.mark.parametrize(
    ("flags", "subscribe"),
    [
        (("--symbols", "BTC/*"), lambda stream: stream.subscribe_trades(Told().take, "BTC/USDT", "ETH/USDT")),
        (("--kinds", "trades"), lambda stream: stream.subscribe_quotes(Told().take, "*")),
        (("--feeds", "quiet"), lambda stream: stream.subscribe_trades(Told().take, "A")),
    ],
    ids=["symbol", "kind", "feed"],
)
def test_what_is_not_included_stops_it_for_good(
    redis_url: str, caplog: pytest.LogCaptureFixture, flags: tuple[str, ...], subscribe: Callable[[Any], None]
) -> None:
    async def scene() -> None:
        async with serving(redis_url, auth=Auth(mode="keys")) as stage:
            key = await asyncio.to_thread(mint, redis_url, "desk", *flags)
            await heard(stage, key)
            stream = client_of(stage, *key)
            subscribe(stream)
            await said(stream, caplog, "insufficient subscription")
            assert joined(stage) == []

    play(scene)
