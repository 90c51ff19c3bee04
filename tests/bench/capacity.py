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

US: Final = 1e-6


@dataclass(frozen=True)
class Costs:
    """What each thing takes, measured on two cores of an AMD EPYC. Times are microseconds of one core."""

    write_us: float = 7.9
    """A frame to a client, one message in it: `hot`. A send() on loopback is 5 to 6 of it."""
    cold_us: float = 12.4
    """The same where a client gets less than COLD_BELOW frames a second: `crowd`. Its state is in no cache any more."""
    tls_us: float = 0.4
    """More for a frame over TLS: `tls`."""
    message_us: float = 0.05
    """Each further message in a frame: `burst`."""
    own_us: float = 2.9
    """More for a message to a client whose list of streams no other has: `watchlist`."""
    wake_us: float = 200.0
    """A flush, whatever is in it, where there are at most some hundred a second: two clients, 50 to 400 ticks/s."""
    intake_us: float = 7.45
    """A tick that a gateway reads, judges, encodes and keeps: `intake`."""
    publish_us: float = 6.7
    """A tick that a worker publishes, twenty in a call: `publish`."""
    redis_us: float = 32.0
    """A tick that a cluster's master with a replica appends and publishes, one in a call, as most come: sizing."""
    reader_us: float = 0.7
    """More for each gateway that reads the stream: sizing."""
    connection_kb: float = 20.0
    """A client's memory: `crowd`."""
    own_kb: float = 11.0
    """More for a list of streams that no other has: `watchlist`."""
    tls_kb: float = 25.0
    """More over TLS: `tls`."""
    gateway_mb: float = 160.0
    """A gateway's own, with the ticks that it keeps for those who resume."""
    entry_bytes: float = 109.0
    """A tick in a log: a recorded quote; a short trade is 70, by sizing."""
    stream_kb: float = 8.0
    """A stream in Redis, one tick in it: sizing."""
    message_bytes: float = 143.0
    """A trade in JSON at depth two, stamps included."""
    bus_bytes: float = 220.0
    """A message on a stream's channel: one tick, with the protocol around it."""
    venue_bytes: float = 200.0
    """A tick as a venue sends it, and as each of two workers reads it."""


COLD_BELOW: Final = 10.0  # frames a second
COMPRESSED_FROM: Final = 1.5  # messages in a frame, in the mean; one alone is left as it is
HEADERS: Final = 70  # of Ethernet, IP, TCP and WebSocket around a frame


@dataclass(frozen=True)
class Load:
    """What is asked of the service. `each` are the symbols of one client, `rate` the most messages a second that it
    wants of each, 0 for every tick; `shared` says that clients want the same ones. `delay_s` is how long a tick may
    wait for others to go with it."""

    clients: int
    symbols: int
    ticks_per_s: float
    each: int
    rate: float = 0.0
    shared: bool = False
    tls: bool = True
    delay_s: float = 0.02
    history_s: float = 60.0

    @property
    def messages(self) -> float:
        """A second, to one client."""
        of_one = self.ticks_per_s / self.symbols
        return self.each * (min(of_one, self.rate) if self.rate else of_one)

    @property
    def frames(self) -> float:
        """A second, to one client: those messages go together that come within `delay_s`, by chance as they come."""
        return (1 - math.exp(-self.messages * self.delay_s)) / self.delay_s


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
    redis_mb: float = 4_000.0
    """Of one master's logs: a snapshot may copy all of it."""
    drain_s: float = 10.0
    """drain.window_s: over so long the clients of a gateway that stops come back to others."""


@dataclass(frozen=True)
class Need:
    """What it takes. `why` says which of its limits a gateway meets first."""

    gateways: int
    why: str
    clients_a_gateway: int
    gateway_cpu: float
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


def write_us(load: Load, costs: Costs) -> float:
    return (costs.cold_us if load.frames < COLD_BELOW else costs.write_us) + (costs.tls_us if load.tls else 0.0)


def client_us(load: Load, costs: Costs) -> float:
    """Microseconds a second that one client takes of a gateway's core."""
    own = 0.0 if load.shared else costs.own_us
    return load.frames * write_us(load, costs) + load.messages * (costs.message_us + own)


def taken_in(load: Load, clients: float) -> float:
    """Ticks a second that a gateway reads: of those symbols that some client of its own wants."""
    if load.shared and clients:
        return load.ticks_per_s * load.each / load.symbols
    return load.ticks_per_s * (1 - math.pow(1 - load.each / load.symbols, clients))


