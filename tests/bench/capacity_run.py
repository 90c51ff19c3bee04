"""Holds the capacity plan to real gateways: as many clients as it gives one, and what that gateway then takes.

    python -m tests.bench.capacity_run [--seconds 4]

Costs were measured on some machine, at some hour: a small round before each point says what a write takes here and now,
and the plan's costs are scaled by it, for how many clients there shall be as for what they should take.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from feed.bench.cpu import divide
from feed.bench.delays import percentiles
from feed.bench.fanout import set_scene, witnessed
from feed.bench.run import measuring
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Stage
from feed.bench.systems import Round, Served, start_gateway
from feed.bus.embedded import EmbeddedServer
from tests.bench.capacity import US, Costs, Load, Margins, most_clients, taken_in, wanted, write_us

POINTS: Final = (
    Load(clients=4_000, symbols=1, ticks_per_s=100, each=1, shared=True, tls=False),
    Load(clients=4_000, symbols=500, ticks_per_s=2_000, each=20, tls=False),
    Load(clients=4_000, symbols=100, ticks_per_s=200, each=5, tls=False),
)
MOST_CLIENTS: Final = 4_000  # that one load client reads without being late itself
HERE: Final = Scenario("here", "what a write takes", clients=200, ticks_per_s=100)


@dataclass(frozen=True)
class Point:
    """One load on one gateway. `planned` and `took` are shares of a core, `due` is what its own frames and messages
    should have taken; `came` is the share of deliveries that came."""

    load: Load
    clients: int
    factor: float
    planned: float
    took: float
    due: float
    came: float
    p50_ms: float
    p99_ms: float

    def row(self) -> str:
        cells = (
            wanted(self.load), f"{self.clients:,}", f"{self.factor:.2f}", f"{self.planned:.0%}", f"{self.took:.0%}",
            f"{self.due:.0%}", f"{self.due / self.took:.2f}", f"{self.came:.1%}",
            f"{self.p50_ms:.1f}, {self.p99_ms:.1f}",
        )  # fmt: skip
        return f"| {' | '.join(cells)} |"


HEAD: Final = (
    "| each client wants | clients | a write here, of the plan's | CPU planned | CPU taken | CPU that what it wrote "
    "should take | over taken | came | delay p50, p99 ms |\n|---|---|---|---|---|---|---|---|---|"
)


def scaled(costs: Costs, factor: float) -> Costs:
    """Those of a machine on which everything takes `factor` times as long."""
    times = {field.name: getattr(costs, field.name) * factor for field in fields(costs) if field.name.endswith("_us")}
    return replace(costs, **times)


async def measured(scenario: Scenario, clients: int, seconds: float) -> Round:
    """One round of a gateway with so many clients."""
    plan = Plan(rounds=1, window_s=seconds, warm_s=0.5)
    cores = divide()
    with (
        tempfile.TemporaryDirectory(prefix="feed-capacity-") as folder,
        measuring(cores),
        EmbeddedServer(directory=Path(folder)) as server,
    ):
        async with Stage(cores) as stage:
            return await stage.until_done(_round(scenario, plan, stage, server, clients))


async def _round(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, clients: int) -> Round:
    child = await start_gateway(stage, server.url)
    scene = await set_scene(stage, scenario, plan, server, clients)
    gateway = Served(scene, "gateway", child)
    await gateway.connect(witnessed=witnessed(scenario, scene.names))
    return await gateway.round(scenario.ticks_per_s)


def point(load: Load, seconds: float) -> Point:
    """Measures one. Raises ValueError for a load that no gateway may have."""
    here = asyncio.run(measured(HERE, HERE.clients, min(seconds, 2.0)))
    plain = Load(clients=HERE.clients, symbols=1, ticks_per_s=HERE.ticks_per_s, each=1, shared=True, tls=False)
    factor = here.cpu * here.window.seconds / (here.window.frames * write_us(plain, Costs()) * US)
    costs = scaled(Costs(), factor)
    planned, _ = most_clients(load, costs, Margins())
    clients = min(planned, MOST_CLIENTS)
    scenario = Scenario(
        "point", "", clients=clients, symbols=load.symbols, each=load.each, ticks_per_s=load.ticks_per_s, sample_every=5
    )
    found = asyncio.run(measured(scenario, clients, seconds))
    window = found.window
    own = 0.0 if load.shared else costs.own_us
    wrote = window.frames * write_us(load, costs) + window.messages * (costs.message_us + own)
    due = (wrote / window.seconds + taken_in(load, clients) * costs.intake_us) * US
    delays = percentiles(found.delays_ms) or {"p50": 0.0, "p99": 0.0}
    came = found.total.messages / found.expected if found.total and found.expected else 0.0
    return Point(
        load,
        clients,
        factor,
        Margins().gateway_cpu * clients / planned,
        found.cpu,
        due,
        came,
        delays["p50"],
        delays["p99"],
    )


def points(loads: Sequence[Load], seconds: float) -> Iterator[Point]:
    for load in loads:
        yield point(load, seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4.0)
    seconds = parser.parse_args().seconds
    print(HEAD)
    for each in points(POINTS, seconds):
        print(each.row(), flush=True)


if __name__ == "__main__":
    main()
