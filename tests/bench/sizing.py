"""What a tick costs Redis: by how many come in a call, how many gateways read, with a replica, in a cluster; memory.

python -m tests.bench.sizing [--seconds 2] [--rounds 3] [--server valkey]
"""

import argparse
import asyncio
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from feed.bench.cpu import Cores
from feed.bench.fanout import start_publisher
from feed.bench.stage import Stage
from feed.bus.embedded import HOST, EmbeddedServer, servers
from feed.bus.names import log_key
from tests.bench.masters import turn_s
from tests.bench.peers import twice
from tests.bench.readers import ALONE, SCENARIO, STREAMS, SYMBOLS, reading, turns
from tests.bus.cluster import cluster

READERS: Final = (50, 200)
PACES: Final = (200, 1_000, 4_000)


class Case(NamedTuple):
    """`ticks_a_call` is how many ticks come in one; a cluster has three masters, `replica` gives each of them one."""

    what: str
    ticks_a_call: int = 1
    readers: int = 0
    replica: bool = False
    cluster: bool = False


CASES: Final = (
    Case("one tick a call"),
    Case("five ticks a call", 5),
    Case("twenty ticks a call", 20),
    Case("one tick a call, one reader", readers=1),
    Case("one tick a call, two readers", readers=2),
    Case("one tick a call, five readers", readers=5),
    Case("one tick a call, fifty readers", readers=50),
    Case("one tick a call, two hundred readers", readers=200),
    Case("twenty ticks a call, five readers", 20, readers=5),
    Case("one tick a call, a replica", replica=True),
    Case("one tick a call, three masters", cluster=True),
    Case("one tick a call, three masters with a replica each", cluster=True, replica=True),
)
ENTRIES: Final = (60, 600, 6_000)  # a log of 60 s, of a stream of 1, 10, 100 ticks a second


class Cost(NamedTuple):
    """Of one tick: microseconds of Redis, all its masters together, and of the worker; how many came a second."""

    redis_us: float
    worker_us: float
    ticks_per_s: float


@contextmanager
def redis_of(case: Case, binary: Path) -> Iterator[tuple[str, list[int]]]:
    """Its URL, and the processes of its masters."""
    with ExitStack() as stack:
        if case.cluster:
            formed = stack.enter_context(cluster(binary, replicas=int(case.replica)))
            yield formed.url, [member.server.pid or 0 for member in formed.masters()]
            return
        server = stack.enter_context(EmbeddedServer(binary=binary))
        if case.replica:
            stack.enter_context(EmbeddedServer(binary=binary, replicaof=f"{HOST} {server.port}"))
        stack.enter_context(reading(server.port, case.readers))
        yield server.url, [server.pid or 0]


async def cost_of(case: Case, binary: Path, seconds: float, rounds: int) -> list[Cost]:
    """The rounds of one case, one publisher flat out."""
    knobs: dict[str, Any] = {"run": case.ticks_a_call, "max_ticks_per_call": case.ticks_a_call, "window_s": 0.0}
    with redis_of(case, binary) as (url, masters):
        async with Stage(Cores(None, None)) as stage:
            publisher = await start_publisher(stage, url, SCENARIO, **knobs)
            await publisher.ready()
            await publisher.ask("prime")
            found = []
            for _ in range(rounds):
                pids = {"redis": masters, "worker": [publisher.pid]}
                told = await publisher.ask("flat_out", seconds=seconds, pids=pids)
                each = {name: ns / 1e3 / told["published"] for name, ns in told["cpu_ns"].items()}
                found.append(Cost(each["redis"], each["worker"], told["published"] / told["seconds"]))
            return found


class Memory(NamedTuple):
    """In bytes: a stream with one tick, all of its keys; and a tick in logs of so many."""

    stream: float
    entries: dict[int, float]


async def memory_of(binary: Path) -> Memory:
    with EmbeddedServer(binary=binary) as server:
        client = redis.Redis(host=HOST, port=server.port)
        ask: Any = client.execute_command
        async with Stage(Cores(None, None)) as stage:
            publisher = await start_publisher(stage, server.url, SCENARIO, run=1, max_ticks_per_call=1)
            await publisher.ready()
            empty = client.info("memory")["used_memory"]
            await publisher.ask("prime")
            stream = (client.info("memory")["used_memory"] - empty) / SYMBOLS
            entries = {}
            for many in ENTRIES:
                while min(ask("XLEN", log_key(each)) for each in STREAMS) < many:
                    await publisher.ask("flat_out", seconds=many / ENTRIES[-1], pids={})
                logs = [log_key(each) for each in STREAMS]
                taken = sum(ask("MEMORY", "USAGE", log, "SAMPLES", 0) for log in logs)
                entries[many] = taken / sum(ask("XLEN", log) for log in logs)
            client.close()
            return Memory(stream, entries)


def row(case: Case, costs: Sequence[Cost]) -> str:
    cells = []
    for name in ("redis_us", "worker_us"):
        values = sorted(getattr(cost, name) for cost in costs)
        cells.append(f"{statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})")
    came = statistics.median(cost.ticks_per_s for cost in costs)
    a_core = 1e6 / statistics.median(cost.redis_us for cost in costs)
    return f"| {case.what} | {' | '.join(cells)} | {came:,.0f} | {a_core:,.0f} |"


def _print_turns(binary: Path, seconds: float) -> None:
    print(
        "\n| gateways that read | ticks a second | of a core | messages in a write "
        "| a turn of Redis' loop, ms: predicted, seen |\n|---|---|---|---|---|"
    )
    for readers in READERS:
        for found in asyncio.run(turns(binary, readers, PACES, seconds)):
            expected = turn_s(found.ticks_per_s, readers, ALONE) * 1e3
            print(
                f"| {readers} | {found.ticks_per_s:,.0f} | {found.cpu:.0%} | {found.messages_a_write(readers):.1f} "
                f"| {expected:.1f}, {found.turn_s * 1e3:.1f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="What a tick costs Redis.")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", choices=servers(), default=next(iter(servers())))
    asked = parser.parse_args()
    binary = servers()[asked.server]
    print(f"{asked.server}, {SYMBOLS} streams, logs of 60 s: median of {asked.rounds} rounds (least to most)\n")
    print(
        "| | Redis, us a tick | worker, us a tick | ticks a second of one worker | ticks a second that fill one core "
        "of Redis |\n|---|---|---|---|---|"
    )
    for case in CASES:
        print(row(case, asyncio.run(cost_of(case, binary, asked.seconds, asked.rounds))), flush=True)
    print("\n| a tick that two workers publish | Redis for the first, us | for the second |\n|---|---|---|")
    for ticks_a_call, what in ((1, "one in a call"), (20, "twenty in a call")):
        rounds = twice(binary, ticks_a_call, asked.rounds)
        first, second = (statistics.median(each[at] for each in rounds) for at in (0, 1))
        print(f"| {what} | {first:.1f} | {second:.1f} |", flush=True)
    if asked.server == "valkey":  # Redis 7.0 does not count its turns
        _print_turns(binary, asked.seconds)
    memory = asyncio.run(memory_of(binary))
    each = ", ".join(f"{taken:.0f} where it has {many:,}" for many, taken in memory.entries.items())
    print(f"\na stream with one tick takes {memory.stream:,.0f} bytes; a tick in a log {each} and more")


if __name__ == "__main__":
    main()
