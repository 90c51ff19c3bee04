"""How many gateways, Redis shards and bits a second a service takes, from its clients, symbols and rates.

    python -m tests.bench.capacity --clients 100000 --symbols 500 --ticks-per-s 5000 --each 20

Pure arithmetic over costs that `feed bench` and `python -m tests.bench.sizing` measured;
`python -m tests.bench.capacity_run` holds it to real gateways.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from tests.bench.batches import batches
from tests.bench.costs import US, Costs, Load, client_us, connection_kb, taken_in
from tests.bench.masters import master_cpu, masters

COMPRESSED_FROM: Final = 1.5  # messages in a frame, in the mean; one alone is left as it is
HEADERS: Final = 70  # of Ethernet, IP, TCP and WebSocket around a frame


@dataclass(frozen=True)
class Margins:
    """What is left unused, and why."""

    gateway_cpu: float = 0.5
    """Of one core, in the mean: bursts are twice the mean for seconds; and of two gateways either may go."""
    gateway_connections: int = 8_000
    """Of gateway.max_connections, 20,000: as many again find room while a gateway is replaced."""
    gateway_mbit: float = 1_000.0
    """What one gateway may send in the mean."""
    gateway_mb: float = 768.0
    """Half of a pod's limit, 1,536: in the rest waits what slow clients have not taken."""
    redis_cpu: float = 0.6
    """Of the one core that Redis works commands off with."""
    redis_turn_s: float = 0.005
    """How long a tick may wait in Redis for others to go with it."""
    redis_mb: float = 4_000.0
    """Of one master's logs: a snapshot may copy all of it."""
    drain_s: float = 10.0
    """drain.window_s: over so long the clients of a gateway that stops come back to others."""


COSTS: Final = Costs()
MARGINS: Final = Margins()


@dataclass(frozen=True)
class Need:
    """What it takes. `why` says which of its limits a gateway meets first. `gateway_cpu` is what it needs where ticks
    wait `delay_s` for each other, `gateway_takes` what it takes because it flushes sooner, each `batch_ms`."""

    gateways: int
    why: str
    clients_a_gateway: int
    gateway_cpu: float
    gateway_takes: float
    batch_ms: float
    gateway_mb: float
    deliveries_per_s: float
    frames_per_s: float
    shards: int
    redis_cpu: float
    redis_mb: float
    workers: int
    clients_gbit: float
    compressed_gbit: float
    bus_gbit: float
    venue_mbit: float
    back_per_s: float


def gateway_cpu(load: Load, clients: float, costs: Costs) -> float:
    """Cores, of a gateway with so many clients."""
    return (clients * client_us(load, costs) + taken_in(load, clients) * costs.intake_us) * US


def mbit(load: Load, frames: float, costs: Costs, compressed: float = 1.0) -> float:
    """What a client is sent in so many frames a second: megabits a second."""
    return (load.messages * costs.message_bytes * compressed + frames * HEADERS) * 8 / 1e6


def compression(messages: float) -> float:
    """What compression leaves of a frame of so many trades, each frame by itself; of one it leaves all."""
    return min(1.0, 0.26 + 0.62 / messages) if messages >= COMPRESSED_FROM else 1.0


def most_clients(load: Load, costs: Costs, margins: Margins) -> tuple[int, str]:
    """How many a gateway serves, and what sets the limit. Raises ValueError where reading the ticks takes it all."""
    left = margins.gateway_cpu - taken_in(load, load.clients) * costs.intake_us * US
    if left <= 0:
        raise ValueError(f"{load.ticks_per_s:,.0f} ticks a second are more than a gateway may read: divide the symbols")
    limits = {
        "CPU": left / (client_us(load, costs) * US),
        "connections": margins.gateway_connections,
        "memory": (margins.gateway_mb - costs.gateway_mb) * 1e3 / connection_kb(load, costs),
        "bandwidth": margins.gateway_mbit / mbit(load, load.messages, costs),
    }
    why = min(limits, key=limits.__getitem__)
    return max(1, int(limits[why])), why


def need(load: Load, costs: Costs = COSTS, margins: Margins = MARGINS) -> Need:
    """What a service takes that is asked for this. Raises ValueError for what no gateway can do."""
    most, why = most_clients(load, costs, margins)
    busy = math.ceil(load.clients / most)
    gateways = busy + 1  # one may fail, or be replaced
    clients = math.ceil(load.clients / gateways)
    # lists that nobody shares: some client of each gateway wants each stream
    readers = gateways
    redis_mb = load.ticks_per_s * load.history_s * costs.entry_bytes / 1e6 + load.symbols * costs.stream_kb / 1e3
    shards = max(
        masters(load.ticks_per_s, readers, margins.redis_turn_s, margins.redis_cpu, costs),
        math.ceil(redis_mb / margins.redis_mb),
    )
    seen = batches(load, clients, costs)
    per_frame = load.messages / seen.frames_per_s if seen.frames_per_s else 0.0
    return Need(
        gateways=gateways,
        why=why,
        clients_a_gateway=clients,
        gateway_cpu=gateway_cpu(load, clients, costs),
        gateway_takes=seen.cpu,
        batch_ms=seen.every_s * 1e3,
        gateway_mb=costs.gateway_mb + clients * connection_kb(load, costs) / 1e3,
        deliveries_per_s=load.clients * load.messages,
        frames_per_s=load.clients * seen.frames_per_s,
        shards=shards,
        redis_cpu=master_cpu(load.ticks_per_s / shards, readers, margins.redis_turn_s, costs),
        redis_mb=redis_mb,
        workers=2 * max(1, math.ceil(load.ticks_per_s * costs.worker_us * US / margins.gateway_cpu)),
        clients_gbit=load.clients * mbit(load, seen.frames_per_s, costs) / 1e3,
        compressed_gbit=load.clients * mbit(load, seen.frames_per_s, costs, compression(per_frame)) / 1e3,
        bus_gbit=readers * load.ticks_per_s * costs.bus_bytes * 8 / 1e9,
        venue_mbit=2 * load.ticks_per_s * costs.venue_bytes * 8 / 1e6,
        back_per_s=clients / margins.drain_s,
    )


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
        ("reconnects a second while one is replaced", [f"{one.back_per_s:,.0f}" for one in needs]),
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


def main() -> None:
    parser = argparse.ArgumentParser(description="What a service takes; without arguments, the worked examples.")
    for field in fields(Load):
        name = f"--{field.name.replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(name, type=field.type)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    loads = (
        EXAMPLES if "clients" not in given else (Load(**{"symbols": 500, "ticks_per_s": 5_000, "each": 20, **given}),)
    )
    try:
        print(table(loads))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
