"""Real workers and a venue that falls silent: who is reconnected, and what a gateway is told of the source."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from feed.bus.beats import HEARS_ALL
from feed.bus.embedded import EmbeddedServer
from feed.bus.subscriber import Subscriber
from feed.settings import Values
from tests.bus.test_sources import Told as AnyTold
from tests.ingest.venue_server import VenueServer, Visit, trade
from tests.integration.service import Service
from tests.integration.workers import end, start_worker

FEED = "binance"
KNOBS = {
    "ingest": {"stale_after_s": 1.0, "backoff_min_s": 0.1, "backoff_max_s": 0.2},
    "binance": {"symbols": ["BTC/USDT"]},
}


class Told(AnyTold):
    feed = FEED


class Market:
    """A venue that trades each 50 ms on every connection, until it falls mute; connections stay open."""

    def __init__(self) -> None:
        self.mute = False
        self.server = VenueServer([self._visit])
        self._id = 0

    async def _visit(self, visit: Visit) -> None:
        listening = asyncio.create_task(visit.stay())
        while not listening.done():
            if not self.mute:
                self._id += 1
                await visit.send(trade(self._id))
            await asyncio.wait({listening}, timeout=0.05)


class Stage:
    def __init__(self, stack: ExitStack, folder: Path, redis: EmbeddedServer, market: Market, ear: Told) -> None:
        self.market = market
        self.ear = ear
        self._stack = stack
        self._folder = folder
        self._redis = redis

    async def worker(self, name: str) -> Service:
        """A worker process, from when it beats; killed at the end."""
        url = self.market.server.url
        worker = await asyncio.to_thread(start_worker, self._folder, name, self._redis.url, url, KNOBS)
        self._stack.callback(end, worker)
        return worker


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    market, ear = Market(), Told()
    with EmbeddedServer() as redis, ExitStack() as stack:
        subscriber = Subscriber(Values.model_validate({"redis": {"url": redis.url}}), ear)
        subscriber.want_workers(FEED)
        async with market.server.serving():
            running = asyncio.create_task(subscriber.run())
            try:
                yield Stage(stack, folder, redis, market, ear)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await asyncio.to_thread(stack.close)


def play(folder: Path, scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with stage(folder) as set_up:
            await scene(set_up)

    asyncio.run(main())


def test_a_mute_venue_is_reconnected_and_its_symbols_go_stale_and_live_again(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.worker("w1")
        await stage.ear.until(lambda: stage.ear.words[-1:] == [HEARS_ALL], "live")
        before = len(stage.market.server.visits)
        stage.market.mute = True
        await stage.ear.until(lambda: stage.ear.words[-1:] == [None], "stale")
        connections = stage.market.server.visits
        await stage.ear.until(lambda: len(connections) > before, "it connected anew")
        stage.market.mute = False
        await stage.ear.until(lambda: stage.ear.words[-1:] == [HEARS_ALL], "live again")
        assert connections[0].closed, "the mute connection was given up"

    play(tmp_path, scene)


@pytest.mark.chaos
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_hangs_is_missed_only_if_it_was_the_last(number: signal.Signals, tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        first, second = await stage.worker("w1"), await stage.worker("w2")
        await stage.ear.until(lambda: stage.ear.words[-1:] == [HEARS_ALL], "live")
        said = len(stage.ear.words)
        os.kill(first.process.pid, number)
        await asyncio.sleep(4.5)  # until it counts as gone, and longer
        assert stage.ear.words[said:] == []
        os.kill(second.process.pid, number)
        await stage.ear.until(lambda: stage.ear.words[said:] == [None], "stale")
        if number is signal.SIGSTOP:
            os.kill(first.process.pid, signal.SIGCONT)
        else:
            await stage.worker("w1")
        await stage.ear.until(lambda: stage.ear.words[-1:] == [HEARS_ALL], "live again")

    play(tmp_path, scene)
