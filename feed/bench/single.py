"""What one part costs by itself: publishing, and taking in ticks that hardly anybody wants."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from feed.bench.audience import DEPTH_TWO_JSON, Want, subscription
from feed.bench.fanout import Told, set_scene, start_publisher
from feed.bench.outcome import Outcome
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Stage
from feed.bench.systems import Round, Served, start_gateway
from feed.bus.embedded import EmbeddedServer

TICKS_A_CALL = 20
MISSED = 0.95  # of the rate that was asked for


async def flat_out(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """One publisher, with a core of its own, in calls of twenty and with the log on."""
    outcome = Outcome(scenario.name, scenario.about, rounds=plan.rounds_of(scenario))
    knobs = {"run": TICKS_A_CALL, "max_ticks_per_call": TICKS_A_CALL, "window_s": 0.0}
    publisher = await start_publisher(stage, server.url, scenario, under_test=True, **knobs)
    await publisher.ready()
    await publisher.ask("prime")
    answers = []
    for _ in _rounds(outcome, "flat out", tell):
        pids = {"worker": [publisher.pid], "redis": [server.pid]}
        answers.append(await publisher.ask("flat_out", seconds=plan.window_s, pids=pids))
    outcome.put("ticks_per_s", (answer["published"] / answer["seconds"] for answer in answers))
    for name in ("worker", "redis"):
        each = [answer["cpu_ns"][name] / 1e3 / answer["published"] for answer in answers]
        outcome.put(f"{name}_us_per_tick", each)
    return outcome


async def intake(scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told) -> Outcome:
    """A gateway without clients, then with one that wants everything."""
    outcome = Outcome(scenario.name, scenario.about, ticks_per_s=scenario.ticks_per_s, rounds=plan.rounds_of(scenario))
    scene = await set_scene(stage, scenario, plan, server, clients=1, run=TICKS_A_CALL)
    child = await start_gateway(stage, server.url)
    nobody, one = Served(scene, "gateway", child), Served(replace(scene, wanted=[[]]), "gateway", child)
    await nobody.connect(wants=())
    silent = [await nobody.round(scenario.ticks_per_s) for _ in _rounds(outcome, "nobody", tell)]
    await one.connect([Want(DEPTH_TWO_JSON, subscription(scene.kinds, ()))])
    heard = [await one.round(scenario.ticks_per_s) for _ in _rounds(outcome, "one client", tell)]
    outcome.put("us_per_tick_nobody", map(_us_per_published, silent))
    outcome.put("us_per_tick_one", (each.cpu_us_per_delivery for each in heard))
    outcome.put("published_per_s", (each.offered / each.published_s for each in (*silent, *heard)))
    _warn(outcome, scenario, heard)
    return outcome


def _rounds(outcome: Outcome, who: str, tell: Told) -> Iterator[int]:
    for number in range(outcome.rounds):
        tell(f"{who}, round {number + 1} of {outcome.rounds}")
        yield number


def _us_per_published(one: Round) -> float:
    return one.cpu * 1e6 * one.published_s / one.offered


def _warn(outcome: Outcome, scenario: Scenario, heard: Sequence[Round]) -> None:
    reached = outcome.median("published_per_s") or 0.0
    if reached < MISSED * scenario.ticks_per_s:
        outcome.warnings.append(f"the publisher reached {reached:,.0f} ticks/s, not {scenario.ticks_per_s:,.0f}")
    lost = [one for one in heard if one.total and one.total.messages < one.offered]
    if lost:
        outcome.warnings.append(f"in {len(lost)} rounds the one client was not sent everything")
