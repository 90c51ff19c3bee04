"""The publisher: a process that makes ticks at a given pace and publishes them through the real publisher.

    python -m feed.bench.publish '{"redis": "redis://127.0.0.1:6379/0", "symbols": 500, ...}'

Told by lines on stdin, see `feed.bench.control`.
"""

import asyncio
import sys
import time
from typing import Any, Final

import orjson

from feed import metrics
from feed.bench.control import Json, Verb, child, named, serve
from feed.bench.cpu import cpu_of
from feed.bench.made import Made, symbols
from feed.bench.pace import Pace, even
from feed.bench.plain import PlainPublisher
from feed.bench.recorded import Recorded
from feed.bus.connect import Link
from feed.bus.publisher import Publisher
from feed.core.ticks import TRADES
from feed.settings import Ingest, Publish, Redis, Values

FEED: Final = "sim"
DRAIN_S: Final = 10.0
WAITING_CALLS: Final = 5  # flat out: what waits suffices for so many pipelines of one call a symbol
POLL_S: Final = 0.0005


class Source:
    """Made or recorded ticks, offered to the publisher, or as plain text to the tutorial's channels."""

    def __init__(
        self,
        redis: str,
        symbols_from: int,
        symbols_many: int,
        kind: str,
        run: int,
        worker: str,
        feed: str = FEED,
        **publish: Any,
    ) -> None:
        self._redis = Redis(url=redis)
        values = Values(redis=self._redis, ingest=Ingest(worker_id=worker), publish=Publish(behind_wait_s=0, **publish))
        self._publisher = Publisher(values, feed, frozenset({TRADES}))
        self._names = symbols(symbols_from + symbols_many)[symbols_from:]
        self._kind = kind.partition(",")[0]
        self._made = Made(self._names, kind.partition(",")[0], run)
        self._published = metrics.PUBLISH_TICKS.labels(feed)
        self._pace: Pace | None = None
        self._plain: PlainPublisher | None = None
        self._recorded: Recorded | None = None
        self._calls_per_batch = publish.get("max_ticks_per_call", 1)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(self._publisher.run())
            made: list[Verb] = [self.prime, self.start, self.stop, self.flat_out]
            others: list[Verb] = [self.start_plain, self.stop_plain, self.load, self.play]
            await serve(named(made + others), {"ready": True})
            publishing.cancel()

    async def prime(self) -> Json:
        """One tick of each symbol, so that every stream exists and has begun its epoch."""
        self._offer_made(len(self._names) * self._made.run, 0)
        await self._drained()
        return {}

    async def start(self, rate: float) -> Json:
        """Offers so many ticks a second until `stop`."""
        self._pace = Pace(even(rate), self._offer_made)
        return {}

    async def load(self, files: list[str]) -> Json:
        """Reads recordings; says which symbols they have, and how many ticks a second there were."""
        self._recorded = Recorded(files)
        return {"symbols": self._recorded.symbols, "per_s": self._recorded.per_s}

    async def play(self, factor: float) -> Json:
        """Offers the recorded ticks, so many times as fast as they came, until `stop`."""
        assert self._recorded is not None
        self._pace = self._recorded.pace(factor, self._publisher.offer)
        return {}

    async def stop(self) -> Json:
        """Ends, once all that was offered is published."""
        assert self._pace is not None
        seconds, ends = self._pace.stop(), time.monotonic()
        await self._drained()
        return {"offered": self._pace.offered, "seconds": seconds, "drained_s": time.monotonic() - ends}

    async def start_plain(self, rate: float) -> Json:
        """Sends so many ticks a second as JSON text to the tutorial's channels, until `stop_plain`."""
        if self._plain is None:
            # of its own ticks: an id that only the tutorial got would be a hole in the gateway's stream
            link = await Link.open(self._redis, "feed-bench-plain")
            self._plain = PlainPublisher(link, Made(self._names, self._kind, self._made.run))
        self._plain.start(rate)
        return {}

    async def stop_plain(self) -> Json:
        assert self._plain is not None
        return await self._plain.stop()

    async def flat_out(self, seconds: float, pids: dict[str, list[int]]) -> Json:
        """Publishes as fast as it goes, with as much waiting as keeps the publisher's calls full."""
        full = WAITING_CALLS * self._calls_per_batch * len(self._names)
        loop = asyncio.get_running_loop()
        before, offered, ends = self._published.value, 0, loop.time() + seconds
        cpu = cpu_of(pids)
        while loop.time() < ends:
            room = full - (offered - (self._published.value - before))
            if room > 0:
                self._offer_made(room, 0)
                offered += room
            await asyncio.sleep(POLL_S)
        published = self._published.value - before
        cpu = {name: after - cpu[name] for name, after in cpu_of(pids).items()}
        await self._drained()
        return {"published": published, "seconds": seconds, "cpu_ns": cpu}

    def _offer_made(self, many: int, now_ns: int) -> None:
        now_ns = now_ns or time.time_ns()
        offer, make = self._publisher.offer, self._made.next
        for _ in range(many):
            offer(make(now_ns))

    async def _drained(self) -> None:
        if not await self._publisher.drain(DRAIN_S):
            raise TimeoutError(f"Redis took more than {DRAIN_S:g} s for what was offered")


async def main() -> None:
    await Source(**orjson.loads(sys.argv[1])).run()


if __name__ == "__main__":
    child(main)
