"""A Redis master, event by event: each turn of its loop runs what has come, then writes to every gateway once."""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.bench.costs import US, Costs
from tests.bench.delays import Delays
from tests.bench.market import Tick

SECOND_S: Final = 0.001  # in the mean the share's other worker is so much later


class Mastered(NamedTuple):
    """`written` are the ticks at the moments at which one gateway was written them; `published` when they came."""

    written: list[Tick]
    published: list[float]
    waits: Delays
    cpu: float
    turn_s: float


def mastered(chance: random.Random, ticks: Sequence[Tick], readers: int, costs: Costs) -> Mastered:
    """What a master makes of these ticks, each of which two workers publish, for so many gateways that read all."""
    calls = [(tick.at, number) for number, tick in enumerate(ticks)]
    calls += [(tick.at + chance.expovariate(1 / SECOND_S), -1) for tick in ticks]
    calls.sort()
    written, published, waits = [], [], Delays()
    at = busy_s = turns_s = 0.0
    next_call = turns = 0
    while next_call < len(calls):
        began = at = max(at, calls[next_call][0])
        news: list[int] = []
        while next_call < len(calls) and calls[next_call][0] <= began:
            number = calls[next_call][1]
            at += (costs.duplicate_us if number < 0 else costs.redis_us) * US
            news += [number] if number >= 0 else []
            next_call += 1
        if news:
            writes_s = readers * (costs.reader_write_us + len(news) * costs.reader_us) * US
            ours = at + chance.random() * writes_s
            for number in news:
                written.append(Tick(ours, ticks[number].stream))
                published.append(ticks[number].at)
                waits.add(ours - ticks[number].at)
            at += writes_s
            turns += 1
            turns_s += at - began
        busy_s += at - began
    return Mastered(written, published, waits, busy_s / max(at, 1e-9), turns_s / max(turns, 1))
