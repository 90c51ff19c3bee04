"""What a Redis master needs that many gateways read: in each turn of its loop it writes to every one of them, once.

The more ticks come, the longer a turn, and the more of them go in one write: so a master with hundreds of readers is
busy from a few hundred ticks a second on, and has room for many times as many. What it *needs* is what it takes with
turns as long as a tick may wait.
"""

from typing import Final

from tests.bench.costs import US, Costs

MOST: Final = 1_000  # masters of one cluster


def tick_us(readers: int, costs: Costs) -> float:
    """Microseconds of a master for each tick, published by both of a share's workers, beside the writes."""
    return costs.redis_us + costs.duplicate_us + readers * costs.reader_us


def turn_s(ticks_per_s: float, readers: int, costs: Costs) -> float:
    """How long a turn lasts where one follows the other. Raises ValueError where turns would grow for ever."""
    left = 1 - ticks_per_s * tick_us(readers, costs) * US
    if left <= 0:
        raise ValueError(f"{ticks_per_s:,.0f} ticks a second for {readers:,} gateways are more than a master can do")
    return readers * costs.reader_write_us * US / left


def master_cpu(ticks_per_s: float, readers: int, turn: float, costs: Costs) -> float:
    """Of its core, with turns of so many seconds."""
    return (ticks_per_s * tick_us(readers, costs) + readers * costs.reader_write_us / turn) * US


def masters(
    ticks_per_s: float, readers: int, turn: float, most_cpu: float, costs: Costs, most_for_ticks: float = 1.0
) -> int:
    """How many it takes, streams being spread evenly and every gateway reading of each; `most_for_ticks` of a core may
    go to ticks, beside the writes. Raises ValueError where the writes alone are too much, which no further master
    changes."""
    left = min(most_for_ticks, most_cpu - master_cpu(0.0, readers, turn, costs))
    if left * MOST <= ticks_per_s * tick_us(readers, costs) * US:
        raise ValueError(f"{readers:,} gateways are more than a master may write to each {turn * 1e3:g} ms")
    return max(1, -int(-ticks_per_s * tick_us(readers, costs) * US // left))
