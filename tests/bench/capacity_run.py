"""Holds the capacity plan to real gateways: four selections, at several numbers of clients, and what each takes.

    python -m tests.bench.capacity_run [--seconds 3] [--clients 250,500,1000]

Costs were measured on some machine, at some hour: small rounds before and after each point say what a write takes here
and now, and the plan's costs are scaled by it. The kernel says how long the gateway waited for a core that others had.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from feed.bench.audience import DEPTH_TWO_JSON, Want, subscription
from feed.bench.cpu import divide
from feed.bench.delays import percentiles
from feed.bench.fanout import set_scene, witnessed
from feed.bench.run import measuring
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Stage
from feed.bench.systems import Round, Scene, Served, start_gateway
from feed.bus.embedded import EmbeddedServer
from tests.bench.batches import batches
from tests.bench.capacity import wanted
from tests.bench.costs import Costs, Load

SELECTIONS: Final = (
    Load(clients=0, symbols=1, ticks_per_s=100, each=1, shared=True, tls=False),
    Load(clients=0, symbols=500, ticks_per_s=2_000, each=20, tls=False),
    Load(clients=0, symbols=100, ticks_per_s=200, each=5, tls=False),
    Load(clients=0, symbols=500, ticks_per_s=5_000, each=20, rate=1, tls=False),
)
CLIENTS: Final = (250, 500, 1_000)
HERE: Final = Load(clients=200, symbols=1, ticks_per_s=100, each=1, shared=True, tls=False)
# Of predicted over taken: what a write takes changes by a third within seconds, where cores are shared with others.
BAND: Final = (0.5, 2.0)
HERE_S: Final = 1.5


@dataclass(frozen=True)
class Seen:
    """A round of a gateway. `slow` is its time on a core and waiting for one over its time on one."""

    round: Round
    slow: float


@dataclass(frozen=True)
class Point:
    """One load on one gateway, CPU in shares of a core; `came` is the share of deliveries that came."""

    load: Load
    factor: float
    slow: float
    predicted: float
    taken: float
    frames_predicted: float
    frames: float
    came: float
    p50_ms: float

    @property
    def ratio(self) -> float:
        return self.predicted / self.taken

    def row(self) -> str:
        cells = (
            wanted(self.load), f"{self.load.clients:,}", f"{self.factor:.2f}", f"{self.slow:.2f}",
            f"{self.frames_predicted:.0f}, {self.frames:.0f}", f"{self.predicted:.0%}", f"{self.taken:.0%}",
            f"{self.ratio:.2f}", f"{self.came:.1%}", f"{self.p50_ms:.1f}",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


HEAD: Final = (
    "| each client wants | clients | a write here, of the plan's | waiting for a core | frames a second to a client: "
    "predicted, sent | CPU predicted | CPU taken | predicted over taken | came | p50, ms |\n" + "|---" * 10 + "|"
)


def scaled(costs: Costs, factor: float) -> Costs:
    """Those of a machine on which everything takes `factor` times as long."""
    times = {field.name: getattr(costs, field.name) * factor for field in fields(costs) if field.name.endswith("_us")}
    return replace(costs, **times)


async def measured(load: Load, seconds: float) -> Seen:
    """One round of a gateway with these clients."""
    plan, cores = Plan(rounds=1, window_s=seconds, warm_s=0.5), divide()
    scenario = Scenario("point", "", symbols=load.symbols, each=load.each, ticks_per_s=load.ticks_per_s, sample_every=5)
    with (
        tempfile.TemporaryDirectory(prefix="feed-capacity-") as folder,
        measuring(cores),
        EmbeddedServer(directory=Path(folder)) as server,
    ):
        async with Stage(cores) as stage:
            child = await start_gateway(stage, server.url)
            scene = await set_scene(stage, scenario, plan, server, load.clients)
            gateway = Served(scene, "gateway", child)
            await gateway.connect(wants_of(load, scene), witnessed=witnessed(scenario, scene.names))
            before = waited(child.pid)
            found = await gateway.round(scenario.ticks_per_s)
            ran, queued = (after - at for after, at in zip(waited(child.pid), before, strict=True))
            return Seen(found, (ran + queued) / ran)


def wants_of(load: Load, scene: Scene) -> list[Want]:
    """Each client's wish, at the load's rate."""
    at_most = {"rate": load.rate} if load.rate else {}
    return [Want(DEPTH_TWO_JSON, subscription(scene.kinds, symbols, **at_most)) for symbols in scene.wanted]


def waited(pid: int) -> tuple[int, int]:
    """Nanoseconds that a process' first thread ran, and that it could have."""
    ran, queued, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(ran), int(queued)


def factor_here() -> float:
    """What a write takes at this moment, over what the plan says."""
    seen = asyncio.run(measured(HERE, HERE_S))
    return seen.round.cpu / batches(HERE, HERE.clients, Costs(), seen.slow).cpu


def point(load: Load, seconds: float) -> Point:
    """Measures one."""
    before = factor_here()
    seen = asyncio.run(measured(load, seconds))
    factor = statistics.mean((before, factor_here()))
    expected = batches(load, load.clients, scaled(Costs(), factor), seen.slow)
    found = seen.round
    return Point(
        load=load,
        factor=factor,
        slow=seen.slow,
        predicted=expected.cpu,
        taken=found.cpu,
        frames_predicted=expected.frames_per_s,
        frames=found.window.frames / found.window.seconds / load.clients,
        came=came(load, found),
        p50_ms=(percentiles(found.delays_ms) or {"p50": 0.0})["p50"],
    )


def came(load: Load, found: Round) -> float:
    """Of what was due; to those at rates less than all that was published."""
    if load.paced:
        return found.window.messages / found.window.seconds / (load.clients * load.messages)
    return found.total.messages / found.expected if found.total and found.expected else 0.0


def points(selections: Sequence[Load], clients: Sequence[int], seconds: float) -> Iterator[Point]:
    for selection in selections:
        for many in clients:
            yield point(replace(selection, clients=many), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Real gateways, and what the plan says of them.")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", default=",".join(map(str, CLIENTS)))
    asked = parser.parse_args()
    print(HEAD)
    found = []
    for each in points(SELECTIONS, [int(many) for many in asked.clients.split(",")], asked.seconds):
        found.append(each)
        print(each.row(), flush=True)
    ratios = sorted(each.ratio for each in found)
    print(f"\npredicted over taken: median {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
