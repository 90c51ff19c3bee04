"""What a worker is put between in tests: a source and a publisher that do as they are told, and a clock."""

import asyncio
from collections.abc import Callable, Collection

from feed.core.ticks import NS_PER_S, TRADES, Bar, Quote, Tick, Trade
from feed.ingest.source import Sink
from feed.ingest.worker import Worker
from feed.settings import Ingest, Values

T0 = 1_723_161_600 * NS_PER_S
FEED = "workertest"


def trade(at_s: float, id: int, size: float = 1.0) -> Trade:
    ts = T0 + round(at_s * NS_PER_S)
    return Trade("A", id, 10.0, size, "B", ts, ts)


def quote(at_s: float, id: int) -> Quote:
    ts = T0 + round(at_s * NS_PER_S)
    return Quote("A", id, 9.0, 1.0, 11.0, 1.0, ts, ts)


class Clock:
    """A monotonic clock that stands still until it is set."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> int:
        return round(self.s * NS_PER_S)


class FakePublisher:
    def __init__(self) -> None:
        self.offered: list[Tick] = []
        self.events: list[str] = []
        self.timeouts: list[float] = []
        self.up = True
        self.drains = True
        self.fault: Exception | None = None
        self.fails = asyncio.Event()

    def offer(self, tick: Tick) -> None:
        self.offered.append(tick)

    def reconnected(self, symbols: Collection[str]) -> None:
        assert list(symbols) == ["A"]
        self.events.append("reconnected")

    async def run(self) -> None:
        try:
            await self.fails.wait()
            if self.fault:
                raise self.fault
        finally:
            self.events.append("ended")

    async def drain(self, timeout_s: float) -> bool:
        self.timeouts.append(timeout_s)
        self.events.append(f"drain after {len(self.offered)}")
        return self.drains

    def connected(self) -> bool:
        return self.up

    @property
    def bars(self) -> list[Bar]:
        return [tick for tick in self.offered if isinstance(tick, Bar)]


class FakeSource:
    feed = FEED
    contiguous = frozenset({TRADES})
    anew = False
    symbol_count = 3

    def __init__(self, act: Callable[[Sink], None] = lambda _: None) -> None:
        self.up = True
        self.act = act
        self.ends = False
        self.deaf = False
        self.ended = False
        self.fault: Exception | None = None
        self.quiet: frozenset[str] | None = frozenset()

    async def run(self, sink: Sink, stop: asyncio.Event) -> None:
        self.act(sink)
        if self.fault:
            raise self.fault
        if not self.ends:
            await stop.wait()
        if self.deaf:
            await asyncio.Event().wait()
        self.act(sink)
        self.ended = True

    def connected(self) -> bool:
        return self.up

    def silent(self) -> frozenset[str] | None:
        return self.quiet


def make(source: FakeSource, clock: Clock | None = None, **kwargs: float) -> tuple[Worker, FakePublisher]:
    publisher = FakePublisher()
    values = Values(ingest=Ingest(bar_grace_s=0.5))
    return Worker(values, source, publisher, monotonic_ns=clock or Clock(), **kwargs), publisher


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)