def gateway_cpu(load: Load, clients: float, costs: Costs) -> float:
    """Cores, of a gateway with so many clients."""
    return (clients * client_us(load, costs) + taken_in(load, clients) * costs.intake_us) * US


def mbit(load: Load, clients: float, costs: Costs, compressed: float = 1.0) -> float:
    """What so many clients are sent: megabits a second."""
    return clients * (load.messages * costs.message_bytes * compressed + load.frames * HEADERS) * 8 / 1e6


def compression(messages: float) -> float:
    """What compression leaves of a frame of so many trades, each frame by itself; of one it leaves all."""
    return min(1.0, 0.26 + 0.62 / messages) if messages >= COMPRESSED_FROM else 1.0


def connection_kb(load: Load, costs: Costs) -> float:
    return costs.connection_kb + (0.0 if load.shared else costs.own_kb) + (costs.tls_kb if load.tls else 0.0)


def most_clients(load: Load, costs: Costs, margins: Margins) -> tuple[int, str]:
    """How many a gateway serves, and what sets the limit. Raises ValueError where reading the ticks takes it all."""
    left = margins.gateway_cpu - taken_in(load, load.clients) * costs.intake_us * US
    if left <= 0:
        raise ValueError(f"{load.ticks_per_s:,.0f} ticks a second are more than a gateway may read: divide the symbols")
    limits = {
        "CPU": left / (client_us(load, costs) * US),
        "connections": margins.gateway_connections,
        "memory": (margins.gateway_mb - costs.gateway_mb) * 1e3 / connection_kb(load, costs),
        "bandwidth": margins.gateway_mbit / mbit(load, 1, costs),
    }
    why = min(limits, key=limits.__getitem__)
    return max(1, int(limits[why])), why


def need(load: Load, costs: Costs = Costs(), margins: Margins = Margins()) -> Need:
    """What a service takes that is asked for this. Raises ValueError for what no gateway can do."""
    most, why = most_clients(load, costs, margins)
    busy = math.ceil(load.clients / most)
    gateways = busy + 1  # one may fail, or be replaced
    clients = math.ceil(load.clients / gateways)
    # lists that nobody shares: some client of each gateway wants each stream
    readers = gateways
    redis_cpu = load.ticks_per_s * (costs.redis_us + readers * costs.reader_us) * US
    redis_mb = load.ticks_per_s * load.history_s * costs.entry_bytes / 1e6 + load.symbols * costs.stream_kb / 1e3
    per_frame = load.messages / load.frames if load.frames else 0.0
    return Need(
        gateways=gateways,
        why=why,
        clients_a_gateway=clients,
        gateway_cpu=gateway_cpu(load, clients, costs),
        gateway_mb=costs.gateway_mb + clients * connection_kb(load, costs) / 1e3,
        deliveries_per_s=load.clients * load.messages,
        frames_per_s=load.clients * load.frames,
        shards=max(1, math.ceil(redis_cpu / margins.redis_cpu), math.ceil(redis_mb / margins.redis_mb)),
        redis_cpu=redis_cpu,
        redis_mb=redis_mb,
        workers=2 * max(1, math.ceil(load.ticks_per_s * costs.publish_us * US / margins.gateway_cpu)),
        clients_gbit=mbit(load, load.clients, costs) / 1e3,
        compressed_gbit=mbit(load, load.clients, costs, compression(per_frame)) / 1e3,
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
            [f"{load.messages:,.0f} in {load.frames:,.1f}" for load in loads],
        ),
        ("deliveries a second", [f"{one.deliveries_per_s:,.0f}" for one in needs]),
        ("**gateways** of one core, one of them to spare", [f"{one.gateways:,} ({one.why})" for one in needs]),
        ("clients of each", [f"{one.clients_a_gateway:,}" for one in needs]),
        ("CPU that each needs, in the mean", [f"{one.gateway_cpu:.0%}" for one in needs]),
        ("memory of each", [f"{one.gateway_mb:,.0f} MB" for one in needs]),
        ("reconnects a second while one is replaced", [f"{one.back_per_s:,.0f}" for one in needs]),
        ("**Redis** masters, their CPU together", [f"{one.shards} ({one.redis_cpu:.2f} cores)" for one in needs]),
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
    print(table(loads))


if __name__ == "__main__":
    main()
