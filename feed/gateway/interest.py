"""Who wants what: the streams that are read from the bus because a client wants them, and the cohorts that get them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from feed.core.streams import START, Position, Stream
from feed.gateway.cohort import Cohort, CohortKey, Member, Selection
from feed.gateway.entitled import Scope, reaches
from feed.gateway.forms import Form
from feed.gateway.live import Audience, Cohorts, LiveStream


class Bus(Protocol):
    """What is asked of the subscriber."""

    def want(self, stream: Stream, since: Position | None = None) -> None: ...
    def unwant(self, stream: Stream) -> None: ...
    def want_directory(self, feed: str) -> None: ...


class Interest:
    """Streams and cohorts of one feed. What a change costs grows with the change, not with the number of clients."""

    def __init__(self, feed: str, bus: Bus) -> None:
        self.streams: dict[Stream, LiveStream] = {}
        self.cohorts: dict[CohortKey, Cohort] = {}
        self.wild: dict[str, Cohorts] = {}
        self.version = 0  # rises when a wildcard may reach more than before
        self._wild_version = 0  # rises when cohorts of wildcards come or go
        self._feed = feed
        self._bus = bus
        self._cohort_of: dict[Member, Cohort] = {}
        self._kind_holders: dict[str, dict[Scope, int]] = {}  # by kind and how far their wildcards reach
        self._directory: frozenset[Stream] | None = None
        self._directory_wanted = False
        self._directory_waiting: dict[Callable[[], None], None] = {}

    def symbols(self, streams: frozenset[Stream]) -> None:
        """The feed's directory. What appears in it later than its first reading is read from its first tick on."""
        known = self._directory
        since = None if known is None else START
        self._directory = streams | (known or frozenset())
        self.version += self._directory != known
        for stream in self._directory - (known or frozenset()):
            for _ in range(self._wildly(stream)):
                self._hold(stream, since)
        waiting, self._directory_waiting = self._directory_waiting, {}
        for ready in waiting:
            ready()

    def hold(self, streams: Iterable[Stream], kinds: Iterable[str], scope: Scope = None) -> None:
        """Keeps streams, and all streams of kinds that a scope reaches, read from the bus until `release`."""
        for stream in streams:
            # one that the directory doesn't name yet must not cost the kind's wildcards its first ticks
            new = self._wildly(stream) and self._directory is not None and stream not in self._directory
            self._hold(stream, START if new else None)
        for kind in kinds:
            scopes = self._kind_holders.setdefault(kind, {})
            scopes[scope] = scopes.get(scope, 0) + 1
            if scopes[scope] == 1:
                for stream in self._of_kind(kind, scope):
                    self._hold(stream, None)
            if not self._directory_wanted:
                self._directory_wanted = True
                self._bus.want_directory(self._feed)

    def release(self, streams: Iterable[Stream], kinds: Iterable[str], scope: Scope = None) -> None:
        for stream in streams:
            self._release(stream)
        for kind in kinds:
            scopes = self._kind_holders[kind]
            scopes[scope] -= 1
            if not scopes[scope]:
                del scopes[scope]
                for stream in self._of_kind(kind, scope):
                    self._release(stream)

    def unopened(
        self, streams: Iterable[Stream], kinds: frozenset[str], scope: Scope = None
    ) -> dict[Callable[[], None], None] | None:
        """Where to leave a callback, called once when one more of these is open. None when all are."""
        if kinds and self._directory is None:
            return self._directory_waiting
        return next((live.waiting for live in self.held(streams, kinds, scope) if live.at is None), None)

    def held(self, streams: Iterable[Stream], kinds: frozenset[str], scope: Scope = None) -> list[LiveStream]:
        """The streams, and those that wildcards of the kinds reach in a scope, that are held now; each once."""
        found = {stream: self.streams[stream] for stream in streams if stream in self.streams}
        if kinds:
            every = self.streams.items()
            found |= {
                stream: live
                for stream, live in every
                if stream.kind in kinds and reaches(scope, stream.symbol) and self._exists(live)
            }
        return [found[stream] for stream in sorted(found)]

    def held_by(self, key: CohortKey) -> list[LiveStream]:
        """The streams that a cohort gets."""
        return self.held(dict(key.streams), frozenset(dict(key.kinds)), key.scope)

    def audience(self, live: LiveStream) -> Audience:
        """The cohorts that get a stream, by rate and form: those that named it, and those that want all of its kind."""
        if live.audience is None or live.audience_of != self._wild_version:
            found = list(self._find_audience(live))
            forms = Counter(form.codec.name for _, form, _ in found)
            live.audience = [(rate, form, cohorts, forms[form.codec.name] == 1) for rate, form, cohorts in found]
            live.audience_of = self._wild_version
        return live.audience

    def _find_audience(self, live: LiveStream) -> Iterator[tuple[float, Form, list[Cohort]]]:
        wild = self.wild.get(live.stream.kind, {})
        for rate in live.cohorts.keys() | wild.keys():
            named, all_of_kind = live.cohorts.get(rate, {}), wild.get(rate, {})
            for form in named.keys() | all_of_kind.keys():
                others = (each for each in all_of_kind.get(form, ()) if each.key.gets_of_kind(live.stream))
                if cohorts := [*named.get(form, ()), *others]:
                    yield rate, form, cohorts

    def flowing(self, live: LiveStream, rate: float) -> bool:
        """Whether a cohort gets the stream at this rate."""
        wild = self.wild.get(live.stream.kind, {}).get(rate, {})
        return rate in live.cohorts or any(
            cohort.key.gets_of_kind(live.stream) for cohorts in wild.values() for cohort in cohorts
        )

    def move(self, member: Member, form: Form, selection: Selection, now: float) -> None:
        """Puts a client into the cohort of its selection, whose streams it holds."""
        key = CohortKey.of(form, selection)
        old = self._cohort_of.get(member)
        if old is not None and old.key == key:
            return
        cohort = self.cohorts.get(key) or self._new_cohort(key, now)
        cohort.add(member)
        self._cohort_of[member] = cohort
        if old is not None:
            self._drop_member(old, member)

    def leave(self, member: Member) -> None:
        """Takes a client out of its cohort; what it holds is for it to release."""
        cohort = self._cohort_of.pop(member, None)
        if cohort is not None:
            self._drop_member(cohort, member)

    def _exists(self, live: LiveStream) -> bool:
        """Whether the feed has this stream, or may have: its ticks can be here before the directory says so."""
        return live.at != START or live.stream in (self._directory or ())

    def _of_kind(self, kind: str, scope: Scope) -> list[Stream]:
        of_kind = (stream for stream in self._directory or () if stream.kind == kind)
        return sorted(stream for stream in of_kind if reaches(scope, stream.symbol))

    def _wildly(self, stream: Stream) -> int:
        """By how many scopes of its kind's wildcards a stream is held, or would be if the feed had it."""
        return sum(reaches(scope, stream.symbol) for scope in self._kind_holders.get(stream.kind, ()))

    def _hold(self, stream: Stream, since: Position | None) -> None:
        live = self.streams.get(stream)
        if live is None:
            live = self.streams[stream] = LiveStream(stream, since)
            self.version += 1
            self._bus.want(stream, since)
        live.holders += 1

    def _release(self, stream: Stream) -> None:
        live = self.streams[stream]
        live.holders -= 1
        if live.holders:
            return
        wildly = self._wildly(stream)
        if self._directory is not None and wildly and live.at not in (None, START):
            # its ticks reached the kind's wildcards before the directory named it, which must not begin it anew
            self._directory |= {stream}
            live.holders = wildly
            return
        del self.streams[stream]
        self._bus.unwant(stream)

    def _new_cohort(self, key: CohortKey, now: float) -> Cohort:
        cohort = self.cohorts[key] = Cohort(key, now)
        for stream, rate in key.streams:
            live = self.streams[stream]
            live.cohorts.setdefault(rate, {}).setdefault(key.form, {})[cohort] = None
            live.audience = None
        self._wild_version += bool(key.kinds)
        for kind, rate in key.kinds:
            self.wild.setdefault(kind, {}).setdefault(rate, {}).setdefault(key.form, {})[cohort] = None
        return cohort

    def _drop_member(self, cohort: Cohort, member: Member) -> None:
        cohort.drop(member)
        if cohort.members:
            return
        key = cohort.key
        del self.cohorts[key]
        for stream, rate in key.streams:
            live = self.streams.get(stream)
            if live is not None:
                _discard(live.cohorts, rate, key.form, cohort)
                live.audience = None
        self._wild_version += bool(key.kinds)
        for kind, rate in key.kinds:
            _discard(self.wild[kind], rate, key.form, cohort)
            if not self.wild[kind]:
                del self.wild[kind]


def _discard(cohorts: Cohorts, rate: float, form: Form, cohort: Cohort) -> None:
    forms = cohorts[rate]
    del forms[form][cohort]
    if not forms[form]:
        del forms[form]
    if not forms:
        del cohorts[rate]
