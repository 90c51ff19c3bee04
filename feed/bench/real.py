"""Recorded ticks at rising speed: how fast they can be played before the gateway or its delays say stop."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from feed.bench.audience import DEPTH_TWO_JSON, Want, subscription
from feed.bench.delays import percentiles
from feed.bench.fanout import FEED, Told, fitting, set_scene
from feed.bench.outcome import Outcome, Skipped
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Stage
from feed.bench.summary import summarise
from feed.bench.systems import Round, Served, start_gateway
from feed.bus import names as redis_names
from feed.bus.embedded import EmbeddedServer
from feed.core.streams import Stream

MOST_CPU: Final = 0.9
MOST_P99_MS: Final = 250.0
# Of a burst that is too much for a client it gets conflated quotes: what does not come tick by tick does not hold.
LEAST_DELIVERED: Final = 0.99
FIRST_TICKS_PER_S: Final = 2_000.0
MOST_DOUBLINGS: Final = 10
PRIME_S: Final = 0.5


async def real(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """Doubles the speed until it no longer holds, then measures the last one that held. Raises Skipped."""
    if not plan.recordings:
        raise Skipped("no recordings given (--recordings FILE)")
    outcome = Outcome(scenario.name, scenario.about, rounds=plan.rounds_of(scenario))
    outcome.clients = fitting(scenario, plan, outcome)
    child = await start_gateway(stage, server.url)
    scene = await set_scene(stage, scenario, plan, server, outcome.clients)
    tell("reading the recordings")
    loaded = await scene.publisher.ask("load", files=list(plan.recordings))
    await scene.publisher.ask("play", factor=FIRST_TICKS_PER_S / loaded["per_s"])
    await asyncio.sleep(PRIME_S)
    await scene.publisher.ask("stop")
    gateway = Served(scene, "gateway", child)
    streams = [Stream(FEED, kind, symbol) for kind in scene.kinds for symbol in loaded["symbols"]]
    want = Want(DEPTH_TWO_JSON, subscription(scene.kinds, loaded["symbols"]), times=outcome.clients)
    await gateway.connect([want], witnessed=[redis_names.channel(stream) for stream in streams])
    factor, stopped = await _search(gateway, FIRST_TICKS_PER_S / loaded["per_s"], tell)
    rounds = []
    for number in range(outcome.rounds):
        tell(f"round {number + 1} of {outcome.rounds} at {factor:.0f} x")
        rounds.append(replace(await gateway.round(0, play={"factor": factor}), rate=factor))
    summarise(outcome, gateway, None, {"gateway": rounds})
    outcome.put("speed", [factor])
    outcome.put("ticks_per_s", (one.offered / one.published_s for one in rounds))
    outcome.notes.append(stopped)
    return outcome


async def _search(gateway: Served, factor: float, tell: Told) -> tuple[float, str]:
    """The last speed that held, and what stopped the next."""
    for _ in range(MOST_DOUBLINGS):
        tell(f"{factor * 2:.0f} x")
        why = too_much(await gateway.round(0, play={"factor": factor * 2}))
        if why:
            return factor, f"at {factor * 2:.0f} x {why}"
        factor *= 2
    return factor, f"nothing stopped it at {factor:.0f} x"


def too_much(one: Round) -> str:
    """Why a speed does not hold; empty where it does."""
    found = percentiles(one.delays_ms)
    if one.cpu > MOST_CPU:
        return f"the gateway took {one.cpu:.0%} of its core"
    if found is None:
        return "nothing was delivered in the window"
    if found["p99"] > MOST_P99_MS:
        busy = _share(one, ("redis", "publisher")) + one.window.client_cpu
        return f"p99 was {found['p99']:.0f} ms; Redis, publisher and clients took {busy:.0%} of a core"
    came = one.total.messages / one.expected if one.total and one.expected else 1.0
    if came < LEAST_DELIVERED:
        return f"{came:.0%} came tick by tick, the rest conflated or named in gaps"
    return ""


def _share(one: Round, names: Sequence[str]) -> float:
    return sum(one.window.cpu.get(name, 0.0) for name in names)
