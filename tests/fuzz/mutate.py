"""Bytes that are nearly right: seeds cut, swollen, spliced and flipped, the same for the same seed."""

import random
from collections.abc import Callable, Sequence

from tests.fuzz.corpus import TOKENS

MOST_CHANGES = 6
SPLICED = 0.2  # of all, how many end as another seed does

Change = Callable[[random.Random, bytearray], None]


def mutated(chance: random.Random, seeds: Sequence[bytes], most_bytes: int) -> bytes:
    """One of the seeds, changed up to `MOST_CHANGES` times."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, MOST_CHANGES)):
        chance.choice(CHANGES)(chance, data)
    if chance.random() < SPLICED:
        other = chance.choice(seeds)
        data[chance.randint(0, len(data)) :] = other[chance.randint(0, len(other)) :]
    return bytes(data[:most_bytes])


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _replace(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 0x7F, 0x80, 0xFF, 0x22, chance.randrange(256)))


def _insert(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    data[at:at] = chance.choice(TOKENS) if chance.random() < 0.6 else chance.randbytes(chance.randint(1, 8))


def _cut(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    del data[at : at + chance.randint(1, 16)]


def _double(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    data[at:at] = data[at : at + chance.randint(1, 64)] * chance.choice((1, 2, 50))


CHANGES: Sequence[Change] = (_flip, _replace, _insert, _cut, _double)
