"""Two workers, one gateway, a venue and a Redis that are taken away: each metric is where it should be meanwhile."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import websockets

from feed.bus.embedded import EmbeddedServer, servers
from tests.ingest.venue_server import VenueServer, Visit
from tests.integration.scrapes import Scraped
from tests.integration.service import Service, running
from tests.integration.workers import end, start_worker

FEED = "binance"
WORKER = {
    "redis": {"timeout_s": 1.0},
    "ingest": {"stale_after_s": 1.0, "backoff_min_s": 0.05, "backoff_max_s": 0.1},
    "binance": {"symbols": ["BTC/USDT"]},
}
SMALL = {"publish": {"buffer_bytes": 65_536}}  # some 250 ticks
FLOOD = 1_500

pytestmark = pytest.mark.chaos


class Market:
    """A venue that tells all who listen the same trades, a few a second, until it falls mute."""

    def __init__(self) -> None:
        self.server = VenueServer([self._visit])
        self.mute = False
        self.last_id = 0
        self.hearers = 2
        """Trades wait until so many listen: none is missed by all."""
        self._open: set[Visit] = set()

    async def trade(self) -> None:
        """Trades until cancelled."""
        while True:
            if not self.mute and len(self._open) >= self.hearers:
                await self.say(1)
            await asyncio.sleep(0.05)

    async def say(self, trades: int) -> None:
        for _ in range(trades):
            self.last_id += 1
            frame = {"e": "trade", "s": "BTCUSDT", "t": self.last_id, "p": "1.5", "q": "2", "m": True, "M": True}
            text = json.dumps({"data": frame | {"T": int(time.time() * 1e6)}})
            for visit in list(self._open):
                with contextlib.suppress(ConnectionError):  # who goes just now has not heard it
                    await visit.send(text)

    async def _visit(self, visit: Visit) -> None:
        self._open.add(visit)
        try:
            await visit.stay()
        finally:
            self._open.discard(visit)


class Client:
    """Reads the stream's trades; what it got of them, in order."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.gaps: list[tuple[str, list[int] | None]] = []

    async def read(self, url: str) -> None:
        async with websockets.connect(url, subprotocols=["feed.v1.json"]) as socket:  # type: ignore[list-item]
            await socket.send(json.dumps({"action": "subscribe", "trades": ["BTC/USDT"]}))
            async for frame in socket:
                for message in json.loads(frame):
                    if message["T"] == "t":
                        self.ids.append(message["i"])
                    elif message["T"] == "gap":
                        self.gaps.append((message["cause"], message.get("ids")))


class Stage:
    def __init__(self, redis: EmbeddedServer, market: Market, gateway: Service, workers: list[Service]) -> None:
        self.redis, self.market, self.services = redis, market, workers
        self.gateway = Scraped(gateway)
        self.workers = [Scraped(worker) for worker in workers]
        self.client = Client()

    def total(self, name: str, **labels: str) -> float:
        return sum(worker.sum(name, **labels) for worker in self.workers)


