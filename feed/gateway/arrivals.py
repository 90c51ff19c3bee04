"""How many connections each address has and begins: who may come in, decided before anything is spent on him."""

from enum import Enum
from typing import Final

from feed.core.rate import TokenBucket
from feed.gateway.address import place

# A page opens a few at once, and an office that lost its line comes back together.
BURST: Final = 5.0
# Addresses without a connection that are remembered, some 300 bytes each. A bucket is full again after BURST seconds,
# so that of 2,000 new addresses a second none is forgotten before; who comes from more is no single address.
MOST_IDLE: Final = 10_000


class Verdict(Enum):
    """What becomes of one who arrives."""

    WELCOME = "welcome"
    TOO_FAST = "too_fast"  # begins more handshakes than one address may
    TOO_MANY = "too_many"  # has as many connections as one address may have


class _Known:
    __slots__ = ("bucket", "connections")

    def __init__(self, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self.connections = 0


class Arrivals:
    """Counts by address; of IPv6 by /64. The caller brings the time, in seconds."""

    def __init__(self, per_s: float, most: int, idle: int = MOST_IDLE) -> None:
        self._per_s = per_s
        self._most = most
        self._most_idle = idle
        self._present: dict[str, _Known] = {}  # bounded by the connections that a process may have
        self._idle: dict[str, _Known] = {}  # the longest absent first

    def begin(self, address: str, now: float) -> Verdict:
        """One begins a handshake, and has a connection from here on if it is WELCOME."""
        verdict = self.ask(address, now)
        if verdict is Verdict.WELCOME:
            self.enter(address, now)
        return verdict

    def ask(self, address: str, now: float) -> Verdict:
        """One asks for something that takes no connection of its own: a request that a proxy passed on."""
        name = place(address)
        known = self._present.get(name)
        if known is None:
            known = self._recall(name, now)
            self._remember(name, known)
        if not known.bucket.take(now):
            return Verdict.TOO_FAST
        return Verdict.TOO_MANY if known.connections >= self._most else Verdict.WELCOME

    def enter(self, address: str, now: float) -> None:
        """One who was welcome has a connection from here on."""
        name = place(address)
        known = self._present.get(name) or self._recall(name, now)
        known.connections += 1
        self._present[name] = known

    def leave(self, address: str) -> None:
        """One of those that entered is gone."""
        name = place(address)
        known = self._present[name]
        known.connections -= 1
        if not known.connections:
            self._remember(name, self._present.pop(name))

    def connections(self, address: str) -> int:
        known = self._present.get(place(address))
        return 0 if known is None else known.connections

    def __len__(self) -> int:
        return len(self._present) + len(self._idle)

    def _recall(self, name: str, now: float) -> _Known:
        return self._idle.pop(name, None) or _Known(TokenBucket(self._per_s, BURST * self._per_s, now))

    def _remember(self, name: str, known: _Known) -> None:
        self._idle[name] = known
        if len(self._idle) > self._most_idle:
            del self._idle[next(iter(self._idle))]
