"""Made ticks: prices and sizes as a busy coin has them, ids without a hole, over symbols in a fixed shuffled order."""

import random
from collections.abc import Sequence
from typing import Final

from feed.core.ticks import QUOTES, Quote, Tick, Trade

KNOWN_PRICES: Final = 4_096
SEED: Final = 4


def symbols(many: int) -> list[str]:
    """The names of so many made symbols."""
    return [f"S{number:04d}/USD" for number in range(many)]


class Made:
    """An endless row of ticks. `run` of them in a row are of one symbol."""

    def __init__(self, names: Sequence[str], kind: str, run: int) -> None:
        chance = random.Random(SEED)
        self._names = list(names)
        chance.shuffle(self._names)
        self._kind = kind
        self.run = run
        self._made = 0
        self._ids = [1_000_000] * len(self._names)
        price = 60_000.0
        self._market = []
        for _ in range(KNOWN_PRICES):
            price = round(price + chance.gauss(0, 2), 2)
            self._market.append((price, round(chance.expovariate(20), 5) + 0.00001, chance.choice("BS")))

    def next(self, ts_ns: int) -> Tick:
        """The next tick, which happened and was received at `ts_ns`."""
        place = self._made // self.run % len(self._names)
        price, size, side = self._market[self._made * 7 % KNOWN_PRICES]
        self._made += 1
        self._ids[place] += 1
        number, name = self._ids[place], self._names[place]
        if self._kind == QUOTES:
            return Quote(name, number, price, size, round(price + 0.01, 2), round(size * 3, 5), ts_ns, ts_ns)
        return Trade(name, number, price, size, side, ts_ns, ts_ns)
