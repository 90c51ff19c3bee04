"""Two gateways with the same clients, their rounds in turn: two workers beside one, compressed beside not."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final

from feed.bench.audience import DEPTH_TWO_JSON
from feed.bench.counters import scrape_steadily
from feed.bench.delays import percentiles
from feed.bench.fanout import Told, fitting, set_scene, start_publisher, witnessed
from feed.bench.made import symbols
from feed.bench.outcome import Outcome, Skipped
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Stage
from feed.bench.summary import bytes_of, cpu_of, put_delays, ratios, summarise, warn_of_counts
from feed.bench.systems import Round, Scene, Served, start_gateway
from feed.bus.embedded import EmbeddedServer

SHORT_S: Final = 2.0
OFFERS_DEFLATE: Final = f"{DEPTH_TWO_JSON}Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def two_workers(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """One worker and two, which may use all cores. Raises Skipped where there is but one core."""
    if stage.cores.under_test is None:
        raise Skipped("two workers want two cores")
    outcome = Outcome(scenario.name, scenario.about, ticks_per_s=scenario.ticks_per_s)
    scene = await _scene(outcome, scenario, plan, stage, server)
    one = Served(scene, "gateway", await start_gateway(stage, server.url, anywhere=True))
    two = Served(
        await _apart(scene, server),
        "two workers",
        await start_gateway(stage, server.url, "--workers", "2", anywhere=True),
    )
    first, second = await _alternate(outcome, one, two, scene, tell)
    _put(outcome, "two_workers", second)
    outcome.put("two_workers_ratio", ratios(second, first, cpu_of))
    outcome.notes.append("no process is pinned here: both workers, the load clients and Redis share all cores")
    return outcome


async def deflated(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """Clients that offer compression to a gateway that has it, and clients of one that has not."""
    outcome = Outcome(scenario.name, scenario.about, ticks_per_s=scenario.ticks_per_s)
    scene = await _scene(outcome, scenario, plan, stage, server)
    plain = Served(scene, "gateway", await start_gateway(stage, server.url))
    child = await start_gateway(stage, server.url, FEED_GATEWAY__COMPRESSION="true")
    compressed = Served(await _apart(scene, server), "compressed", child, headers=OFFERS_DEFLATE)
    first, second = await _alternate(outcome, plain, compressed, scene, tell)
    _put(outcome, "compressed", second)
    outcome.put("cpu_ratio", ratios(second, first, cpu_of))
    outcome.put("bytes_ratio", ratios(second, first, bytes_of))
    outcome.put("ticks_per_frame", (one.window.messages / one.window.frames for one in first if one.window.frames))
    return outcome


async def measured(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """A gateway that counts, and is scraped each second, and one that does not. Rounds are short and many: one round
    may differ from the next by more than what is looked for."""
    outcome = Outcome(scenario.name, scenario.about, ticks_per_s=scenario.ticks_per_s)
    scene = await _scene(outcome, scenario, replace(plan, window_s=min(plan.window_s, SHORT_S)), stage, server)
    counting = Served(scene, "gateway", await start_gateway(stage, server.url))
    child = await start_gateway(stage, server.url, FEED_METRICS__ENABLED="false")
    mute = Served(await _apart(scene, server), "without metrics", child)
    first, second = await _alternate(
        outcome, counting, mute, scene, tell, beside=lambda: scrape_steadily(counting.admin_port)
    )
    _put(outcome, "without_metrics", [replace(one, counters=None) for one in second])
    outcome.put("on_over_off_ratio", ratios(first, second, cpu_of))
    return outcome


async def _scene(outcome: Outcome, scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer) -> Scene:
    outcome.clients = fitting(scenario, plan, outcome)
    outcome.rounds = plan.rounds_of(scenario)
    return await set_scene(stage, scenario, plan, server, outcome.clients)


async def _apart(scene: Scene, server: EmbeddedServer) -> Scene:
    """The same with symbols of its own, which are silent while the other's are published."""
    many, clients = len(scene.names), len(scene.wanted)
    publisher = await start_publisher(scene.stage, server.url, scene.scenario, symbols_from=many, worker="other")
    await publisher.ready()
    await publisher.ask("prime")
    names = symbols(2 * many)[many:]
    scene.pids["other publisher"] = [publisher.pid]
    return replace(scene, names=names, wanted=scene.scenario.wanted(clients, names), publisher=publisher)


async def _alternate(
    outcome: Outcome,
    one: Served,
    other: Served,
    scene: Scene,
    tell: Told,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> tuple[list[Round], list[Round]]:
    """Their rounds. `beside` goes on meanwhile, and ends the run where it ends by itself."""
    tell("connecting")
    for system in (one, other):
        await system.connect(witnessed=witnessed(scene.scenario, system.scene.names))
    rounds: dict[str, list[Round]] = {"gateway": [], other.name: []}
    async with asyncio.TaskGroup() as group:
        going_on = group.create_task(beside()) if beside is not None else None
        for number in range(outcome.rounds):
            # who goes first changes: what a round leaves behind, or a machine that slows down, is each one's in turn
            for system in (one, other) if number % 2 == 0 else (other, one):
                tell(f"round {number + 1} of {outcome.rounds}, {system.name}")
                rounds[system.name].append(await system.round(scene.scenario.ticks_per_s))
        if going_on is not None:
            going_on.cancel()
    summarise(outcome, one, None, rounds)
    return rounds["gateway"], rounds[other.name]


def _put(outcome: Outcome, prefix: str, rounds: Sequence[Round]) -> None:
    outcome.put(f"{prefix}_us_per_delivery", (one.cpu_us_per_delivery for one in rounds))
    outcome.put(f"{prefix}_deliveries_per_s", (one.deliveries_per_s for one in rounds))
    put_delays(outcome, f"{prefix}_delay_ms", [percentiles(one.delays_ms) for one in rounds])
    warn_of_counts(outcome, rounds)
