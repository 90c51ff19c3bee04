"""How long streams stand still when a master dies or slots move, on real clusters and behind Sentinels; what it costs.

pytest -m chaos -s tests/bus/test_recovery.py        shows the table
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from feed.bus import names
from feed.bus.topology import slot_of
from tests.bus.cluster import Cluster, cluster
from tests.bus.sentinels import Watched, watched
from tests.bus.test_cluster import PATIENCE_S, STREAMS, Market, binary, holes, unexplained
from tests.bus.test_flow import Bus, running

__all__ = ["binary"]  # the fixture

POLL_S = 0.005

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(200)]

Step = tuple[Callable[[], None], Callable[[], None]]
"""What breaks it, until somebody else has taken over; and what mends it."""


class Recovery(NamedTuple):
    """`taken_over_s`: from the fault until another node serves. `back_s`: from then until each stream's ticks of that
    moment have come to a reader."""

    taken_over_s: float
    back_s: float


class Cost(NamedTuple):
    """What all faults of one kind cost, in ticks."""

    recoveries: list[Recovery]
    came: int
    missing: int
    gaps: int
    unexplained: int

    def row(self, server: str, what: str) -> str:
        taken, back = ([each[at] for each in self.recoveries] for at in (0, 1))
        times = f"{median(taken):.2f} ({max(taken):.2f}) | {median(back):.2f} ({max(back):.2f})"
        ticks = f"{self.came:,} | {self.missing} | {self.gaps} | {self.unexplained}"
        return f"| {server} | {what} | {len(self.recoveries)} | {times} | {ticks} |"


HEAD = (
    "| server | fault | times | until another node serves, s: median (longest) | from then until ticks come | ticks "
    "| missing | gaps that name them | unexplained |\n|---|---|---|---|---|---|---|---|---|"
)


def cost(url: str, steps: list[Step]) -> Cost:
    """Of faults one after the other, beside a market of twelve streams."""
    found: list[Recovery] = []

    async def main() -> Cost:
        bus = Bus(url, behind_wait_s=0.05)
        async with running(bus):
            await bus.open(*STREAMS)
            market = Market(bus)
            trading = asyncio.create_task(market.run())
            for breaks, mends in steps:
                await come(bus, market)
                began = time.monotonic()
                await asyncio.to_thread(breaks)
                taken_over = time.monotonic()
                await come(bus, market)
                found.append(Recovery(taken_over - began, time.monotonic() - taken_over))
                await asyncio.to_thread(mends)
            await come(bus, market)
            await market.ends(trading)
            last = market.last
            await bus.ear.until(lambda: all(last in bus.ear.ids(stream) for stream in STREAMS), "the last trades")
            came = sum(len(bus.ear.ids(stream)) for stream in STREAMS)
            gaps = sum(len(holes(bus, stream)) for stream in STREAMS)
            lost = sum(unexplained(bus, stream, last) for stream in STREAMS)
            return Cost(found, came, last * len(STREAMS) - came, gaps, lost)

    return asyncio.run(main())


async def come(bus: Bus, market: Market) -> None:
    """Waits until what is made at this moment has come, of every stream."""
    now = market.last + 1
    await bus.ear.until(lambda: all(now in bus.ear.ids(stream) for stream in STREAMS), "all go on", PATIENCE_S)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_S)


def kill_a_master(real: Cluster, stream: int) -> Step:
    slot = slot_of(names.channel(STREAMS[stream]))
    dead = []

    def breaks() -> None:
        master = real.owner(slot)
        replica = real.replica_of(master)
        master.server.kill()
        dead.append(master)
        until(lambda: replica.master, "the replica takes over")

    def mends() -> None:
        dead[0].server.start()
        real.wait(replicas=1)

    return breaks, mends


def move_a_slot(real: Cluster, stream: int) -> Step:
    slot = slot_of(names.channel(STREAMS[stream]))

    def breaks() -> None:
        source = real.owner(slot)
        real.move(slot, next(member for member in real.masters() if member is not source))

    return breaks, lambda: None


def leave_a_slot_open(real: Cluster, stream: int) -> list[Step]:
    """First with its keys where they were, then without them."""
    slot = slot_of(names.channel(STREAMS[stream]))
    to = next(member for member in real.masters() if member is not real.owner(slot))
    return [
        (lambda: real.open(slot, to), lambda: None),
        (lambda: real.carry(slot, to), lambda: real.close_at(slot, to)),
    ]


def kill_what_sentinels_watch(found: Watched) -> Step:
    def breaks() -> None:
        master = found.master()
        assert master is not None
        master.kill()
        until(lambda: found.master() not in (None, master), "the Sentinels name another")

    return breaks, lambda: None


def test_a_cluster_whose_masters_die_and_whose_slots_move(binary: Path, request: pytest.FixtureRequest) -> None:
    server = request.node.callspec.params["binary"]
    with cluster(binary) as real:
        moved = cost(real.url, [move_a_slot(real, stream) for stream in (*range(12), *range(12))])
    with cluster(binary) as real:
        left = cost(real.url, [step for stream in range(12) for step in leave_a_slot_open(real, stream)])
    with cluster(binary) as real:
        died = cost(real.url, [kill_a_master(real, stream) for stream in (0, 3, 6)])
    full, empty = (left._replace(recoveries=left.recoveries[at::2]) for at in (0, 1))
    print(f"\n{HEAD}\n{moved.row(server, 'slot moved')}\n{full.row(server, 'slot left open, its keys still there')}")
    print(f"{empty.row(server, 'slot left open, its keys gone')}\n{died.row(server, 'master kill -9')}")
    assert (moved.missing, moved.gaps, moved.unexplained, died.unexplained) == (0, 0, 0, 0)
    assert (left.missing, left.gaps, left.unexplained) == (0, 0, 0)


def test_a_master_that_sentinels_watch_dies(binary: Path, request: pytest.FixtureRequest) -> None:
    server = request.node.callspec.params["binary"]
    with watched(binary) as found:
        died = cost(found.url, [kill_what_sentinels_watch(found)])
    print(f"\n{HEAD}\n{died.row(server, 'master of Sentinels kill -9')}")
    assert died.unexplained == 0
