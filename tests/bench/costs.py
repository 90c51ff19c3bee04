"""What clients ask of the service, and what each thing of it takes: the costs that a capacity plan counts with."""

import math
from dataclasses import dataclass
from typing import Final

from feed.gateway.flow import PHASES

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
    handshake_us: float = 1_040.0
    """A client that comes and subscribes to 20 symbols: `tests.bench.handshakes`."""
    tls_handshake_us: float = 830.0
    """More over TLS: the same."""
    worker_us: float = 47.0
    """A tick that a worker reads and publishes, one in a call, thousands a second: `tests.bench.worker_cost`."""
    redis_us: float = 49.0
    """A tick that a cluster's master with a replica appends and publishes, one in a call, as most come: sizing."""
    duplicate_us: float = 17.0
    """The same tick from the share's other worker, which Redis leaves out: sizing."""
    reader_write_us: float = 7.0
    """A write of Redis to one gateway, on loopback, where it is the reading side's as well: sizing."""
    reader_us: float = 0.3
    """Each message in it: sizing."""
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
FEW: Final = 2  # of PHASES: streams that begin together, as at a gateway that has just started, stay together


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
    def paced(self) -> bool:
        """Whether more comes of a symbol than a client wants."""
        return 0 < self.rate < self.ticks_per_s / self.symbols

    @property
    def frames(self) -> float:
        """A second, to one client: those messages go together that come within `delay_s`, by chance as they come. At
        rates those go together that wait for the same moment, of which each period has PHASES."""
        if not self.paced:
            return self._by_chance(self.messages)
        waiting = self.messages * (1 - math.exp(-self.ticks_per_s / self.symbols / self.rate))
        together = self.rate * PHASES * (1 - math.pow(1 - 1 / PHASES, waiting / self.rate))
        return min(self._by_chance(self.messages), together + self._by_chance(self.messages - waiting))

    def _by_chance(self, messages: float) -> float:
        return (1 - math.exp(-messages * self.delay_s)) / self.delay_s


def write_us(load: Load, costs: Costs) -> float:
    """A frame. Who gets a few more than COLD_BELOW does not cost less in all than who gets a few less."""
    frames = load.frames
    warm = max(costs.write_us, costs.cold_us * min(1.0, COLD_BELOW / frames)) if frames else costs.cold_us
    return warm + (costs.tls_us if load.tls else 0.0)


def message_us(load: Load, costs: Costs) -> float:
    """A message in a frame."""
    return costs.message_us + (0.0 if load.shared else costs.own_us)


def client_us(load: Load, costs: Costs) -> float:
    """Microseconds a second that one client takes of a gateway's core."""
    return load.frames * write_us(load, costs) + load.messages * message_us(load, costs)


def back_us(load: Load, costs: Costs) -> float:
    """What one client takes of a gateway's core that it comes to."""
    return costs.handshake_us + (costs.tls_handshake_us if load.tls else 0.0)


def flush_us(load: Load, costs: Costs) -> float:
    """What one client takes of a moment for which all wait that are at rates, where there are but FEW of those."""
    moments = load.rate * FEW
    hit = 1 - math.pow(1 - 1 / FEW, load.messages / load.rate)
    return hit * write_us(load, costs) + load.messages / moments * message_us(load, costs)


def taken_in(load: Load, clients: float) -> float:
    """Ticks a second that a gateway reads: of those symbols that some client of its own wants."""
    if load.shared and clients:
        return load.ticks_per_s * load.each / load.symbols
    return load.ticks_per_s * (1 - math.pow(1 - load.each / load.symbols, clients))


def connection_kb(load: Load, costs: Costs) -> float:
    return costs.connection_kb + (0.0 if load.shared else costs.own_kb) + (costs.tls_kb if load.tls else 0.0)
