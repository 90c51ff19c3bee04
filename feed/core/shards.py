"""Which of a feed's symbols each of several workers reads."""

from collections.abc import Iterable
from typing import NamedTuple


class Share(NamedTuple):
    """One part of a feed's symbols: the `number`th of `of`, from 0. Workers of the same share read the same.

    `whole` are all of the feed's symbols, by rank.
    """

    number: int
    of: int
    symbols: frozenset[str]
    whole: tuple[str, ...]


def share(symbols: Iterable[str], shards: int, ordinal: int) -> Share:
    """What the worker of this ordinal reads. The symbols are dealt out one after the other, so that shares are of one
    size; ordinals beyond `shards` begin anew, so that twice as many workers read each share twice.

    Raises ValueError where there are fewer symbols than shards: somebody would read none.
    """
    ranked = tuple(sorted(set(symbols)))
    if len(ranked) < shards:
        raise ValueError(f"{len(ranked)} symbols are too few for {shards} shards")
    number = ordinal % shards
    return Share(number, shards, frozenset(ranked[number::shards]), ranked)
