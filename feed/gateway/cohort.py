"""What a client wants, and the groups of clients that want the same in the same form."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from feed.core.streams import Stream
from feed.gateway.forms import Form
from feed.wire.commands import WILDCARD


class Member(Protocol):
    """A client as the hub sees it."""

    def write(self, data: bytes) -> None:
        """Sends whole frames. Returns at once and never fails."""
        ...


class Selection(NamedTuple):
    """A client's current set: symbols by kind, `*` among them. Immutable: a change makes another."""

    feed: str
    symbols: Mapping[str, frozenset[str]]

    @classmethod
    def none(cls, feed: str) -> "Selection":
        return cls(feed, {})

    def plus(self, more: Mapping[str, Iterable[str]]) -> "Selection":
        return self._with({kind: self.of(kind) | frozenset(symbols) for kind, symbols in more.items()})

    def minus(self, less: Mapping[str, Iterable[str]]) -> "Selection":
        return self._with({kind: self.of(kind) - frozenset(symbols) for kind, symbols in less.items()})

    def of(self, kind: str) -> frozenset[str]:
        return self.symbols.get(kind, frozenset())

    @property
    def size(self) -> int:
        """Streams and wildcards."""
        return sum(map(len, self.symbols.values()))

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of which every symbol is wanted."""
        return frozenset(kind for kind, symbols in self.symbols.items() if WILDCARD in symbols)

    @property
    def streams(self) -> frozenset[Stream]:
        """Streams wanted by name, those that a wildcard covers too included."""
        return frozenset(
            Stream(self.feed, kind, symbol)
            for kind, symbols in self.symbols.items()
            for symbol in symbols
            if symbol != WILDCARD
        )

    def _with(self, changed: dict[str, frozenset[str]]) -> "Selection":
        return Selection(self.feed, {kind: symbols for kind, symbols in {**self.symbols, **changed}.items() if symbols})


class CohortKey(NamedTuple):
    form: Form
    kinds: frozenset[str]
    streams: frozenset[Stream]

    @classmethod
    def of(cls, form: Form, selection: Selection) -> "CohortKey":
        """Streams that a wildcard covers are left out: they would be sent twice."""
        kinds = selection.kinds
        return cls(form, kinds, frozenset(stream for stream in selection.streams if stream.kind not in kinds))


class Cohort:
    """Clients that get the same bytes: built once per flush, written to each."""

    __slots__ = ("key", "members", "sent_at")

    def __init__(self, key: CohortKey, now: float) -> None:
        self.key = key
        self.members: dict[Member, None] = {}
        self.sent_at = now

    @property
    def form(self) -> Form:
        return self.key.form

    def write(self, data: bytes, now: float) -> None:
        self.sent_at = now
        for member in self.members:
            member.write(data)
