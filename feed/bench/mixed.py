"""The mixed scenario: clients of all kinds at once, some that leave and resume, and whether anyone missed anything."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from feed.bench.audience import DEPTH_TWO_JSON, Audience, Want, Way, Window, subscription
from feed.bench.delays import percentiles
from feed.bench.fanout import Told, fitting, set_scene, witnessed
from feed.bench.memory import memory_of
from feed.bench.outcome import Outcome
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Child, Stage, ports
from feed.bench.summary import put_delays
from feed.bench.systems import Scene, start_gateway
from feed.bus.embedded import EmbeddedServer

MSGPACK: Final = "Sec-WebSocket-Protocol: feed.v1.msgpack\r\n"
DEPTH_ONE_MSGPACK: Final = "Content-Type: application/msgpack\r\n"
GROUPS: Final = 10
MEMORY_EVERY_S: Final = 10.0
SETTLED_S: Final = 60.0  # a slope over what fills at first would say nothing
QUIET_S: Final = 1.0


class Weighed(NamedTuple):
    """The gateway's resident memory at a time of the run."""

    after_s: float
    bytes: int


async def mixed(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """Measures it, for `plan.minutes` where that is above nought."""
    outcome = Outcome(scenario.name, scenario.about, ticks_per_s=scenario.ticks_per_s, rounds=1)
    outcome.clients = fitting(scenario, plan, outcome)
    gateway = await start_gateway(stage, server.url)
    checkers = await stage.beside("checking clients", "feed.bench.checkers")
    scene = await set_scene(stage, scenario, plan, server, outcome.clients)
    audience = await Audience.hire(stage, "gateway", 1)
    await checkers.ready()
    port, _ = ports(await gateway.ready())
    scene.pids["gateway"] = [gateway.pid]
    tell("connecting")
    await audience.watch(server.port, witnessed(scenario, scene.names))
    await audience.connect(Way(port, "/v2/sim", scene.kinds), counted(scene.wanted))
    await audience.subscribe()
    await checkers.ask("connect", port=port, clients=checked(scene.wanted))
    seconds = plan.minutes * 60 or plan.window_s * max(3, plan.rounds_of(scenario))
    window, found, weighed = await _play(scene, audience, checkers, gateway, seconds, tell)
    _enter(outcome, window, found, weighed)
    put_delays(outcome, "delay_ms", [percentiles(await audience.delays())])
    return outcome


async def _play(
    scene: Scene, audience: Audience, checkers: Child, gateway: Child, seconds: float, tell: Told
) -> tuple[Window, dict[str, Any], list[Weighed]]:
    await scene.publisher.ask("start", rate=scene.scenario.ticks_per_s)
    await asyncio.sleep(scene.plan.warm_s)
    before = await checkers.ask("count")
    await checkers.ask("leave_and_return")
    began = time.monotonic()
    weighed = [Weighed(0.0, memory_of(gateway.pid).rss)]
    every = max(scene.scenario.sample_every, round(seconds))  # no more samples of ten minutes than of one
    counting = asyncio.create_task(audience.window(seconds, every, scene.pids))
    while not counting.done():
        await asyncio.wait((counting,), timeout=MEMORY_EVERY_S)
        weighed.append(Weighed(time.monotonic() - began, memory_of(gateway.pid).rss))
        tell(f"{weighed[-1].after_s:.0f} of {seconds:.0f} s, {weighed[-1].bytes / 1e6:.0f} MB")
    window = await counting
    await checkers.ask("stay")
    during = await checkers.ask("count")
    await scene.publisher.ask("stop")
    await asyncio.sleep(QUIET_S)
    found = await checkers.ask("count")
    return window, found | {"during": during["messages"] - before["messages"]}, weighed


def _enter(outcome: Outcome, window: Window, found: dict[str, Any], weighed: Sequence[Weighed]) -> None:
    deliveries = window.messages + found["during"]
    outcome.put("deliveries_per_s", [deliveries / window.seconds])
    outcome.put("cpu_us_per_delivery", [window.cpu["gateway"] * window.seconds * 1e6 / deliveries])
    outcome.put("gateway_cpu", [window.cpu["gateway"]])
    outcome.put("client_cpu", [window.client_cpu])
    outcome.put("gaps", [found["faults"]])
    outcome.put("resumes", [found["resumes"]])
    outcome.put("checked_messages", [found["messages"]])
    outcome.put("memory_begin_mb", [weighed[0].bytes / 1e6])
    outcome.put("memory_end_mb", [weighed[-1].bytes / 1e6])
    outcome.put("memory_slope_mb_per_min", [slope(weighed)])
    if found["faults"]:
        named = ", ".join(f"{found[name]} {name}" for name in ("gaps", "skipped", "repeated", "lost", "unanswered"))
        outcome.warnings.append(f"the checking clients found {named}")
    outcome.notes.append(f"{found['messages']:,} messages checked, {found['resumes']:,} resumes")


def slope(weighed: Sequence[Weighed]) -> float | None:
    """MB a minute, by least squares, after the first minute; None where less than a minute is left."""
    settled = [each for each in weighed if each.after_s >= SETTLED_S]
    if len(settled) < 3 or settled[-1].after_s - settled[0].after_s < SETTLED_S:
        return None
    x = [each.after_s / 60 for each in settled]
    y = [each.bytes / 1e6 for each in settled]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - middle_x) ** 2 for a in x)


def counted(wanted: Sequence[list[str]]) -> list[Want]:
    """Those of a kind that is only counted: in groups of ten, all but the first and the eighth."""
    kinds = ("trades",)
    wants = []
    for number, symbols in enumerate(wanted):
        plain = subscription(kinds, symbols)
        stamped = subscription(kinds, symbols, stamps=True)
        ways = {
            1: Want(MSGPACK, plain, sampled=False),
            2: Want("", plain, sampled=False),
            3: Want(DEPTH_ONE_MSGPACK, plain, sampled=False),
            4: Want(DEPTH_TWO_JSON, stamped),
            5: Want(DEPTH_TWO_JSON, subscription(kinds, symbols, rate=5), sampled=False),
            6: Want(MSGPACK, subscription(kinds, symbols, rate=2, stamps=True), sampled=False),
            8: Want(DEPTH_TWO_JSON, plain),
            9: Want(MSGPACK, stamped, sampled=False),
        }
        if (want := ways.get(number % GROUPS)) is not None:
            wants.append(want)
    return wants


def checked(wanted: Sequence[list[str]]) -> list[list[Any]]:
    """Those that are checked: every tenth, a third of them at a rate, and every tenth that leaves and returns."""
    clients: list[list[Any]] = []
    for number, symbols in enumerate(wanted):
        group, command = number % GROUPS, {"action": "subscribe", "trades": symbols}
        protocol = "feed.v1.msgpack" if number // GROUPS % 2 else "feed.v1.json"
        if group == 0:
            clients.append([protocol, command | ({"rate": 5} if number // GROUPS % 3 == 0 else {}), False])
        elif group == 7:
            clients.append([protocol, command, True])
    return clients
