"""`feed bench`: how fast it is on this machine."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feed.cli.options import Misused, Refused, configured, log_level, redis_unused

if TYPE_CHECKING:
    from feed.bench.outcome import Outcome
    from feed.bench.scenarios import Plan, Scenario
    from feed.settings.sources import Settings


@click.command()
@click.option("--quick", is_flag=True, help="Three minutes in all: shorter windows, smaller crowd.")
@click.option("--only", metavar="A,B", help="These scenarios.")
@click.option("--rounds", type=click.IntRange(1, 100), metavar="N", help="Rounds of each scenario.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), metavar="S", help="Length of a round's window.")
@click.option("--minutes", type=click.FloatRange(0, 1_440), default=0.0, metavar="M", help="Soak `mixed` for so long.")
@click.option(
    "--recordings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    multiple=True,
    help="A recording of Binance for `real`; may be given again.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures as JSON.")
@click.option(
    "--plot", "plot_file", type=click.Path(path_type=Path), metavar="FILE", help="Draw the delays: .png or .svg."
)
@configured(redis_unused, log_level)
def bench(
    settings: "Settings",
    quick: bool,
    only: str | None,
    rounds: int | None,
    seconds: float | None,
    minutes: float,
    recordings: tuple[Path, ...],
    json_file: Path | None,
    plot_file: Path | None,
) -> None:
    """Measure this machine: gateway, the floor beneath it, and what a tutorial shows.

    Starts a Redis, a gateway, a publisher and load clients of its own, each a process, pinned where there are two cores
    or more; no configuration is read. Prints a table: CPU per delivery, delays, memory, beside those of a bare process
    that writes the same bytes. The run takes a quarter of an hour; Ctrl-C ends it and leaves nothing behind.

    \b
    Examples:
      feed bench --quick
      feed bench --only hot,watchlist --json figures.json --plot delays.png
      feed bench --only mixed --minutes 10
    """
    from feed.bench import plot
    from feed.bench.scenarios import FULL, QUICK, chosen
    from feed.lifecycle import report_faults

    plan = QUICK if quick else FULL
    plan = replace(
        plan,
        rounds=rounds or plan.rounds,
        once_rounds=rounds or plan.once_rounds,
        window_s=seconds or plan.window_s,
        recordings=tuple(map(str, recordings)),
        minutes=minutes,
    )
    try:
        scenarios = chosen(tuple(name.strip() for name in only.split(",")) if only else ())
        if plot_file is not None:
            plot.check(plot_file)
    except ValueError as error:
        raise Misused(str(error)) from error
    report_faults(debug=settings.values.log.level == "debug")
    raise SystemExit(measure(scenarios, plan, json_file, plot_file))


def measure(scenarios: "list[Scenario]", plan: "Plan", json_file: Path | None, plot_file: Path | None) -> int:
    """Runs the scenarios and shows what came out; returns the exit code."""
    from feed.bench.stage import ChildDied
    from feed.bus.embedded import EmbeddedError
    from feed.cli.scratch import scratch
    from feed.lifecycle import leaves, raise_open_files, run

    raise_open_files()
    faults: list[BaseException] = []
    code = 1
    try:
        with scratch() as directory:
            code = run(lambda stop: until_stopped(stop, scenarios, plan, directory, json_file, plot_file))
    except* (ChildDied, EmbeddedError) as group:
        faults = leaves(group)
    if faults:
        raise Refused(*map(str, faults))
    return code


async def until_stopped(
    stop: asyncio.Event,
    scenarios: "list[Scenario]",
    plan: "Plan",
    directory: Path,
    json_file: Path | None,
    plot_file: Path | None,
) -> int:
    """The run, or as much of it as there is time for until `stop`."""
    from feed.bench import run
    from feed.bench.progress import Progress

    with Progress(len(scenarios)) as progress:
        measuring = asyncio.create_task(run.run(scenarios, plan, directory, progress.tell))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((measuring, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not measuring.done():
            measuring.cancel()
            await asyncio.wait((measuring,))
            return 1
        outcomes = measuring.result()
    tell(outcomes, json_file, plot_file)
    return 0


def tell(outcomes: "list[Outcome]", json_file: Path | None, plot_file: Path | None) -> None:
    """Prints the table, and writes what else was asked for."""
    import json

    from rich.console import Console

    from feed.bench import plot, table, targets
    from feed.bench.cpu import divide
    from feed.bench.machine import machine
    from feed.bench.outcome import report
    from feed.bus.embedded import servers

    where = machine(next(iter(servers().values())), divide().words)
    table.show(Console(), where, outcomes)
    if json_file is not None:
        judged = targets.judged({outcome.name: outcome for outcome in outcomes})
        json_file.write_text(json.dumps(report(where, outcomes, judged), indent=1) + "\n")
    if plot_file is not None:
        plot.draw(outcomes, plot_file)
