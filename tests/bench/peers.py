"""What Redis does for a tick that a worker's peer published before it: two workers read every venue."""

import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from feed.bench.cpu import cpu_ns
from feed.bench.made import symbols
from feed.bus.embedded import HOST, EmbeddedServer
from feed.bus.entry import pack, pack_int
from feed.bus.lane import Lane
from feed.bus.script import SCRIPT, Terms
from feed.core.streams import Stream
from feed.core.ticks import Trade

STREAMS: Final = 100
CALLS: Final = 50  # calls of each stream, in a round


class Twice(NamedTuple):
    """Microseconds of Redis for a tick: of the worker that came first, and of the one that came second."""

    first_us: float
    second_us: float


class Worker:
    """One that is always in time, or always late: it publishes when it is told to."""

    def __init__(self, client: redis.Redis, name: str, ticks_a_call: int) -> None:
        info: Any = client.info("server")
        self._run_id = info["run_id"]
        self._client = client
        self._sha = str(client.script_load(SCRIPT)).encode()
        self._terms = Terms(name, f"life-{name}", 10_000, 5_000_000)
        self._ticks = ticks_a_call
        self._number = 0
        self.lanes = [Lane(Stream("sim", "trades", name), contiguous=True) for name in symbols(STREAMS)]

    def publish(self, first_id: int) -> None:
        """The next call of each stream, all in one write."""
        now = time.monotonic()
        line: Any = self._client.pipeline(transaction=False)
        for lane in self.lanes:
            for each in range(self._ticks):
                tick = trade(lane.stream.symbol, first_id + each)
                lane.offer(tick, pack(tick))
            self._number += 1
            lane.candidate = lane.candidate or f"e{self._number}"
            call = lane.next_call(self._number, self._ticks)
            assert call is not None
            line.execute_command(
                *self._terms.command(self._sha, self._run_id, lane, call, pack_int(time.time_ns()), now)
            )
        for lane, reply in zip(self.lanes, line.execute(), strict=True):
            verdict, epoch, first, last, _, _ = reply
            assert verdict == b"OK"
            if lane.epoch != epoch:
                lane.epoch, lane.began = epoch, min(first, last)
            lane.trim_below = 0
            lane.done(last, now, 60.0)


def trade(symbol: str, number: int) -> Trade:
    now = time.time_ns()
    return Trade(symbol, number, 100.0 + number % 7, 0.5, "B", now, now)


def twice(binary: Path, ticks_a_call: int, rounds: int) -> list[Twice]:
    """Of each round: all calls of the first worker, each followed by the same of the second."""
    found = []
    with EmbeddedServer(binary=binary) as server, redis.Redis(host=HOST, port=server.port) as client:
        workers = [Worker(client, name, ticks_a_call) for name in ("first", "second")]
        next_id = 1
        for _ in range(rounds):
            spent = [0, 0]
            for _ in range(CALLS):
                for at, worker in enumerate(workers):
                    before = cpu_ns(server.pid or 0)
                    worker.publish(next_id)
                    spent[at] += cpu_ns(server.pid or 0) - before
                next_id += ticks_a_call
            ticks = STREAMS * CALLS * ticks_a_call
            found.append(Twice(*(ns / 1e3 / ticks for ns in spent)))
    return found