@asynccontextmanager
async def stage(folder: Path, binary: Path) -> AsyncIterator[Stage]:
    market = Market()
    with EmbeddedServer(binary=binary) as redis, ExitStack() as stack:
        async with market.server.serving():

            def start() -> tuple[Service, list[Service]]:
                gateway = stack.enter_context(
                    running("listening", "gateway", "--feeds", FEED, "--port", "0", "--admin-port", "0",
                            "--redis", redis.url)
                )  # fmt: skip
                workers = []
                for name, more in (("w1", {}), ("w2", SMALL)):
                    workers.append(start_worker(folder, name, redis.url, market.server.url, WORKER | more))
                    stack.callback(end, workers[-1])
                return gateway, workers

            gateway, workers = await asyncio.to_thread(start)
            made = Stage(redis, market, gateway, workers)
            url = gateway.url("http").replace("http", "ws", 1)
            tasks = [asyncio.create_task(made.client.read(f"{url}/v2/{FEED}"))]
            try:
                await made.gateway.until(lambda it: it.sum("feed_gateway_streams") == 0, "a client is there")
                tasks.append(asyncio.create_task(market.trade()))
                yield made
                assert not any(task.done() for task in tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.to_thread(stack.close)


async def all_is_well(on: Stage) -> None:
    gateway, both = on.gateway, on.workers
    await gateway.until(lambda it: it.sum("feed_gateway_ticks_in_total") > 20, "ticks come")
    for worker in both:
        await worker.until(lambda it: it.value("feed_ingest_connected", feed=FEED) == 1, "the venue is connected")
        await worker.until(lambda it: it.value("feed_ingest_silent_symbols", feed=FEED) == 0, "it is heard")
        await worker.until(lambda it: it.value("feed_bus_connected", role="publisher") == 1, "Redis is connected")
        assert worker.value("feed_ingest_symbols", feed=FEED) == 1
        assert worker.sum("feed_hop_delay_seconds_count", hop="venue_to_ingest") > 20
        assert worker.sum("feed_ingest_parse_errors_total") == worker.sum("feed_publish_gaps_total") == 0
        assert worker.sum("feed_bus_call_seconds_count", call="publish") > 5
    await gateway.until(lambda it: it.value("feed_bus_workers", feed=FEED) == 2, "two workers beat")
    await gateway.until(lambda it: it.value("feed_bus_feed_live", feed=FEED) == 1, "the feed is live")
    await gateway.until(lambda it: it.sum("feed_bus_call_seconds_count", call="beat") > 0, "the own beat is heard")
    assert gateway.value("feed_bus_silent_symbols", feed=FEED) == 0
    assert gateway.value("feed_bus_connected", role="subscriber") == 1
    assert on.total("feed_publish_duplicates_total", feed=FEED) > 10, "one of two is always second"
    assert gateway.sum("feed_hop_delay_seconds_count", hop="publish_to_gateway") > 0
    for name in ("uptime_seconds", "memory_bytes", "memory_limit_bytes", "clients", "cpu_seconds_total",
                 "commands_total", "evicted_keys_total"):  # fmt: skip
        assert gateway.value(f"feed_redis_{name}", server="") is not None


async def the_venue_falls_mute(on: Stage) -> None:
    on.market.mute = True
    for worker in on.workers:
        await worker.until(lambda it: it.sum("feed_ingest_reconnects_total", reason="stale") >= 1, "it gave it up")
        await worker.until(lambda it: it.value("feed_ingest_silent_symbols", feed=FEED) == 1, "the symbol is silent")
        await worker.until(lambda it: (it.value("feed_ingest_last_tick_age_seconds", feed=FEED) or 0) > 1, "its age")
    await on.gateway.until(lambda it: it.value("feed_bus_feed_live", feed=FEED) == 0, "the feed is not live")
    assert on.gateway.value("feed_bus_workers", feed=FEED) == 2, "it is the venue's fault"
    on.market.mute = False
    await on.gateway.until(lambda it: it.value("feed_bus_feed_live", feed=FEED) == 1, "the feed is live again")


async def redis_is_away(on: Stage) -> None:
    """The second worker's buffer overflows, and the first one's brings what it lost."""
    first, second = on.workers
    on.redis.pause()
    await on.market.say(FLOOD)
    for worker in on.workers:
        await worker.until(lambda it: it.value("feed_bus_connected", role="publisher") == 0, "the worker knows")
        await worker.until(lambda it: (it.value("feed_publish_oldest_seconds", feed=FEED) or 0) > 1, "ticks wait")
        await worker.until(lambda it: (it.value("feed_bus_probe_age_seconds", role="publisher") or 0) > 1, "silence")
    await on.gateway.until(lambda it: it.value("feed_bus_connected", role="subscriber") == 0, "the gateway knows")
    assert (first.value("feed_publish_buffered_bytes", feed=FEED) or 0) > FLOOD * 200
    assert 60_000 < (second.value("feed_publish_buffered_bytes", feed=FEED) or 0) <= 65_536
    assert second.value("feed_publish_buffer_limit_bytes", feed=FEED) == 65_536
    assert first.sum("feed_publish_dropped_total") == 0 < second.sum("feed_publish_dropped_total")
    await asyncio.to_thread(on.redis.resume)
    await recovered(on)
    assert on.total("feed_publish_gaps_total") == on.gateway.sum("feed_gateway_gaps_total") == 0
    assert on.client.gaps == []


async def recovered(on: Stage) -> None:
    for worker in on.workers:
        await worker.until(lambda it: it.value("feed_bus_connected", role="publisher") == 1, "the worker is back")
        await worker.until(lambda it: (it.value("feed_publish_oldest_seconds", feed=FEED) or 0) < 0.9, "nothing waits")
        await worker.until(lambda it: it.sum("feed_bus_reconnects_total") >= 1, "it is counted")
    await on.gateway.until(lambda it: it.value("feed_bus_connected", role="subscriber") == 1, "the gateway is back")
    await on.gateway.until(lambda it: it.sum("feed_bus_heals_total", feed=FEED) >= 1, "what was missed was read")
    await on.gateway.until(lambda _: on.client.ids[-1:] >= [on.market.last_id - 20], "the client is up to date")


async def both_lose_ticks(on: Stage) -> None:
    """The first worker ends, and Redis is away for longer than the second's buffer lasts."""
    on.market.hearers = 1
    await asyncio.to_thread(on.services[0].stop)
    on.workers = on.workers[1:]
    await on.gateway.until(lambda it: it.value("feed_bus_workers", feed=FEED) == 1, "one worker is left")
    on.redis.pause()
    await on.market.say(FLOOD)
    (worker,) = on.workers
    # of the bar that both cut short when the venue fell mute, either may have told
    told = worker.sum("feed_publish_gaps_total", cause="venue")
    await worker.until(lambda it: it.value("feed_bus_connected", role="publisher") == 0, "the worker knows")
    await on.gateway.until(lambda it: it.value("feed_bus_connected", role="subscriber") == 0, "the gateway knows")
    await asyncio.to_thread(on.redis.resume)
    await recovered(on)
    assert worker.sum("feed_publish_gaps_total", cause="ingest") >= 1
    assert worker.sum("feed_publish_gaps_total", cause="venue") == told
    assert {cause for cause, _ in on.client.gaps} == {"ingest"}
    assert on.gateway.sum("feed_gateway_gaps_total", cause="ingest") == len(on.client.gaps)


async def the_books_balance(on: Stage) -> None:
    """Each tick that a worker made was published by it, or by its peer, or given up, or waits."""
    on.market.mute = True
    (worker,) = on.workers

    def settled(it: Scraped) -> bool:
        fates = ("ticks", "duplicates", "dropped")
        return it.sum("feed_ingest_ticks_total") == sum(it.sum(f"feed_publish_{fate}_total") for fate in fates)

    await worker.until(settled, "all that was offered is accounted for")
    missing = sum(ids[1] - ids[0] + 1 for _, ids in on.client.gaps if ids)
    await on.gateway.until(
        lambda _: len(on.client.ids) + missing >= on.market.last_id - on.client.ids[0] + 1, "the end"
    )
    assert len(on.client.ids) + missing == on.market.last_id - on.client.ids[0] + 1
    assert on.client.ids == sorted(set(on.client.ids))


@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_a_story_is_told_by_its_metrics(server: str, tmp_path: Path) -> None:
    if server not in servers():
        pytest.skip(f"no {server} server here")

    async def main() -> None:
        async with stage(tmp_path, servers()[server]) as on:
            await all_is_well(on)
            cut = on.gateway.value("feed_redis_clients_cut_total", server="")
            assert cut == (0 if server == "valkey" else None), "redis-server 7.0 does not say"
            await the_venue_falls_mute(on)
            await redis_is_away(on)
            await both_lose_ticks(on)
            await the_books_balance(on)

    asyncio.run(main())
