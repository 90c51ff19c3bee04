"""A fan-out scenario: gateway, floor and tutorial with the same clients, their rounds in turn."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from feed.access.self_signed import Pair, make_certificate
from feed.bench.made import symbols
from feed.bench.outcome import Outcome
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Child, Stage
from feed.bench.summary import summarise
from feed.bench.systems import FloorSystem, Round, Scene, Served, TutorialSystem, start_gateway
from feed.bus import names as redis_names
from feed.bus.embedded import EmbeddedServer
from feed.core.streams import Stream
from feed.lifecycle import raise_open_files

FEED: Final = "sim"
BALLAST: Final = "ballast"  # a feed that no gateway carries
WITNESSED: Final = 50  # streams that the witness listens to, evenly chosen
OTHER_FILES: Final = 200  # that a process has open beside its connections

Told = Callable[[str], None]


async def start_publisher(
    stage: Stage, redis_url: str, scenario: Scenario, under_test: bool = False, **more: Any
) -> Child:
    """The publisher's process for a scenario's symbols."""
    told = {"redis": redis_url, "symbols_from": 0, "symbols_many": scenario.symbols, "kind": scenario.kind, "run": 1}
    arguments = orjson.dumps(told | {"worker": "bench"} | more).decode()
    start = stage.under_test if under_test else stage.beside
    return await start("publisher", "feed.bench.publish", arguments)


def fitting(scenario: Scenario, plan: Plan, outcome: Outcome) -> int:
    """How many clients there can be: each is an open file of the gateway and of the load client."""
    clients, room = plan.clients_of(scenario), raise_open_files() - OTHER_FILES
    if clients > room:
        outcome.warnings.append(f"{room} clients instead of {clients}: a process may not open more files")
    return min(clients, room)


async def set_scene(
    stage: Stage, scenario: Scenario, plan: Plan, server: EmbeddedServer, clients: int, **more: Any
) -> Scene:
    """The publisher, and each stream begun."""
    publisher = await start_publisher(stage, server.url, scenario, **more)
    await publisher.ready()
    await publisher.ask("prime")
    names = symbols(scenario.symbols)
    scene = Scene(stage, scenario, plan, names, scenario.wanted(clients, names), server.port, publisher)
    assert server.pid is not None
    scene.pids |= {"redis": [server.pid], "publisher": [publisher.pid]}
    return scene


def witnessed(scenario: Scenario, names: Sequence[str]) -> list[str]:
    """The channels of some of the streams, evenly chosen."""
    step = max(1, len(names) // WITNESSED)
    return [redis_names.channel(Stream(FEED, scenario.kind, name)) for name in names[::step]]


async def fan_out(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """Measures it. `tell` is given a word at each step."""
    outcome = Outcome(scenario.name, scenario.about, ticks_per_s=scenario.ticks_per_s)
    outcome.clients = fitting(scenario, plan, outcome)
    certificate = make_certificate(server.directory) if scenario.tls else None
    gateway_child = await start_gateway(stage, server.url, certificate=certificate)
    floor_child = await stage.under_test("floor", "feed.bench.floor", _floor(scenario, certificate))
    tutorial_child = None if scenario.tls else await stage.under_test("tutorial", "feed.bench.tutorial", server.url)
    scene = await set_scene(stage, scenario, plan, server, outcome.clients)
    ballast = await start_publisher(stage, server.url, scenario, feed=BALLAST)
    await ballast.ready()
    tell("connecting")
    gateway, floor = Served(scene, "gateway", gateway_child), FloorSystem(scene, floor_child, ballast)
    tutorial = TutorialSystem(scene, tutorial_child) if tutorial_child else None
    await gateway.connect(witnessed=witnessed(scenario, scene.names))
    await asyncio.gather(floor.connect(), *((tutorial.connect(),) if tutorial else ()))
    rounds: dict[str, list[Round]] = {"gateway": [], "floor": [], "tutorial": []}
    outcome.rounds = plan.rounds_of(scenario)
    for number in range(outcome.rounds):
        of = f"round {number + 1} of {outcome.rounds}"
        tell(f"{of}, gateway")
        rounds["gateway"].append(await gateway.round(scenario.ticks_per_s))
        tell(f"{of}, floor")
        rounds["floor"].append(await floor.round(rounds["gateway"][-1]))
        if tutorial is not None:
            tell(f"{of}, tutorial")
            rounds["tutorial"].append(await tutorial.round())
    summarise(outcome, gateway, tutorial, rounds)
    return outcome


def _floor(scenario: Scenario, certificate: Pair | None) -> str:
    return orjson.dumps(
        {"certificate": [str(path) for path in certificate] if certificate else None, "kind": scenario.kind}
    ).decode()
