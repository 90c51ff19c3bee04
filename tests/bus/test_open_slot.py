"""A slot that is on its way from one master to another for long, before and after its keys went, over real clusters.

It is what an operator's tool leaves behind that died midway, and each slot of every resharding for a moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog.testing

from feed.bus import names
from feed.bus.beats import EXPIRES_S
from feed.bus.leases import Leases
from feed.bus.store import Store
from feed.bus.topology import slot_of
from feed.core.streams import Stream
from feed.settings import Redis
from tests.bus.cluster import Cluster, Member, cluster
from tests.bus.test_cluster import PACE_S, STREAMS, Market, binary, holes, story
from tests.bus.test_flow import Bus, running, trade

__all__ = ["binary"]
pytestmark = pytest.mark.timeout(120)

MOVED = STREAMS[0]
PATIENCE_S = 30.0


class Half(NamedTuple):
    """What a scene plays in: a slot's keys have left `source` and are at `to`, and the slot has not."""

    real: Cluster
    bus: Bus
    market: Market
    source: Member
    to: Member


def half_open(binary: Path, key: str, scene: Callable[[Half], Awaitable[None]]) -> Bus:
    """A story in which the key's slot is open, and its keys have left: from the first to the second master."""

    async def body(real: Cluster, bus: Bus, market: Market) -> None:
        slot = slot_of(key)
        source = real.owner(slot)
        to = next(member for member in real.masters() if member is not source)
        with structlog.testing.capture_logs() as lines:
            await asyncio.to_thread(real.open, slot, to)
            await go_on(bus, market)
            await asyncio.to_thread(real.carry, slot, to)
            await scene(Half(real, bus, market, source, to))
        lost = [line for line in lines if line["event"] in ("redis_lost", "redis_unreachable", "redis_not_found")]
        assert not lost, "no connection is given up for a slot that moves"

    bus = story(binary, body)
    assert not any(holes(bus, stream) for stream in STREAMS)
    return bus


async def go_on(bus: Bus, market: Market, ticks: int = 40) -> None:
    """All streams bring what is traded from now on."""
    wanted = market.last + ticks
    await bus.ear.until(lambda: all(wanted in bus.ear.ids(each) for each in STREAMS), "all go on", PATIENCE_S)


def test_streams_go_on_while_their_slot_is_open_with_and_without_its_keys(binary: Path) -> None:
    async def scene(half: Half) -> None:
        await go_on(half.bus, half.market)
        assert half.real.owner(slot_of(names.channel(MOVED))) is half.source, "the slot is still where it was"
        await asyncio.to_thread(half.real.close_at, slot_of(names.channel(MOVED)), half.to)
        await go_on(half.bus, half.market)
        assert half.real.owner(slot_of(names.channel(MOVED))) is half.to

    half_open(binary, names.channel(MOVED), scene)


def test_a_worker_lives_and_enters_new_streams_while_the_slots_of_its_books_are_open(binary: Path) -> None:
    directory, new = names.symbols_key("t"), Stream("t", "trades", "NEW")

    async def scene(half: Half) -> None:
        worker = names.worker_key("t", half.bus.publisher.worker_id)
        slot, owner = slot_of(worker), half.real.owner(slot_of(worker))
        other = next(member for member in half.real.masters() if member is not owner)
        await asyncio.to_thread(half.real.open, slot, other)
        await asyncio.to_thread(half.real.carry, slot, other)
        half.bus.publisher.offer(trade("NEW", 1))
        await half.bus.open(new)
        await half.bus.ear.until(
            lambda: half.bus.ear.ids(new) == [1] or half.bus.ear.last[new.name], "a stream of a new symbol"
        )
        # so long after its last beat it would be gone
        await go_on(half.bus, half.market, ticks=int((EXPIRES_S + 0.5) / PACE_S))

        def there(master: Member, key: str, *command: str) -> object:
            return master.asking(*command, key)

        assert await asyncio.to_thread(there, other, worker, "EXISTS") == 1
        assert b"t:trades:NEW" in await asyncio.to_thread(there, half.to, directory, "SMEMBERS")  # type: ignore[operator]

    half_open(binary, directory, scene)


def test_a_gateway_that_starts_meanwhile_has_all_streams_and_their_history(binary: Path) -> None:
    async def scene(half: Half) -> None:
        other = Bus(half.real.url, behind_wait_s=0.05)
        async with running(other):
            await other.open(*STREAMS)
            await go_on(other, half.market)
        store = Store(Redis(url=half.real.url))
        try:
            for past in await store.latest(STREAMS):
                assert past.entries
                assert past.record is not None
        finally:
            await store.close()

    half_open(binary, names.channel(MOVED), scene)


def test_connections_are_counted_alone_for_as_long_as_the_slot_of_leases_is_open(binary: Path) -> None:
    """Nor does anybody say otherwise again and again: where nothing is counted yet, a connection proves nothing."""
    slot = slot_of(names.lease_key(""))

    async def main(real: Cluster) -> None:
        leases = Leases(Redis(url=real.url), "p1")
        asked = asyncio.Semaphore(0)
        find = leases._masters.open_for

        async def open_for(*words: Any) -> Any:
            asked.release()
            return await find(*words)

        leases._masters.open_for = open_for  # type: ignore[method-assign]
        running = asyncio.create_task(leases.run())
        with structlog.testing.capture_logs() as lines:
            async with asyncio.timeout(PATIENCE_S):
                for _ in range(4):
                    await asked.acquire()
                    assert await leases.take("P", 5)
                    leases.give("P")
            assert [line["event"] for line in lines] == ["connections_counted_alone"]
            assert leases.alone
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with cluster(binary, replicas=0) as real:
        real.open(slot, next(member for member in real.masters() if member is not real.owner(slot)))
        asyncio.run(main(real))
