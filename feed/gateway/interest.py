"""Who wants what: the streams that are read from the bus because a client wants them, and the cohorts that get them."""

from collections.abc import Callable, Iterable
from typing import Protocol

from feed.core.streams import START, Position, Stream
from feed.gateway.cohort import Cohort, CohortKey, Member, Selection
from feed.gateway.forms import Form
from feed.gateway.live import LiveStream


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
        self.wild: dict[str, dict[Form, dict[Cohort, None]]] = {}
        self._feed = feed
        self._bus = bus
        self._cohort_of: dict[Member, Cohort] = {}
        self._kind_holders: dict[str, int] = {}
        self._directory: frozenset[Stream] | None = None
        self._directory_wanted = False
        self._directory_waiting: list[Callable[[], None]] = []

    def symbols(self, streams: frozenset[Stream]) -> None:
        """The feed's directory. What appears in it later than its first reading is read from its first tick on."""
        known = self._directory
        since = None if known is None else START
        self._directory = streams | (known or frozenset())
        for stream in self._directory - (known or frozenset()):
            if self._kind_holders.get(stream.kind):
                self._hold(stream, since)
        waiting, self._directory_waiting = self._directory_waiting, []
        for ready in waiting:
            ready()

    def hold(self, streams: Iterable[Stream], kinds: Iterable[str]) -> None:
        """Keeps streams, and all streams of kinds, read from the bus until `release`."""
        for stream in streams:
            self._hold(stream, None)
        for kind in kinds:
            holders = self._kind_holders[kind] = self._kind_holders.get(kind, 0) + 1
            if holders == 1:
                for stream in self._of_kind(kind):
                    self._hold(stream, None)
            if not self._directory_wanted:
                self._directory_wanted = True
                self._bus.want_directory(self._feed)

    def release(self, streams: Iterable[Stream], kinds: Iterable[str]) -> None:
        for stream in streams:
            self._release(stream)
        for kind in kinds:
            self._kind_holders[kind] -= 1
            if not self._kind_holders[kind]:
                for stream in self._of_kind(kind):
                    self._release(stream)

    def unopened(self, streams: Iterable[Stream], kinds: Iterable[str]) -> list[list[Callable[[], None]]]:
        """Lists to append a callback to, called once each when what they stand for is open. Empty when all is."""
        kinds = list(kinds)
        if kinds and self._directory is None:
            return [self._directory_waiting]
        return [live.waiting for live in self.held(streams, kinds) if live.at is None]

    def held(self, streams: Iterable[Stream], kinds: Iterable[str]) -> list[LiveStream]:
        """The streams, and those of the kinds, that are held now; each once."""
        wanted = dict.fromkeys((*streams, *(stream for kind in kinds for stream in self._of_kind(kind))))
        return [self.streams[stream] for stream in wanted if stream in self.streams]

    def move(self, member: Member, form: Form, selection: Selection, now: float) -> None:
        """Puts a client into the cohort of its selection, whose streams it holds."""
        key = CohortKey.of(form, selection)
        old = self._cohort_of.get(member)
        if old is not None and old.key == key:
            return
        cohort = self.cohorts.get(key) or self._new_cohort(key, now)
        cohort.members[member] = None
        self._cohort_of[member] = cohort
        if old is not None:
            self._drop_member(old, member)

    def leave(self, member: Member) -> None:
        """Takes a client out of its cohort; what it holds is for it to release."""
        cohort = self._cohort_of.pop(member, None)
        if cohort is not None:
            self._drop_member(cohort, member)

    def _of_kind(self, kind: str) -> list[Stream]:
        return sorted(stream for stream in self._directory or () if stream.kind == kind)

    def _hold(self, stream: Stream, since: Position | None) -> None:
        live = self.streams.get(stream)
        if live is None:
            live = self.streams[stream] = LiveStream(stream)
            live.at = since
            self._bus.want(stream, since)
        live.holders += 1

    def _release(self, stream: Stream) -> None:
        live = self.streams[stream]
        live.holders -= 1
        if not live.holders:
            del self.streams[stream]
            self._bus.unwant(stream)

    def _new_cohort(self, key: CohortKey, now: float) -> Cohort:
        cohort = self.cohorts[key] = Cohort(key, now)
        for stream in key.streams:
            self.streams[stream].cohorts.setdefault(key.form, {})[cohort] = None
        for kind in key.kinds:
            self.wild.setdefault(kind, {}).setdefault(key.form, {})[cohort] = None
        return cohort

    def _drop_member(self, cohort: Cohort, member: Member) -> None:
        del cohort.members[member]
        if cohort.members:
            return
        key = cohort.key
        del self.cohorts[key]
        for stream in key.streams:
            if stream in self.streams:
                _discard(self.streams[stream].cohorts, key.form, cohort)
        for kind in key.kinds:
            _discard(self.wild[kind], key.form, cohort)


def _discard(cohorts: dict[Form, dict[Cohort, None]], form: Form, cohort: Cohort) -> None:
    del cohorts[form][cohort]
    if not cohorts[form]:
        del cohorts[form]
