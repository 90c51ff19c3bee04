"""How many gateways, Redis shards and bits a second a service takes, from its clients, symbols and rates.

    python -m tests.bench.capacity --clients 100000 --symbols 500 --ticks-per-s 5000 --each 20
    python -m tests.bench.capacity --simulate [--recorded FILE...]

`tests.bench.plan` is arithmetic over costs that `feed bench` and `python -m tests.bench.sizing` measured;
`tests.bench.simulation` plays it, and `python -m tests.bench.capacity_run` holds it to real gateways.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

from tests.bench import simulation
from tests.bench.costs import Load
from tests.bench.plan import need

PARTS: Final = (1, 10, 50)  # of a market, each as recorded
RECORDED_S: Final = 20.0


def table(loads: Sequence[Load]) -> str:
    """The needs of several loads side by side, in Markdown."""
    needs = [need(load) for load in loads]
    rows: list[tuple[str, list[str]]] = [
        ("clients", [f"{load.clients:,}" for load in loads]),
        ("each wants", [wanted(load) for load in loads]),
        (
            "messages a second to one client, in frames",
            [
                f"{load.messages:,.0f} in {one.frames_per_s / load.clients:,.0f}"
                for load, one in zip(loads, needs, strict=True)
            ],
        ),
        ("deliveries a second", [f"{one.deliveries_per_s:,.0f}" for one in needs]),
        ("**gateways** of one core, one of them to spare", [f"{one.gateways:,} ({one.why})" for one in needs]),
        ("clients of each", [f"{one.clients_a_gateway:,}" for one in needs]),
        ("CPU that each needs, in the mean", [f"{one.gateway_cpu:.0%}" for one in needs]),
        (
            "CPU that each takes, flushing so often",
            [f"{one.gateway_takes:.0%}, {one.batch_ms:.0f} ms" for one in needs],
        ),
        ("memory of each", [f"{one.gateway_mb:,.0f} MB" for one in needs]),
        (
            "reconnects a second to one that takes another's place, CPU for them",
            [f"{one.back_per_s:,.0f}, {one.back_cpu:.0%}" for one in needs],
        ),
        ("**Redis** masters, CPU that each needs", [f"{one.shards} ({one.redis_cpu:.0%})" for one in needs]),
        ("memory of the logs", [f"{one.redis_mb:,.0f} MB" for one in needs]),
        ("ingest workers, two a share", [f"{one.workers}" for one in needs]),
        ("to clients", [f"{one.clients_gbit:,.1f} Gbit/s" for one in needs]),
        ("the same with gateway.compression", [f"{one.compressed_gbit:,.1f} Gbit/s" for one in needs]),
        ("from venues to workers", [f"{one.venue_mbit:,.0f} Mbit/s" for one in needs]),
        ("from Redis to gateways", [f"{one.bus_gbit:,.2f} Gbit/s" for one in needs]),
    ]
    head = ["| | " + " | ".join(f"{chr(65 + at)}" for at in range(len(loads))) + " |", "|---" * (len(loads) + 1) + "|"]
    return "\n".join([*head, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)])


def wanted(load: Load) -> str:
    at_most = f", at most {load.rate:g} a second each" if load.rate else ", every tick"
    return f"{load.each} of {load.symbols:,} symbols of {load.ticks_per_s:,.0f} ticks/s{at_most}"


# Of deploy/README.md: a trading firm's programs; a broker's app; the same with ten times the readers.
EXAMPLES: Final = (
    Load(clients=100_000, symbols=500, ticks_per_s=5_000, each=20),
    Load(clients=100_000, symbols=500, ticks_per_s=5_000, each=20, rate=1),
    Load(clients=1_000_000, symbols=500, ticks_per_s=5_000, each=10, rate=1),
)


def objections(load: Load) -> Iterator[str]:
    """What makes no sense of it."""
    for name in ("clients", "symbols", "ticks_per_s", "each", "delay_s"):
        if not 0 < getattr(load, name) < math.inf:
            yield f"--{name.replace('_', '-')} is to be more than 0"
    for name in ("rate", "history_s"):
        if not 0 <= getattr(load, name) < math.inf:
            yield f"--{name.replace('_', '-')} is to be 0 or more"
    if load.each > load.symbols:
        yield f"--each {load.each} is more than the {load.symbols} --symbols that there are"


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    for field in fields(Load):
        name = f"--{field.name.replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(name, action=argparse.BooleanOptionalAction)
        else:
            parser.add_argument(name, type=field.type)
    parser.add_argument("--simulate", action="store_true", help="plays the plan, half a minute for the examples")
    parser.add_argument("--recorded", type=Path, nargs="+", metavar="FILE", help="and with ticks as Binance sent them")
    return parser.parse_args()


def main() -> None:
    parser = argparse.ArgumentParser(description="What a service takes; without arguments, the worked examples.")
    asked = parsed(parser)
    names = [field.name for field in fields(Load)]
    given = {name: value for name, value in vars(asked).items() if name in names and value is not None}
    if given and "clients" not in given:
        parser.error("--clients is missing")
    loads = (Load(**{"symbols": 500, "ticks_per_s": 5_000, "each": 20, **given}),) if given else EXAMPLES
    if found := [objection for load in loads for objection in objections(load)]:
        parser.error("; ".join(found))
    try:
        print(table(loads))
        if asked.simulate or asked.recorded:
            print(f"\n{simulation.table(loads, simulation.CASES)}")
        if asked.recorded:
            cases = [simulation.recorded(asked.recorded, parts) for parts in PARTS]
            print(f"\n{simulation.table(loads, cases, RECORDED_S)}")
    except (ValueError, OverflowError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
