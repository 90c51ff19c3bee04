"""A Redis that is away for longer than a worker's buffer lasts, by bytes or by seconds: what is said of the loss."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from feed.bus.embedded import EmbeddedServer
from feed.bus.publisher import Publisher
from feed.bus.subscriber import Subscriber
from feed.core.streams import Stream
from feed.core.ticks import NS_PER_S, Quote, Tick, Trade
from feed.settings import Values
from tests.bus.ear import Ear

TRADES, QUOTES = Stream("t", "trades", "A"), Stream("t", "quotes", "A")
LAST = 1_000
# about 250 ticks fit into 65,536 bytes; at ten a second 20 s hold 200
BOUNDS = {"bytes": {"buffer_bytes": 65_536}, "seconds": {"buffer_s": 20.0}}


def tick(stream: Stream, tick_id: int) -> Tick:
    """Ids of trades are contiguous, those of quotes rise by three."""
    at = tick_id * NS_PER_S // 10
    if stream is TRADES:
        return Trade("A", tick_id, 1.5, 2.0, "B", at, at)
    return Quote("A", 3 * tick_id, 1.0, 1.0, 2.0, 1.0, at, at)


def ids(stream: Stream, first: int, last: int) -> list[int]:
    return [number if stream is TRADES else 3 * number for number in range(first, last + 1)]


class Scene:
    def __init__(self, server: EmbeddedServer, stream: Stream) -> None:
        self.server = server
        self.stream = stream
        self.ear = Ear()
        self._redis = {"url": server.url, "timeout_s": 0.5}
        self._tasks: list[asyncio.Task[None]] = []

    def publisher(self, name: str, runs: bool = True, **bounds: float) -> Publisher:
        values = Values.model_validate({"redis": self._redis, "publish": bounds, "ingest": {"worker_id": name}})
        made = Publisher(values, "t", frozenset({"trades"}))
        if runs:
            self.run(made)
        return made

    def run(self, publisher: Publisher) -> None:
        self._tasks.append(asyncio.create_task(publisher.run()))

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        subscriber = Subscriber(Values.model_validate({"redis": self._redis}), self.ear)
        subscriber.want(self.stream)
        self._tasks.append(asyncio.create_task(subscriber.run()))
        try:
            await self.ear.until(lambda: self.ear.said(self.stream, "open"), "the stream is open")
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def without_redis(self, fault: str, meanwhile: Callable[[], None], *publishers: Publisher) -> None:
        """Redis dies, or hangs until everybody has given it up; it comes back when that was done."""
        self.server.kill() if fault == "killed" else self.server.pause()
        meanwhile()
        await _until(lambda: not self.ear.up and not any(publisher.connected() for publisher in publishers))
        self.server.start() if fault == "killed" else self.server.resume()
        await self.ear.until(lambda: self.ear.ids(self.stream)[-1:] == ids(self.stream, LAST, LAST), "the last tick")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


# as slow as it is like the other
HUNG = pytest.param("hung", marks=pytest.mark.chaos)


@pytest.mark.parametrize("stream", [TRADES, QUOTES], ids=["contiguous", "not contiguous"])
@pytest.mark.parametrize("bound", ["bytes", "seconds"])
@pytest.mark.parametrize("fault", ["killed", HUNG])
def test_what_one_worker_could_not_hold_is_a_gap(fault: str, bound: str, stream: Stream) -> None:
    async def main(server: EmbeddedServer) -> None:
        scene = Scene(server, stream)
        async with scene.heard():
            worker = scene.publisher("w1", **BOUNDS[bound])
            worker.offer(tick(stream, 1))
            await scene.ear.until(lambda: scene.ear.ids(stream) == ids(stream, 1, 1), "the first tick")

            def meanwhile() -> None:
                for number in range(2, LAST + 1):
                    worker.offer(tick(stream, number))
                assert worker.buffered_bytes <= 65_536 or bound == "seconds"

            await scene.without_redis(fault, meanwhile, worker)
            kept = len(scene.ear.ids(stream)) - 1
            assert (100 < kept < 400) if bound == "bytes" else kept == 201
            assert scene.ear.ids(stream) == ids(stream, 1, 1) + ids(stream, LAST + 1 - kept, LAST)
            missing = (2, LAST - kept) if stream is TRADES else None
            assert scene.ear.said(stream, "in-band") == [("in-band", 2, "ingest", missing)]

    with EmbeddedServer() as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("stream", [TRADES, QUOTES], ids=["contiguous", "not contiguous"])
@pytest.mark.parametrize("fault", ["killed", HUNG])
def test_what_the_other_worker_held_is_not_missing(fault: str, stream: Stream) -> None:
    """Whichever of them finds Redis first."""

    async def main(server: EmbeddedServer) -> None:
        scene = Scene(server, stream)
        async with scene.heard():
            small, large = scene.publisher("w1", **BOUNDS["bytes"]), scene.publisher("w2", buffer_s=1_000.0)
            for worker in (small, large):
                worker.offer(tick(stream, 1))
                assert await worker.drain(10.0)  # both know the stream's numbers, which a Redis that died forgets
            await scene.ear.until(lambda: scene.ear.ids(stream) == ids(stream, 1, 1), "the first tick")

            def meanwhile() -> None:
                for number in range(2, LAST + 1):
                    small.offer(tick(stream, number))
                    large.offer(tick(stream, number))

            await scene.without_redis(fault, meanwhile, small, large)
            assert await small.drain(10.0)
            assert await large.drain(10.0)
            assert scene.ear.ids(stream) == ids(stream, 1, LAST)
            assert scene.ear.said(stream, "in-band") == scene.ear.said(stream, "gap") == []

    with EmbeddedServer() as server:
        asyncio.run(main(server))


def test_what_a_master_that_is_away_has_not_taken_costs_no_other_stream_its_ticks() -> None:
    worker = Publisher(Values.model_validate({"publish": BOUNDS["bytes"]}), "t", frozenset({"trades"}))
    for number in range(1, LAST + 1):
        worker.offer(tick(TRADES, number))
    worker.offer(tick(QUOTES, LAST + 1))
    for stream, kept in ((TRADES, 100), (QUOTES, 1)):
        lane = worker.lane(stream)
        assert lane is not None
        assert lane.unpublished >= kept
    assert worker.buffered_bytes <= 65_536


def test_who_finds_redis_first_waits_for_the_other(redis_server: EmbeddedServer, redis_url: str) -> None:
    async def main() -> None:
        scene = Scene(redis_server, TRADES)
        async with scene.heard():
            before = scene.publisher("w0")
            before.offer(tick(TRADES, 1))
            assert await before.drain(10.0)
            first, later = scene.publisher("w1", False), scene.publisher("w2", False)
            for number in range(2, 11):
                later.offer(tick(TRADES, number))
            first.offer(tick(TRADES, 10))
            scene.run(first)
            await _until(first.connected)
            await asyncio.sleep(0.8)  # the longest pause between two tries is a second
            scene.run(later)
            assert await later.drain(10.0)
            assert await first.drain(10.0)
            await scene.ear.until(lambda: scene.ear.ids(TRADES)[-1:] == [10], "the last tick")
            assert scene.ear.ids(TRADES) == ids(TRADES, 1, 10)

    assert redis_url
    asyncio.run(main())
