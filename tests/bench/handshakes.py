"""What a client that comes costs its gateway: TLS, handshake, subscription, and joining those who are there.

python -m tests.bench.handshakes [--clients 500] [--rounds 3]
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Final

from feed.access.self_signed import make_certificate
from feed.bench.cpu import cpu_ns, divide
from feed.bench.fanout import set_scene
from feed.bench.run import measuring
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Stage
from feed.bench.systems import Served, start_gateway
from feed.bus.embedded import EmbeddedServer

SYMBOLS: Final = 500
EACH: Final = 20


async def cost_us(clients: int, tls: bool) -> float:
    """Microseconds of the gateway's core for each of these clients, none of which is sent a tick."""
    cores = divide()
    scenario = Scenario("coming", "", symbols=SYMBOLS, each=EACH, tls=tls)
    with (
        tempfile.TemporaryDirectory(prefix="feed-coming-") as folder,
        measuring(cores),
        EmbeddedServer(directory=Path(folder)) as server,
    ):
        async with Stage(cores) as stage:
            child = await start_gateway(
                stage, server.url, certificate=make_certificate(server.directory) if tls else None
            )
            await child.ready()
            scene = await set_scene(stage, scenario, Plan(rounds=1, window_s=1.0, warm_s=0.5), server, clients)
            gateway = Served(scene, "gateway", child)
            before = cpu_ns(child.pid)
            await gateway.connect()
            return (cpu_ns(child.pid) - before) / 1e3 / clients


def main() -> None:
    parser = argparse.ArgumentParser(description="What a client that comes costs its gateway.")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print("| | a client that comes, us of its gateway: median (least to most) |\n|---|---|")
    for tls, what in ((False, "plain"), (True, "over TLS")):
        found = sorted(asyncio.run(cost_us(asked.clients, tls)) for _ in range(asked.rounds))
        print(f"| {what} | {statistics.median(found):,.0f} ({found[0]:,.0f} to {found[-1]:,.0f}) |", flush=True)


if __name__ == "__main__":
    main()
