"""What one client lived through, over all its connections: what it should have had and had not, when it was away."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

MOST_FAULTS = 5


class Place(NamedTuple):
    """Where a stream stood when the gateway answered. `recovered` is None where nothing was to be resumed."""

    epoch: str | None
    seq: int
    recovered: bool | None = None


@dataclass
class Journey:
    """One client's account; times are monotonic seconds, which all processes of a machine share.

    `missed` and `doubled` count ticks; `faults` holds the first things that should not have been, in words.
    `closed` has a time and a code for each connection that ended, `back` a time for each that followed, of which
    `resumed` went on with every stream where it had been.
    """

    who: str
    at: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    ticks: int = 0
    missed: int = 0
    doubled: int = 0
    refused: int = 0
    resumed: int = 0
    noticed: int = 0
    closed: list[tuple[float, int | None]] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    silence_s: float = 0.0
    last_s: float | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def connected(self) -> bool:
        """Whether its subscription stands, and was resumed each time that it had been lost."""
        return bool(self.at) and len(self.back) == len(self.closed)

    def answered(self, streams: Mapping[str, Place], now: float) -> None:
        """The gateway took the subscription."""
        if not self.at:
            self.at = {stream: (place.epoch, place.seq) for stream, place in streams.items()}
            return
        self.back.append(now)
        self.resumed += all(place.recovered for place in streams.values())
        for stream, place in streams.items():
            if not place.recovered:
                self.fault(f"{stream} was not recovered: {place}")

    def tick(self, stream: str, seq: int, now: float, merged: bool = False) -> None:
        """The next tick of a stream, which nobody asked to be conflated."""
        epoch, before = self.at[stream]
        if merged:
            self.fault(f"{stream} {seq} was conflated")
        if seq <= before:
            self.doubled += 1
            return
        self.missed += seq - before - 1
        self.at[stream] = (epoch, seq)
        self.ticks += 1
        if self.last_s is not None:
            self.silence_s = max(self.silence_s, now - self.last_s)
        self.last_s = now

    def lost(self, code: int | None, now: float) -> None:
        """The connection ended."""
        self.closed.append((now, code))

    def fault(self, words: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(words)

    def short_of(self, ends: Mapping[str, int]) -> int:
        """Ticks up to these ends that it does not have yet."""
        return sum(max(0, ends[stream] - seq) for stream, (_, seq) in self.at.items())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Self:
        journey = cls(**told)
        journey.at = {stream: (epoch, seq) for stream, (epoch, seq) in journey.at.items()}
        journey.closed = [(when, code) for when, code in journey.closed]
        return journey
