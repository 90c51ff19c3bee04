"""What the workers of a feed say each second about their sources, and what a gateway concludes from all of them.

A beat is one MessagePack array: the worker's name, and the symbols that it hears nothing of (null: all of the feed's).
"""

from typing import Final, NamedTuple

import msgpack

BEAT_S: Final = 1.0
EXPIRES_S: Final = 3.0
"""A worker that has not beaten for so long is gone."""

Silent = frozenset[str] | None
"""Symbols that nothing is heard of; None means all."""

HEARS_ALL: Final[frozenset[str]] = frozenset()


class Beat(NamedTuple):
    worker: str
    silent: Silent


def pack_beat(beat: Beat) -> bytes:
    silent = None if beat.silent is None else sorted(beat.silent)
    return msgpack.packb((beat.worker, silent))  # type: ignore[no-any-return]


def unpack_beat(data: bytes) -> Beat:
    """Reads a beat; further elements are a newer worker's. Raises ValueError for anything else."""
    try:
        worker, silent, *_ = msgpack.unpackb(data, use_list=False)
        symbols = None if silent is None else frozenset(silent)
    except (ValueError, TypeError) as error:
        raise ValueError(f"unreadable beat of a worker: {error}") from error
    if not isinstance(worker, str) or not all(isinstance(symbol, str) for symbol in symbols or ()):
        raise ValueError("unreadable beat of a worker: no names in it")
    return Beat(worker, symbols)


class Sources:
    """One feed's workers, as a gateway hears them. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self.stale: Silent = HEARS_ALL
        """The symbols that no worker hears, as it was told last."""
        self._workers: dict[str, tuple[Silent, float]] = {}
        self._certain_at_s: float | None = None
        self._told = False

    def listen(self, now_s: float) -> None:
        """The bus is there, or there again: what it said before holds until every worker had its time to say more."""
        self._workers = {worker: (silent, now_s) for worker, (silent, _) in self._workers.items()}
        self._certain_at_s = now_s + EXPIRES_S

    def heard(self, beat: Beat, now_s: float) -> None:
        self._workers[beat.worker] = (beat.silent, now_s)

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
        partly = [silent for silent, _ in self._workers.values() if silent is not None]
        return frozenset.intersection(*partly) if partly else None
