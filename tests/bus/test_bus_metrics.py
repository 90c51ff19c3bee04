"""What Redis' faults and a stream's troubles do to the metrics of who publishes and who reads, on real servers."""

import asyncio
from collections.abc import Callable

import pytest
import redis
from structlog.testing import capture_logs

from feed.bus import names
from feed.bus.embedded import EmbeddedServer, ask, servers
from feed.bus.errors import BusRefused
from feed.bus.publisher import Publisher
from feed.bus.store import Store
from feed.core.streams import START, Stream
from tests.bus.alone import reader
from tests.bus.ear import Ear
from tests.bus.script import Script
from tests.bus.test_flow import A, Bus, flow, running, trade
from tests.counted import Rise, shown

FEED = "t"
QUOTES = Stream(FEED, "quotes", "A")


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(15):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


def connected() -> list[float | None]:
    return [shown("feed_bus_connected", role=role) for role in ("publisher", "subscriber")]


def ages() -> list[float]:
    return [shown("feed_bus_probe_age_seconds", role=role) or 0.0 for role in ("publisher", "subscriber")]


def waiting() -> list[float | None]:
    return [shown(f"feed_publish_{what}", feed=FEED) for what in ("buffered_bytes", "oldest_seconds")]


def test_each_question_to_redis_is_timed(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()

        def asked(call: str) -> float:
            return rise("feed_bus_call_seconds_count", call=call)

        bus.publisher.offer(trade("A", 1))
        await bus.drained()
        assert asked("publish") == 1
        before = asked("log")
        await bus.open(A)
        assert asked("log") == before + 1
        bus.subscriber.want_directory(FEED)
        await bus.ear.until(lambda: bus.ear.directory, "the directory")
        assert asked("directory") == 1
        store = Store(bus.values.redis)
        assert (await store.history(A, 1, 10)).entries
        assert await store.directory(FEED)
        await store.close()
        assert [asked("log"), asked("directory")] == [before + 2, 2]
        await until(lambda: asked("beat") >= 2, "the own beat is heard")

    flow(redis_url, body)


def test_the_own_beat_counts_and_others_do_not(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()
        with redis.Redis.from_url(redis_url) as client:
            for beat in (b"", b"other 12", b"\xc1"):
                for _ in range(20):
                    client.publish(names.HEARTBEAT, beat)
        await until(lambda: rise("feed_bus_call_seconds_count", call="beat"), "the own one is heard, after those")
        assert rise("feed_bus_call_seconds_count", call="beat") < 20
        assert bus.ear.up

    flow(redis_url, body)


def test_a_quiet_worker_hears_redis_by_its_beat(redis_url: str) -> None:
    async def body(_: Bus) -> None:
        for _turn in range(2):
            await until(lambda: ages()[0] > 0.4, "nothing was said for a while")
            await until(lambda: ages()[0] < 0.3, "a beat was answered")

    flow(redis_url, body)


def test_each_published_tick_is_measured_once_whoever_publishes_it(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()
        values = bus.values.model_copy(update={"ingest": bus.values.ingest.model_copy(update={"worker_id": "peer"})})
        peer = Publisher(values, FEED, frozenset({"trades"}))
        task = asyncio.create_task(peer.run())
        await bus.open(A)
        for number in range(1, 401):
            bus.publisher.offer(trade("A", number))
            peer.offer(trade("A", number))
            if number % 20 == 0:
                await asyncio.sleep(0)
        await bus.drained()
        assert await peer.drain(10)
        await bus.got(A, *range(1, 401))
        assert rise("feed_publish_ticks_total", feed=FEED) == 400
        assert rise("feed_publish_duplicates_total", feed=FEED) == 400
        assert rise("feed_hop_delay_seconds_count", feed=FEED, hop="ingest_to_publish") == 400
        calls = sum(rise("feed_publish_calls_total", feed=FEED, answer=word) for word in ("ok", "behind", "stale"))
        assert rise("feed_publish_batch_ticks_count", feed=FEED) == calls
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    flow(redis_url, body)


def test_the_venues_hole_is_a_gap_of_the_venue(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()
        bus.publisher.offer(trade("A", 1))
        bus.publisher.offer(trade("A", 5))
        await bus.drained()
        assert rise("feed_publish_gaps_total", feed=FEED, cause="venue") == 1
        assert rise("feed_publish_gaps_total", feed=FEED, cause="ingest") == 0
        assert rise("feed_publish_calls_total", feed=FEED, answer="behind") >= 1

    flow(redis_url, body, behind_wait_s=0.05)


def test_what_the_buffer_could_not_hold_is_a_gap_of_the_ingest(redis_url: str) -> None:
    async def main() -> None:
        bus, rise = Bus(redis_url, buffer_bytes=65_536, behind_wait_s=0.05), Rise()
        async with running(bus):
            bus.publisher.offer(trade("A", 1))
            await bus.drained()
        for number in range(2, 1_002):
            bus.publisher.offer(trade("A", number))
        held, oldest = waiting()
        assert held is not None
        assert 60_000 < held <= 65_536
        assert shown("feed_publish_buffer_limit_bytes", feed=FEED) == 65_536
        assert oldest is not None
        assert oldest > 1e9, "the test's ticks were received in 1970"
        dropped = rise("feed_publish_dropped_total", feed=FEED)
        assert 700 < dropped < 900
        async with running(bus):
            await bus.drained()
        assert rise("feed_publish_gaps_total", feed=FEED, cause="ingest") == 1
        assert rise("feed_publish_gaps_total", feed=FEED, cause="venue") == 0
        assert rise("feed_publish_ticks_total", feed=FEED) == 1_001 - dropped
        assert waiting() == [0, 0]

    asyncio.run(main())


def test_a_stream_that_is_read_on_from_its_log_is_a_heal(redis_url: str, redis_server: EmbeddedServer) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()
        for number in (1, 2):
            bus.publisher.offer(trade("A", number))
        await bus.drained()
        await bus.open(A, QUOTES)
        bus.publisher.offer(trade("A", 3))
        await bus.got(A, 3)
        bus.subscriber.unwant(A)
        bus.ear.heard.clear()
        bus.subscriber.want(A, START)
        await bus.got(A, 1, 2, 3)
        assert rise("feed_bus_heals_total", feed=FEED) == 0, "it was opened, and read from its start: not healed"
        ask(redis_server.port, b"CLIENT KILL TYPE pubsub")
        await until(lambda: rise("feed_bus_heals_total", feed=FEED) == 2, "both streams are read on")
        assert rise("feed_bus_reconnects_total", role="subscriber") == 1
        await bus.ear.until(lambda: bus.ear.up, "it is there again")
        with redis.Redis.from_url(redis_url) as client:
            # nobody was told of entry 4, so that 5 makes a hole
            epoch = client.hget(names.meta_key(A), "epoch")
            assert epoch is not None
            client.xadd(names.log_key(A), {"d": client.xrange(names.log_key(A))[-1][1][b"d"]}, id="4-0")
            client.hset(names.meta_key(A), "seq", 4)
        bus.publisher.offer(trade("A", 4))
        await until(lambda: rise("feed_bus_heals_total", feed=FEED) == 3, "the hole is healed")
        assert bus.ear.seqs(A) == [1, 2, 3, 4, 5]

    flow(redis_url, body)


def test_what_cannot_be_read_is_counted(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()

        def unreadable() -> float:
            return rise("feed_bus_unreadable_total", feed=FEED)

        bus.subscriber.want_workers(FEED)
        with Script(redis_url, A) as newer:
            await bus.open(A)
            bus.publisher.offer(trade("A", 1))
            await bus.got(A, 1)
            newer.run_id = newer.redis.hget(names.meta_key(A), "run_id").decode()
            newer.publish(2, 3, worker="newer", number=1, prev=1)
            await until(lambda: unreadable() == 1, "a message of a newer worker")
            bus.publisher.offer(trade("A", 4))
            await bus.got(A, 1, 4)
            assert unreadable() == 3, "and its two entries in the log"
            await until(lambda: newer.redis.publish(names.workers_channel(FEED), b"\xc1"), "somebody listens")
            await until(lambda: unreadable() == 4, "a beat")

    flow(redis_url, body)


def test_what_comes_a_second_time_is_stale(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        rise = Rise()
        await bus.open(A)
        with redis.Redis.from_url(redis_url) as client, client.pubsub() as copied:
            copied.subscribe(names.channel(A))
            assert copied.get_message(timeout=5)
            for number in range(1, 4):
                bus.publisher.offer(trade("A", number))
            await bus.got(A, 1, 2, 3)
            message = copied.get_message(timeout=5)
            assert message is not None
            client.publish(names.channel(A), message["data"])
        await until(lambda: rise("feed_gateway_stale_ticks_total", feed=FEED) == 3, "they are known")

    flow(redis_url, body)


@pytest.mark.parametrize("fault", ["hangs", "dies"])
@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_a_redis_that_is_away_shows_until_it_is_back(server: str, fault: str) -> None:
    if server not in servers():
        pytest.skip(f"no {server} server here")

    async def main(embedded: EmbeddedServer) -> None:
        bus, rise = Bus(embedded.url, timeout_s=1.0), Rise()
        async with running(bus):
            await bus.open(A)
            bus.publisher.offer(trade("A", 1))
            await bus.got(A, 1)
            await until(lambda: connected() == [1, 1], "both are connected")
            assert shown("feed_redis_uptime_seconds", server="") is not None
            embedded.pause() if fault == "hangs" else embedded.kill()
            bus.publisher.offer(trade("A", 2))
            await until(lambda: connected() == [0, 0], "both know it")
            await until(lambda: min(ages()) > 1.5, "both have heard nothing for a while")
            assert min(each or 0.0 for each in waiting()) > 0
            embedded.resume() if fault == "hangs" else embedded.start()
            await bus.got(A, 1, 2)
            await until(lambda: connected() == [1, 1], "both are connected again")
            await until(lambda: max(ages()) < 1.5, "both hear it again")
            await until(lambda: waiting() == [0, 0], "nothing waits")
        for role in ("publisher", "subscriber"):
            assert rise("feed_bus_reconnects_total", role=role) == 1, "what never stood is not lost"
        assert rise("feed_publish_ticks_total", feed=FEED) == 2
        assert rise("feed_bus_heals_total", feed=FEED) >= 1

    with EmbeddedServer(binary=servers()[server]) as embedded:
        asyncio.run(main(embedded))


@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_a_user_who_may_ask_info_for_the_run_id_alone_is_told_the_rest(server: str) -> None:
    if server not in servers():
        pytest.skip(f"no {server} server here")

    async def main(embedded: EmbeddedServer) -> None:
        assert ask(embedded.port, b"ACL SETUSER desk on >word ~* &* +@all -info +info|server").startswith(b"+OK")
        url = f"redis://desk:word@127.0.0.1:{embedded.port}/0"
        assert ask(embedded.port, b"CONFIG SET maxmemory 123456789").startswith(b"+OK")
        async with running(Bus(url)):
            await until(
                lambda: shown("feed_redis_memory_limit_bytes", server="") == 123_456_789, "Redis tells of itself"
            )

    with EmbeddedServer(binary=servers()[server]) as embedded:
        asyncio.run(main(embedded))


def test_a_user_who_may_not_ask_goes_on_without() -> None:
    class Closed:
        """A connection whose user was taken INFO away."""

        async def call(self, *command: object) -> bytes:
            raise BusRefused(f"NOPERM no permissions to run {command[0]}")

    async def main() -> None:
        one = reader(Ear())
        with capture_logs() as lines:
            for _ in range(3):
                assert not await one._read_info(Closed())  # type: ignore[arg-type]
        assert [(line["event"], line["log_level"]) for line in lines] == [("redis_info_refused", "info")]

    asyncio.run(main())
