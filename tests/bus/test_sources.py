"""Whether a feed's source is heard, from the workers' beats over real servers to the listener."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from prometheus_client import REGISTRY

from feed.bus.beats import HEARS_ALL, Beat, Silent, pack_beat
from feed.bus.embedded import EmbeddedServer
from feed.bus.hearing import Workers
from feed.bus.publisher import Publisher
from feed.bus.subscriber import Subscriber
from feed.settings import Values
from tests.bus.alone import reader
from tests.bus.ear import Ear
from tests.bus.two_publishers import Clock

FEED = "sourcetest"
# what is at stake is who is waited for how long, which no server's version changes
pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


class Worker:
    """A publisher that beats, and hears what it is told to."""

    def __init__(self, values: Values, name: str) -> None:
        named = values.model_copy(update={"ingest": values.ingest.model_copy(update={"worker_id": name})})
        self.silent: Silent = HEARS_ALL
        self.publisher = Publisher(named, FEED, frozenset(), lambda: self.silent)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator["Worker"]:
        task = asyncio.create_task(self.publisher.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Told(Ear):
    """An ear that keeps each word about the feed's source."""

    feed = FEED

    def __init__(self) -> None:
        super().__init__()
        self.words: list[Silent] = []

    def sources(self, feed: str, stale: Silent) -> None:
        assert feed == self.feed
        self.words.append(stale)
        super().sources(feed, stale)

    async def hears(self, *words: Silent) -> None:
        """Waits until these words were said, and no others."""
        await self.until(lambda: len(self.words) >= len(words), f"{words} said")
        assert self.words == list(words)


Scene = Callable[[Values, Told], Coroutine[Any, Any, None]]


def listening(url: str, scene: Scene) -> None:
    async def main() -> None:
        values = Values.model_validate({"redis": {"url": url, "timeout_s": 2.0}})
        ear = Told()
        subscriber = Subscriber(values, ear)
        subscriber.want_workers(FEED)
        task = asyncio.create_task(subscriber.run())
        try:
            await ear.until(lambda: ear.up, "the subscriber connects")
            await scene(values, ear)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"feed": FEED})


def test_without_a_worker_all_is_stale_until_one_comes(redis_url: str) -> None:
    async def scene(values: Values, ear: Told) -> None:
        await ear.hears(None)
        assert (gauge("feed_bus_feed_live"), gauge("feed_bus_workers")) == (0, 0)
        async with Worker(values, "w1").beating() as worker:
            await ear.hears(None, HEARS_ALL)
            assert (gauge("feed_bus_feed_live"), gauge("feed_bus_workers")) == (1, 1)
            worker.silent = frozenset({"A", "B/C"})
            await ear.hears(None, HEARS_ALL, frozenset({"A", "B/C"}))
            assert gauge("feed_bus_silent_symbols") == 2
            worker.silent = None
            await ear.hears(None, HEARS_ALL, frozenset({"A", "B/C"}), None)

    listening(redis_url, scene)


@pytest.mark.chaos  # two workers fall silent and are waited for
def test_one_of_two_workers_that_hears_is_enough(redis_url: str) -> None:
    async def scene(values: Values, ear: Told) -> None:
        async with Worker(values, "w1").beating() as mute, Worker(values, "w2").beating() as other:
            mute.silent = None
            await ear.hears(HEARS_ALL)
            other.silent = frozenset({"A"})
            await ear.hears(HEARS_ALL, frozenset({"A"}))
            other.silent = HEARS_ALL
            await ear.hears(HEARS_ALL, frozenset({"A"}), HEARS_ALL)
        await ear.hears(HEARS_ALL, frozenset({"A"}), HEARS_ALL, None)

    listening(redis_url, scene)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["restart", "short pause", "long pause"])
@pytest.mark.usefixtures("redis_server")
def test_a_bus_that_was_away_says_nothing_of_the_source(fault: str) -> None:
    async def scene(values: Values, ear: Told) -> None:
        async with Worker(values, "w1").beating() as worker, Worker(values, "w2").beating() as mute:
            mute.silent = None
            await ear.hears(HEARS_ALL)
            if fault == "restart":
                server.kill()
                await ear.until(lambda: not ear.up, "the bus is gone")
                server.start()
            else:
                server.pause()
                await asyncio.sleep(2.6 if fault == "short pause" else 5.0)  # so long it hangs: the fault itself
                server.resume()
            await ear.until(lambda: ear.up, "the bus is back")
            await asyncio.sleep(4.0)  # longer than any worker needs to count as gone
            assert ear.words == [HEARS_ALL]
            worker.silent = None
            await ear.hears(HEARS_ALL, None)

    with EmbeddedServer() as server:
        listening(server.url, scene)


def test_what_is_no_beat_is_let_be(redis_url: str) -> None:
    async def scene(values: Values, ear: Told) -> None:
        async with Worker(values, "w1").beating() as worker:
            await ear.hears(HEARS_ALL)
            with redis.Redis.from_url(redis_url) as client:
                assert client.publish(f"feed:{FEED}:worker", b"\xc1") == 1
            worker.silent = None
            await ear.hears(HEARS_ALL, None)

    listening(redis_url, scene)


def test_a_pause_that_the_connection_outlives_says_nothing_of_the_source(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis, or this process, stood still: what waited comes in any order, the worker's beat after others."""
    assert redis_url
    ear, clock = Told(), Clock(0.0)
    monkeypatch.setattr("feed.bus.reader.time", clock)
    one = reader(ear)
    one.want_workers(f"feed:{FEED}:worker".encode(), Workers(FEED))
    ours = [b"message", b"feed:heartbeat", b""]
    theirs = [b"message", f"feed:{FEED}:worker".encode(), pack_beat(Beat("w1", HEARS_ALL))]

    story = [(0.1, theirs), (0.8, ours), (1.7, ours), (4.5, ours), (4.6, theirs), (5.4, ours), (6.3, ours),
             (7.2, ours), (7.7, ours)]  # fmt: skip
    for clock.now, push in story:
        # whoever wakes first: the task that works, or the one that reads
        one.hearing.judge(clock.now, one.heard)
        one._pushed([push])
    assert ear.words == [HEARS_ALL, None]
    assert clock.now == 7.7, "3 s after it beat last, and not before"
