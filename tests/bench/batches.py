"""How long a gateway's batches get under a load, and what CPU it takes then: `feed.gateway.rhythm`, in arithmetic.

A gateway that has time flushes sooner, and takes more CPU than it must: a capacity plan says how much it needs, this
what one sees.
"""

from dataclasses import dataclass
from typing import Final

from feed.gateway.flow import PHASES
from feed.gateway.rhythm import SHARE
from feed.settings import Flush
from tests.bench.costs import US, Costs, Load, client_us, message_us, taken_in, write_us

STEPS: Final = 400  # towards the fixed point; each halves what is missing, where there is one
OVERLOADED_S: Final = 2.0
# Of a core at most: the more often a gateway flushes, the less of its state has left the caches.
WAKING: Final = 0.05


@dataclass(frozen=True)
class Batches:
    """`every_s` lies between two flushes, each client gets `frames_per_s`; `cpu` is a share of one core."""

    every_s: float
    frames_per_s: float
    cpu: float


def batches(load: Load, clients: int, costs: Costs, slow: float = 1.0, knobs: Flush | None = None) -> Batches:
    """What a gateway with so many clients comes to, ticks being spread evenly over time and clients' wishes by chance.

    `slow` is what a flush lasts over the CPU that it takes: above 1 where other programs have the core meanwhile, which
    makes batches longer, and so fewer. Raises ValueError where batches would grow for ever.
    """
    knobs = knobs or Flush()
    events = taken_in(load, clients)
    if not events:
        return Batches(0.0, 0.0, 0.0)
    if load.paced:  # each tick is a turn of the loop, but nothing is written before its time
        cpu = WAKING + (clients * client_us(load, costs) + events * costs.intake_us) * US
        return Batches(1 / (load.rate * PHASES), load.frames, cpu)
    wanted = min(1.0, load.messages / events)  # the chance that a client wants what has come
    own = message_us(load, costs)

    def flush_s(ticks: float) -> float:
        return clients * (_hit(wanted, ticks) * write_us(load, costs) + wanted * ticks * own) * US

    ticks = 1.0
    for _ in range(STEPS):
        took = flush_s(ticks) * slow
        window = max(knobs.window_min_s, took + min(knobs.window_max_s, took / SHARE - took))
        ticks = max(1.0, events * window)
        if ticks > events * OVERLOADED_S and ticks > 1:
            raise ValueError(f"{clients:,} clients are more than a gateway has time for")
    every = ticks / events
    waking = min(WAKING, costs.wake_us * US / every)
    cpu = flush_s(ticks) / every + waking + taken_in(load, clients) * costs.intake_us * US
    return Batches(every, _hit(wanted, ticks) / every, cpu)


def _hit(wanted: float, ticks: float) -> float:
    """The chance that some of these ticks are for a client."""
    return 1.0 - float((1.0 - wanted) ** ticks)
