"""Publisher to subscriber over real servers: order, healing, and what is said where nothing can be healed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from feed.bus import names
from feed.bus.embedded import EmbeddedServer, ask, servers
from feed.bus.publisher import Publisher
from feed.bus.store import Store
from feed.bus.subscriber import Subscriber
from feed.core.streams import START, Position, Stream
from feed.core.ticks import Bar, Quote, Trade
from feed.settings import Values
from tests.bus.ear import Ear
from tests.bus.script import Script

A = Stream("t", "trades", "A")
B = Stream("t", "trades", "B")
Flow = Callable[["Bus"], Coroutine[Any, Any, None]]


def trade(symbol: str, tick_id: int, ts_recv: int = 1) -> Trade:
    return Trade(symbol, tick_id, 1.5, 2.0, "B", 1_000_000 * tick_id, ts_recv)


class Bus:
    """A publisher and a subscriber of feed `t`, running."""

    def __init__(self, url: str, timeout_s: float = 5.0, **publish: Any) -> None:
        self.values = Values.model_validate({"redis": {"url": url, "timeout_s": timeout_s}, "publish": publish})
        self.ear = Ear()
        self.publisher = Publisher(self.values, "t", frozenset({"trades"}))
        self.subscriber = Subscriber(self.values, self.ear)

    async def open(self, *streams: Stream) -> None:
        for stream in streams:
            self.subscriber.want(stream)
        await self.ear.until(lambda: all(self.ear.said(stream, "open") for stream in streams), "streams open")

    async def drained(self) -> None:
        assert await self.publisher.drain(10.0)

    async def got(self, stream: Stream, *ids: int) -> None:
        await self.ear.until(lambda: len(self.ear.ids(stream)) >= len(ids), f"{len(ids)} ticks of {stream.name}")
        assert self.ear.ids(stream) == list(ids)


@asynccontextmanager
async def running(bus: Bus) -> AsyncIterator[Bus]:
    tasks = [asyncio.create_task(bus.publisher.run()), asyncio.create_task(bus.subscriber.run())]
    try:
        await bus.ear.until(lambda: bus.ear.up, "the subscriber connects")
        yield bus
        assert not any(task.done() for task in tasks), "publisher and subscriber run until they are told not to"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def flow(url: str, body: Flow, **publish: Any) -> None:
    async def main() -> None:
        async with running(Bus(url, **publish)) as bus:
            await body(bus)

    asyncio.run(main())


def test_ticks_come_in_order_with_contiguous_numbers(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        await bus.open(A, B)
        for i in range(1, 1_001):
            bus.publisher.offer(trade("A", i))
            if i % 3 == 0:
                bus.publisher.offer(trade("B", i // 3))
            if i % 100 == 0:
                await asyncio.sleep(0)
        await bus.got(A, *range(1, 1_001))
        await bus.got(B, *range(1, 334))
        assert bus.ear.seqs(A) == list(range(1, 1_001))

    flow(redis_url, body)


def test_opening_tells_position_and_last_tick(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        bus.publisher.offer(trade("A", 7))
        bus.publisher.offer(trade("A", 8))
        await bus.drained()
        await bus.open(A, B)
        assert bus.ear.said(A, "open")[0][2] == 2
        assert bus.ear.last[A.name] == (2, trade("A", 8))
        assert bus.ear.said(B, "open") == [("open", None, 0)]
        assert bus.ear.last[B.name] is None

    flow(redis_url, body)


def test_a_stream_read_from_its_start_brings_what_it_has(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        for i in range(1, 2_501):  # more than two pages of the log
            bus.publisher.offer(trade("A", i))
        await bus.drained()
        bus.subscriber.want(A, START)
        for i in range(2_501, 2_601):
            bus.publisher.offer(trade("A", i))
        await bus.got(A, *range(1, 2_601))

    flow(redis_url, body)


def test_what_was_unwanted_is_silent_and_can_be_wanted_again(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        await bus.open(A)
        bus.publisher.offer(trade("A", 1))
        await bus.got(A, 1)
        bus.subscriber.unwant(A)
        bus.publisher.offer(trade("A", 2))
        await bus.drained()
        bus.ear.heard.clear()
        await bus.open(A)
        bus.publisher.offer(trade("A", 3))
        await bus.got(A, 3)
        # dropped and wanted within one turn of the loop: no UNSUBSCRIBE may follow the new SUBSCRIBE
        bus.subscriber.unwant(A)
        bus.subscriber.want(A)
        await bus.ear.until(lambda: len(bus.ear.said(A, "open")) == 2, "open again")
        bus.publisher.offer(trade("A", 4))
        await bus.ear.until(lambda: 4 in bus.ear.ids(A), "a tick after opening again")

    flow(redis_url, body)


def test_the_directory_knows_each_stream_before_its_first_tick(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        bus.subscriber.want_directory("t")
        bus.publisher.offer(trade("A", 1))
        await bus.ear.until(lambda: A in bus.ear.directory, "A in the directory")
        bus.publisher.offer(trade("B", 1))
        await bus.ear.until(lambda: B in bus.ear.directory, "B in the directory")

    flow(redis_url, body)


def test_a_directory_that_redis_forgot_is_written_anew(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        bus.publisher.offer(trade("A", 1))
        await bus.drained()
        client = redis.Redis.from_url(redis_url)
        client.flushall()
        bus.publisher.offer(trade("A", 2))
        await bus.drained()
        bus.publisher.offer(trade("A", 3))
        await bus.drained()
        assert client.smembers(names.symbols_key("t")) == {A.name.encode()}
        client.close()

    flow(redis_url, body)


def test_quotes_and_bars_cross_the_bus(redis_url: str) -> None:
    quote = Quote("A", 5, 1.0, 2.0, 1.5, 3.0, 10, 11, "X", "Y", ("R",), "C")
    bar = Bar("A", 60_000_000_000, "bars1s", 1.0, 2.0, 0.5, 1.5, 10.25, 7, 1.25, 60_000_000_000, 12)

    async def body(bus: Bus) -> None:
        await bus.open(Stream("t", "quotes", "A"), Stream("t", "bars1s", "A"))
        bus.publisher.offer(quote)
        bus.publisher.offer(bar)
        await bus.got(Stream("t", "quotes", "A"), 5)
        await bus.got(Stream("t", "bars1s", "A"), 60_000_000_000)
        store = Store(bus.values.redis)
        pasts = await store.latest([Stream("t", "quotes", "A"), Stream("t", "bars1s", "A"), A])
        assert [past.entries[0][1] for past in pasts[:2]] == [quote, bar]
        assert (pasts[2].record, pasts[2].entries) == (None, [])
        await store.close()

    flow(redis_url, body)


def test_the_venues_hole_becomes_a_gap_after_the_peer_had_its_chance(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        await bus.open(A)
        bus.publisher.offer(trade("A", 1))
        bus.publisher.offer(trade("A", 5))
        bus.publisher.offer(trade("A", 6))
        await bus.got(A, 1, 5, 6)
        assert bus.ear.said(A, "in-band") == [("in-band", 2, "venue", (2, 4))]

    flow(redis_url, body, behind_wait_s=0.05)


def test_two_workers_publish_each_tick_once(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        peer = Publisher(
            bus.values.model_copy(update={"ingest": bus.values.ingest.model_copy(update={"worker_id": "peer"})}),
            "t",
            frozenset({"trades"}),
        )
        task = asyncio.create_task(peer.run())
        await bus.open(A)
        for i in range(1, 501):
            bus.publisher.offer(trade("A", i))
            if not 100 < i < 200:  # the peer has a hole, which this worker fills
                peer.offer(trade("A", i))
            if i % 50 == 0:
                await asyncio.sleep(0.01)
        await bus.got(A, *range(1, 501))
        assert not bus.ear.said(A, "in-band")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    flow(redis_url, body)


def test_an_overflow_is_an_in_band_gap_of_the_ingest(redis_url: str) -> None:
    async def main() -> None:
        bus = Bus(redis_url, buffer_bytes=65_536, behind_wait_s=0.05)
        bus.publisher.offer(trade("A", 1))
        async with running(bus):
            await bus.drained()
            await bus.open(A)
        for i in range(2, 1_002):  # nothing takes them: some 250 fit
            bus.publisher.offer(trade("A", i))
        bus.ear.up = False
        async with running(bus):
            await bus.drained()
            await bus.ear.until(lambda: 1_001 in bus.ear.ids(A), "the newest tick")
        kept = bus.ear.ids(A)
        assert kept == list(range(kept[0], 1_002))
        assert 100 < len(kept) < 300
        assert bus.ear.said(A, "in-band") == [("in-band", 2, "ingest", (2, kept[0] - 1))]

    asyncio.run(main())


def test_a_lost_connection_is_healed_from_the_log(redis_url: str, redis_server: EmbeddedServer) -> None:
    async def body(bus: Bus) -> None:
        await bus.open(A)
        for i in range(1, 51):
            bus.publisher.offer(trade("A", i))
            if i % 10 == 0:
                ask(redis_server.port, b"CLIENT KILL TYPE pubsub")
                await asyncio.sleep(0.01)
            if i == 25:
                ask(redis_server.port, b"CLIENT KILL TYPE normal SKIPME yes")
        await bus.got(A, *range(1, 51))
        assert bus.ear.seqs(A) == list(range(1, 51))
        assert not bus.ear.said(A, "gap")

    flow(redis_url, body)


def test_what_the_log_no_longer_holds_is_a_gap(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        await bus.open(A)
        client = redis.Redis.from_url(redis_url)
        bus.publisher.offer(trade("A", 1))
        await bus.got(A, 1)
        client.client_kill_filter(_type="pubsub")
        for i in range(2, 11):
            bus.publisher.offer(trade("A", i))
        await bus.drained()
        await bus.ear.until(lambda: 10 in bus.ear.ids(A), "healed")
        # now with the log cut while the subscriber is away
        bus.subscriber.unwant(A)
        client.xtrim(names.log_key(A), minid="8-0", approximate=False)
        bus.ear.heard.clear()
        epoch = client.hget(names.meta_key(A), "epoch").decode()
        bus.subscriber.want(A, Position(epoch, 3))
        await bus.got(A, 8, 9, 10)
        assert bus.ear.said(A, "gap") == [("gap", 4, 7, 8)]
        # and with nothing left of it
        bus.subscriber.unwant(A)
        client.delete(names.log_key(A))
        bus.ear.heard.clear()
        bus.subscriber.want(A, Position(epoch, 3))
        await bus.ear.until(lambda: bus.ear.said(A, "gap"), "a gap to the stream's end")
        assert bus.ear.heard[A.name] == [("gap", 4, 10, 11)]
        client.close()

    flow(redis_url, body)


def test_what_a_newer_worker_wrote_is_named_and_stops_nothing(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        with Script(redis_url, A) as newer:
            await bus.open(A)
            bus.subscriber.want_directory("t")
            bus.publisher.offer(trade("A", 1))
            await bus.got(A, 1)
            # this worker's entries are of a tag that nobody here knows; so is a kind of stream
            newer.redis.sadd(names.symbols_key("t"), "t:books:A", A.name)
            newer.run_id = newer.redis.hget(names.meta_key(A), "run_id").decode()
            assert newer.publish(2, 3, worker="newer", number=1, prev=1)[2:4] == [2, 3]
            newer.redis.publish(names.channel(A), b"\xc1 not a message")
            bus.publisher.offer(trade("A", 4))
            await bus.got(A, 1, 4)
            assert bus.ear.said(A, "gap") == [("gap", 2, 3, 4)]
            assert bus.ear.directory == {A}
            bus.subscriber.unwant(A)
            bus.ear.heard.clear()
            bus.subscriber.want(A, START)
            await bus.got(A, 1, 4)

    flow(redis_url, body)


def test_streams_that_others_crowd_out_of_the_buffer_are_published_again(redis_url: str) -> None:
    streams = [Stream("t", "trades", f"S{'x' * (number % 7)}{number}") for number in range(300)]

    async def main() -> None:
        bus = Bus(redis_url, buffer_bytes=65_536, behind_wait_s=0.01)
        for tick_id in range(1, 4):
            for at, stream in enumerate(streams):  # no room for one of each: some lanes end up empty
                bus.publisher.offer(
                    Trade(stream.symbol, tick_id, 1.0, 1.0, "B" * (at % 2), 1, 1, "", ("c" * at * tick_id,))
                )
        async with running(bus):
            await bus.drained()
            for stream in streams:
                bus.publisher.offer(trade(stream.symbol, 4))
                await bus.drained()
            await bus.open(*streams)
            assert all(bus.ear.last[stream.name][1].id == 4 for stream in streams)  # type: ignore[index]

    asyncio.run(main())


@pytest.mark.parametrize("server", ["valkey", "redis"])
@pytest.mark.parametrize("durable", [True, False])
def test_a_killed_redis_begins_an_epoch_and_forgets_only_what_it_says(server: str, durable: bool) -> None:
    if server not in servers():
        pytest.skip(f"no {server} server here")
    options = {"appendonly": "yes", "appendfsync": "always"} if durable else {}

    async def main() -> None:
        with EmbeddedServer(binary=servers()[server], **options) as embedded:
            async with running(Bus(embedded.url)) as bus:
                await bus.open(A)
                for i in range(1, 101):
                    bus.publisher.offer(trade("A", i))
                await bus.got(A, *range(1, 101))
                embedded.kill()
                for i in range(101, 151):
                    bus.publisher.offer(trade("A", i))
                embedded.start()
                await bus.ear.until(lambda: 150 in bus.ear.ids(A), "ticks after the restart")
                assert bus.ear.ids(A) == list(range(1, 151))
                assert bus.ear.seqs(A) == list(range(1, 151)), "numbers go on rising, whatever Redis kept"
                # where Redis kept nothing of the stream, the worker remembered its number
                assert bus.ear.said(A, "epoch") == [("epoch", 101)]
                assert not bus.ear.said(A, "gap")

    asyncio.run(main())
