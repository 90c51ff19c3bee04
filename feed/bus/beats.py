"""What the workers of a feed say each second about their sources, and what a gateway concludes from all of them.

A beat is one MessagePack array: the worker's name; the symbols that it hears nothing of (null: all that it reads);
and, of a worker that reads one share of the feed's symbols, the share's number, of how many, and all of the feed's
symbols: a share that nobody reads has no worker to say which they are.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import msgpack

from feed.core.shards import Share, share

BEAT_S: Final = 1.0
EXPIRES_S: Final = 3.0
"""A worker that has not beaten for so long is gone."""

Silent = frozenset[str] | None
"""Symbols that nothing is heard of; None means all."""

HEARS_ALL: Final[frozenset[str]] = frozenset()


class Beat(NamedTuple):
    """`share` is None of a worker that reads all of the feed's symbols."""

    worker: str
    silent: Silent
    share: Share | None = None

    def unheard(self, symbols: frozenset[str]) -> frozenset[str]:
        """Those of the symbols that this worker does not hear."""
        if self.silent is None:
            return symbols
        if self.share is None:
            return symbols & self.silent
        return symbols - (self.share.symbols - self.silent)

    @property
    def hears_any(self) -> bool:
        return self.silent is not None and (self.share is None or not self.share.symbols <= self.silent)


def pack_beat(beat: Beat) -> bytes:
    silent = None if beat.silent is None else sorted(beat.silent)
    part = () if beat.share is None else ((beat.share.number, beat.share.of, beat.share.whole),)
    return msgpack.packb((beat.worker, silent, *part))  # type: ignore[no-any-return]


# Workers say the same each second until something changes, and a feed may have thousands of symbols.
@lru_cache(maxsize=64)
def unpack_beat(data: bytes) -> Beat:
    """Reads a beat; further elements are a newer worker's. Raises ValueError for anything else."""
    try:
        worker, silent, *more = msgpack.unpackb(data, use_list=False)
        symbols = None if silent is None else frozenset(silent)
        part = more[0] if more and isinstance(more[0], tuple) else None
        told = (worker, *(symbols or ()), *(part[2] if part else ()))
        if not all(isinstance(name, str) for name in told) or (part and part[1] < 1):
            raise ValueError("no names in it, or a share of nothing")
        return Beat(worker, symbols, share(part[2], part[1], part[0]) if part else None)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"unreadable beat of a worker: {error}") from error


class Sources:
    """One feed's workers, as a gateway hears them. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self.stale: Silent = HEARS_ALL
        """The symbols that no worker hears, as it was told last."""
        self._workers: dict[str, tuple[Beat, float]] = {}
        self._certain_at_s: float | None = None
        self._told = False

    def listen(self, now_s: float) -> None:
        """The bus is there, or there again: what it said before holds until every worker had its time to say more."""
        self._workers = {worker: (beat, now_s) for worker, (beat, _) in self._workers.items()}
        self._certain_at_s = now_s + EXPIRES_S

    def heard(self, beat: Beat, now_s: float) -> None:
        self._workers[beat.worker] = (beat, now_s)

    def judge(self, now_s: float) -> bool:
        """Forgets who is gone and judges anew; whether `stale` is news."""
        self._workers = {name: said for name, said in self._workers.items() if now_s - said[1] <= EXPIRES_S}
        stale = self._heard_by_none()
        # a symbol that the first worker does not hear may be heard by the next: before all had a chance to say so,
        # only good news is certain
        uncertain = self._certain_at_s is None or now_s < self._certain_at_s
        if (uncertain and stale != HEARS_ALL) or (self._told and stale == self.stale):
            return False
        self.stale, self._told = stale, True
        return True

    @property
    def workers(self) -> int:
        return len(self._workers)

    def _heard_by_none(self) -> Silent:
        beats = [beat for beat, _ in self._workers.values()]
        if not any(beat.hears_any for beat in beats):
            return None
        stale = frozenset[str]().union(
            *(beat.silent or () for beat in beats), *(beat.share.whole for beat in beats if beat.share is not None)
        )
        for beat in beats:
            stale = beat.unheard(stale)
        return stale
