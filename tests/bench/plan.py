"""The capacity plan: how many gateways, Redis masters and bits a second a service takes; arithmetic over costs."""

import math
from dataclasses import dataclass
from typing import Final

from tests.bench.batches import batches
from tests.bench.costs import US, Costs, Load, back_us, client_us, connection_kb, flush_us, taken_in
from tests.bench.masters import master_cpu, masters

COMPRESSED_FROM: Final = 1.5  # messages in a frame, in the mean; one alone is left as it is
HEADERS: Final = 70  # of Ethernet, IP, TCP and WebSocket around a frame


@dataclass(frozen=True)
class Margins:
    """What is left unused, and why."""

    gateway_cpu: float = 0.5
    """Of one core, in the mean: bursts are twice the mean for seconds; and of two gateways either may go."""
    gateway_back: float = 0.9
    """The same while all of its clients come to it anew, as to one that takes another's place."""
    gateway_flush_s: float = 0.08
    """Of the 0.1 s that are promised: so long the last of those at rates waits while the others are written to."""
    gateway_connections: int = 8_000
    """Of gateway.max_connections, 20,000: as many again find room while a gateway is replaced."""
    gateway_mbit: float = 1_000.0
    """What one gateway may send in the mean."""
    gateway_mb: float = 768.0
    """Half of a pod's limit, 1,536: in the rest waits what slow clients have not taken."""
    redis_cpu: float = 0.6
    """Of the one core that Redis works commands off with."""
    redis_ticks: float = 0.35
    """Of it, for ticks beside the writes: bursts come to two and a half times as much for half a second."""
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
    back_cpu: float


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
    reading = taken_in(load, load.clients) * costs.intake_us * US
    left = margins.gateway_cpu - reading
    if left <= 0:
        raise ValueError(f"{load.ticks_per_s:,.0f} ticks a second are more than a gateway may read: divide the symbols")
    each = client_us(load, costs)
    limits = {
        "CPU": left / (each * US),
        "reconnects": (margins.gateway_back - reading) / ((each + back_us(load, costs) / margins.drain_s) * US),
        "connections": margins.gateway_connections,
        "memory": (margins.gateway_mb - costs.gateway_mb) * 1e3 / connection_kb(load, costs),
        "bandwidth": margins.gateway_mbit / mbit(load, load.messages, costs),
    }
    if load.paced:
        limits["flush"] = margins.gateway_flush_s / (flush_us(load, costs) * US)
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
        masters(load.ticks_per_s, readers, margins.redis_turn_s, margins.redis_cpu, costs, margins.redis_ticks),
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
        back_cpu=clients / margins.drain_s * back_us(load, costs) * US,
    )
