"""Redis with many readers, at several paces: what its writes to them cost, and how long the turns of its loop are."""

import asyncio
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import redis

from feed.bench.cpu import Cores, cpu_ns
from feed.bench.fanout import start_publisher
from feed.bench.made import symbols
from feed.bench.scenarios import Scenario
from feed.bench.stage import Stage
from feed.bus.embedded import HOST, EmbeddedServer
from feed.bus.names import channel
from feed.core.streams import Stream
from tests.bench.costs import Costs

SYMBOLS: Final = 100
SCENARIO: Final = Scenario("sizing", "", symbols=SYMBOLS)
STREAMS: Final = [Stream("sim", "trades", name) for name in symbols(SYMBOLS)]
CHANNELS: Final = [channel(each) for each in STREAMS]
READ_BYTES: Final = 1 << 20
SETTLES_S: Final = 0.3
# A tick of one worker at one server without a replica, which is less than the plan's master of a cluster takes.
ALONE: Final = replace(Costs(), redis_us=28.0, duplicate_us=0.0)


@contextmanager
def reading(port: int, readers: int) -> Iterator[None]:
    """So many connections that read every stream, as gateways do, but throw it away: only Redis' side is measured."""
    command = b"SUBSCRIBE " + b" ".join(each.encode() for each in CHANNELS) + b"\r\n"
    over = threading.Event()
    with ExitStack() as stack:
        ready = stack.enter_context(selectors.DefaultSelector())
        for _ in range(readers):
            connection = stack.enter_context(socket.create_connection((HOST, port)))
            connection.sendall(command)
            ready.register(connection, selectors.EVENT_READ)

        def read() -> None:
            while not over.is_set():
                for key, _ in ready.select(timeout=0.1):
                    assert isinstance(key.fileobj, socket.socket)
                    key.fileobj.recv(READ_BYTES)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            over.set()
            reader.join()


class Turns(NamedTuple):
    """Redis at one pace. `cpu` is of a core, `turn_s` the mean time of one turn of its loop, its waiting left out."""

    ticks_per_s: float
    cpu: float
    turn_s: float
    writes_per_s: float

    def messages_a_write(self, readers: int) -> float:
        return self.ticks_per_s * readers / self.writes_per_s


async def turns(binary: Path, readers: int, paces: tuple[int, ...], seconds: float) -> list[Turns]:
    """With so many readers, at each pace: ticks a second, one in a call."""
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedServer(binary=binary))
        stack.enter_context(reading(server.port, readers))
        client = stack.enter_context(redis.Redis(host=HOST, port=server.port))
        async with Stage(Cores(None, None)) as stage:
            publisher = await start_publisher(stage, server.url, SCENARIO, max_ticks_per_call=1, window_s=0.0)
            await publisher.ready()
            await publisher.ask("prime")
            found = []
            for pace in paces:
                await publisher.ask("start", rate=pace)
                await asyncio.sleep(SETTLES_S)
                before = _counted(client, server)
                await asyncio.sleep(seconds)
                passed = [after - at for after, at in zip(_counted(client, server), before, strict=True)]
                await publisher.ask("stop")
                took_s, cpu_s, calls, cycles, busy_s, writes = passed
                found.append(Turns(calls / took_s, cpu_s / took_s, busy_s / cycles, writes / took_s))
            return found


def _counted(client: redis.Redis, server: EmbeddedServer) -> tuple[float, ...]:
    """Time; CPU, in seconds; calls of the script; turns, and what they took in seconds; writes to clients."""
    assert server.pid is not None
    told: Any = client.info("stats") | client.info("commandstats")
    cycles, busy = told["eventloop_cycles"], told["eventloop_duration_sum"]
    calls = told["cmdstat_evalsha"]["calls"]
    return time.monotonic(), cpu_ns(server.pid) / 1e9, calls, cycles, busy / 1e6, told["total_writes_processed"]
