"""Ticks as a market sends them: when each comes, and on which stream."""

import gzip
import random
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

BURST: Final = 2.0  # times the mean
STATE_S: Final = 0.5  # within a burst the rate changes about so often
SWING: Final = 0.25  # by so much, up or down
TICK: Final = re.compile(r'^(\d+) .*"\w+@(?:trade|bookTicker)"')


class Tick(NamedTuple):
    at: float
    stream: int


def steady(chance: random.Random, ticks_per_s: float, streams: int, seconds: float) -> list[Tick]:
    """By chance alone: each tick comes whatever the others did."""
    return _of(chance, (chance.expovariate(ticks_per_s) for _ in iter(int, 1)), streams, seconds)


def burst(chance: random.Random, ticks_per_s: float, streams: int, seconds: float) -> list[Tick]:
    """Twice as many, and they come in clusters: a rate that jumps up and down by chance, as well as each tick."""
    return _of(chance, _jumping(chance, BURST * ticks_per_s), streams, seconds)


def recorded(
    chance: random.Random, times: Sequence[float], ticks_per_s: float, streams: int, seconds: float, parts: int = 1
) -> list[Tick]:
    """As a recording had them, with more ticks at each of its moments, so that they are as many in the mean of all of
    it. The market has so many parts, each of which lives through another piece of the recording. Raises ValueError
    where that is too short."""
    lasts_s = times[-1] - times[0]
    if lasts_s < seconds:
        raise ValueError(f"the recording has {lasts_s:.0f} s of {seconds:.0f}")
    whole, part = divmod(ticks_per_s / parts * lasts_s / (len(times) - 1), 1.0)
    found = []
    for number in range(parts):
        began = times[0] + chance.random() * (lasts_s - seconds)
        moments = times[bisect_left(times, began) : bisect_left(times, began + seconds)]
        for at, following in pairwise(moments):
            for _ in range(int(whole) + (chance.random() < part)):
                stream = chance.randrange(number, streams, parts)
                found.append(Tick(at - began + chance.random() * (following - at), stream))
    return sorted(found)


def times_of(files: Iterable[Path]) -> list[float]:
    """When each trade and each quote of these recordings of Binance came, in seconds."""
    found: list[float] = []
    for path in files:
        with gzip.open(path, "rt") as lines:
            found += [int(match[1]) / 1e9 for line in lines if (match := TICK.match(line))]
    return sorted(found)


def _jumping(chance: random.Random, ticks_per_s: float) -> Iterator[float]:
    swing, left_s = SWING, 0.0
    while True:
        if left_s <= 0:
            swing, left_s = -swing, chance.expovariate(1 / STATE_S)
        gap_s = chance.expovariate(ticks_per_s * (1 + swing))
        left_s -= gap_s
        yield gap_s


def _of(chance: random.Random, gaps: Iterable[float], streams: int, seconds: float) -> list[Tick]:
    found, at = [], 0.0
    for gap_s in gaps:
        at += gap_s
        if at >= seconds:
            break
        found.append(Tick(at, chance.randrange(streams)))
    return found
