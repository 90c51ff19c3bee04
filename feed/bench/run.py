"""A run: the scenarios one after the other, each with processes and a Redis of its own."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from feed.bench.cpu import Cores, divide, pin
from feed.bench.fanout import Told, fan_out
from feed.bench.mixed import mixed
from feed.bench.outcome import Outcome, Skipped
from feed.bench.pairs import deflated, measured, two_workers
from feed.bench.real import real
from feed.bench.scenarios import Plan, Scenario
from feed.bench.single import flat_out, intake
from feed.bench.stage import Stage
from feed.bus.embedded import EmbeddedServer


class Measure(Protocol):
    """How scenarios of one way are measured. Raises Skipped, and ChildDied where a process ends by itself."""

    async def __call__(
        self, scenario: Scenario, plan: Plan, stage: Stage, server: EmbeddedServer, tell: Told
    ) -> Outcome: ...


WAYS: Final[Mapping[str, Measure]] = {
    "fanout": fan_out,
    "mixed": mixed,
    "real": real,
    "workers": two_workers,
    "deflate": deflated,
    "metrics": measured,
    "publish": flat_out,
    "intake": intake,
}


@contextmanager
def measuring(cores: Cores) -> Iterator[None]:
    """Keeps this process to the cores of those that measure: what it starts without a word more is there too."""
    before = os.sched_getaffinity(0) if cores.others is not None else None
    pin(cores.others)
    try:
        yield
    finally:
        pin(None if before is None else frozenset(before))


async def run(
    scenarios: Sequence[Scenario], plan: Plan, directory: Path, tell: Callable[[Scenario, str], None]
) -> list[Outcome]:
    """Measures them in turn. `directory` is for what they keep on disk meanwhile."""
    cores = divide()
    outcomes = []
    with measuring(cores):
        for scenario in scenarios:
            outcomes.append(await _one(scenario, plan, cores, directory / scenario.name, tell))
    return outcomes


async def _one(
    scenario: Scenario, plan: Plan, cores: Cores, directory: Path, tell: Callable[[Scenario, str], None]
) -> Outcome:
    os.mkdir(directory)
    tell(scenario, "starting")
    try:
        with EmbeddedServer(directory=directory) as server:
            async with Stage(cores) as stage:
                measure = WAYS[scenario.way]
                measuring = measure(scenario, plan, stage, server, lambda words: tell(scenario, words))
                outcome = await stage.until_done(measuring)
                outcome.warnings += stage.said()
                return outcome
    except Skipped as why:
        return Outcome(scenario.name, scenario.about, skipped=str(why))
