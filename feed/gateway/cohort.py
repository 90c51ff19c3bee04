"""What a client wants, and the groups of clients that want the same in the same form."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from feed.core.grant import Grant
from feed.core.streams import Stream
from feed.gateway.entitled import Scope, capped, reaches, scope_of
from feed.gateway.forms import Form, Segment
from feed.gateway.identity import Peer
from feed.wire.commands import WILDCARD


class Member(Protocol):
    """A client as the hub sees it. Its calls return at once and never fail."""

    @property
    def peer(self) -> Peer: ...

    def write(self, data: bytes) -> bool:
        """Sends whole frames; False where too much waits in the socket already: nothing of it was taken."""
        ...

    def put(self, data: bytes) -> None:
        """Sends whole frames, whatever waits."""
        ...

    def backlog(self) -> int:
        """Bytes that the socket has not taken yet."""
        ...

    def slow(self, lag_s: float) -> None:
        """Tells the client how far it is behind, before something is done about it."""
        ...

    def cut(self, *, stalled: bool) -> None:
        """Ends the connection of a client that is too slow; at once where it takes nothing any more."""
        ...


Rates = Mapping[str, float]
"""Messages a second, by symbol; 0 is every tick."""


class Selection(NamedTuple):
    """A client's current set: by kind its symbols, `*` among them, each with its rate. A change makes another.

    `scope` is how far the wildcards reach; what is named, the client may have.
    """

    feed: str
    rates: Mapping[str, Rates]
    scope: Scope = None

    @classmethod
    def none(cls, feed: str) -> "Selection":
        return cls(feed, {})

    def plus(self, more: Mapping[str, Iterable[str]], rate: float = 0.0) -> "Selection":
        """What is named again takes the new rate."""
        return self._with(
            {kind: {**self.of(kind), **dict.fromkeys(symbols, rate)} for kind, symbols in more.items()}
        )  # fmt: skip

    def minus(self, less: Mapping[str, Iterable[str]]) -> "Selection":
        kept = {}
        for kind, symbols in less.items():
            gone = frozenset(symbols)
            kept[kind] = {symbol: rate for symbol, rate in self.of(kind).items() if symbol not in gone}
        return self._with(kept)

    def within(self, grant: Grant) -> "Selection":
        """What a grant leaves of this, no faster than it allows. Wildcards reach as far as it does."""
        kept = {
            kind: {
                symbol: capped(grant, rate)
                for symbol, rate in rates.items()
                if symbol == WILDCARD or grant.allows_symbol(symbol)
            }
            for kind, rates in self.rates.items()
            if grant.allows_kind(kind)
        }
        return Selection(self.feed, {kind: rates for kind, rates in kept.items() if rates}, scope_of(grant))

    def of(self, kind: str) -> Rates:
        return self.rates.get(kind, {})

    @property
    def size(self) -> int:
        """Streams and wildcards."""
        return sum(map(len, self.rates.values()))

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of which every symbol is wanted."""
        return frozenset(kind for kind, rates in self.rates.items() if WILDCARD in rates)

    @property
    def streams(self) -> frozenset[Stream]:
        """Streams wanted by name, those that a wildcard covers too included."""
        return frozenset(
            Stream(self.feed, kind, symbol)
            for kind, rates in self.rates.items()
            for symbol in rates
            if symbol != WILDCARD
        )

    @property
    def held(self) -> tuple[frozenset[Stream], frozenset[str], Scope]:
        """What is read from the bus for this, as `Interest` takes it."""
        return self.streams, self.kinds, self.scope

    def covers(self, stream: Stream) -> bool:
        rates = self.of(stream.kind)
        return stream.symbol in rates or (WILDCARD in rates and reaches(self.scope, stream.symbol))

    def rate(self, stream: Stream) -> float:
        """The rate of a stream that this covers: its own, or else the wildcard's."""
        rates = self.of(stream.kind)
        return rates[stream.symbol] if stream.symbol in rates else rates[WILDCARD]

    def _with(self, changed: dict[str, dict[str, float]]) -> "Selection":
        return self._replace(rates={kind: rates for kind, rates in {**self.rates, **changed}.items() if rates})


class CohortKey(NamedTuple):
    """What makes clients get the same bytes. `apart` are streams of `kinds` that are wanted at a rate of their own.

    `scope` is how far the wildcards reach; None where there are none, so that who names the same shares a cohort,
    whatever else each may have.
    """

    form: Form
    kinds: frozenset[tuple[str, float]]
    streams: frozenset[tuple[Stream, float]]
    apart: frozenset[Stream]
    scope: Scope = None

    @classmethod
    def of(cls, form: Form, selection: Selection) -> "CohortKey":
        """Streams that a wildcard covers at the same rate are left out: they would be sent twice."""
        kinds = {kind: selection.of(kind)[WILDCARD] for kind in selection.kinds}
        streams = frozenset(
            (stream, rate)
            for stream in selection.streams
            if (rate := selection.rate(stream)) != kinds.get(stream.kind)
            or not reaches(selection.scope, stream.symbol)
        )  # fmt: skip
        apart = frozenset(stream for stream, _ in streams if stream.kind in kinds)
        return cls(form, frozenset(kinds.items()), streams, apart, selection.scope if kinds else None)

    def gets_of_kind(self, stream: Stream) -> bool:
        """Whether a wildcard of this, for the stream's kind, is what brings it the stream."""
        return stream not in self.apart and (self.scope is None or reaches(self.scope, stream.symbol))


class Cohort:
    """Clients that get the same bytes: built once per flush, written to each. `due` is empty between flushes. `prompt`
    says that they want every tick of all their streams."""

    __slots__ = ("_portions", "due", "form", "key", "members", "prompt", "sent_at")

    def __init__(self, key: CohortKey, now: float) -> None:
        self.key = key
        self.form = key.form
        self.prompt = not any(rate for _, rate in (*key.kinds, *key.streams))
        self.members: dict[Member, None] = {}
        self._portions: list[list[Member]] = []
        self.due: list[Segment] = []
        self.sent_at = now

    def add(self, member: Member) -> None:
        self.members[member] = None
        self._portions = []

    def drop(self, member: Member) -> None:
        del self.members[member]
        self._portions = []

    def portions(self, most: int) -> list[list[Member]]:
        """The members, so many at a time. Kept: to divide them between writes, when they are in no cache, took longer
        than all that is counted."""
        if not self._portions:
            members = list(self.members)
            self._portions = [members[start : start + most] for start in range(0, len(members), most)]
        return self._portions
