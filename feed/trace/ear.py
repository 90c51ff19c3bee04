"""A stream as it is read here, off the same channel as any gateway: its place, and the delays that its ticks tell."""

from typing import Final, NamedTuple

from feed.bus.reading import Batch, Hole
from feed.core.delays import Delays, Summary
from feed.core.streams import Position, Stream
from feed.core.ticks import Bar, Gap, Tick

NOTES_KEPT: Final = 100


class Heard(NamedTuple):
    """What was read since the last look: `entries` of them, up to `at` (None before the stream was opened), their
    delays (None where there were none), and what happened, in words."""

    up: bool
    at: Position | None
    entries: int
    venue_to_ingest: Summary | None
    ingest_to_publish: Summary | None
    publish_to_here: Summary | None
    notes: tuple[str, ...]


class Ear:
    """A listener of the subscriber's, of one stream."""

    def __init__(self) -> None:
        self._up = False
        self._at: Position | None = None
        self._begin()

    def _begin(self) -> None:
        self._entries = 0
        self._venue, self._ingest, self._here = Delays(), Delays(), Delays()
        self._notes: list[str] = []

    def take(self) -> Heard:
        heard = Heard(
            self._up,
            self._at,
            self._entries,
            self._venue.summary(),
            self._ingest.summary(),
            self._here.summary(),
            tuple(self._notes),
        )
        self._begin()
        return heard

    def opened(self, stream: Stream, at: Position, last: tuple[int, Tick] | None) -> None:  # noqa: ARG002
        self._at = at

    def batch(self, stream: Stream, batch: Batch) -> None:  # noqa: ARG002 - there is one
        epoch, first, ts_pub, ts_here, entries = batch
        self._at = Position(epoch, first + len(entries) - 1)
        self._entries += len(entries)
        for seq, entry in enumerate(entries, first):
            if isinstance(entry, Gap):
                self._note(f"gap at {seq}: {entry.cause}{_ids(entry)}")
            elif not isinstance(entry, Bar):  # received with its last trade, which may be long ago: no delay of a hop
                # the same two times: one without a time of its venue's
                if entry.ts_event != entry.ts_recv:
                    self._venue.add(entry.ts_recv - entry.ts_event)
                if ts_pub:
                    self._ingest.add(ts_pub - entry.ts_recv)
        if ts_pub:  # what was read from the log has none
            self._here.add(ts_here - ts_pub, len(entries))

    def hole(self, stream: Stream, hole: Hole) -> None:  # noqa: ARG002
        end = "unknown" if hole.last is None else hole.last
        self._at = Position(hole.next.epoch, hole.next.seq - 1)
        self._note(f"Redis lacks entries {hole.first} to {end}")

    def epoch(self, stream: Stream, at: Position) -> None:  # noqa: ARG002
        self._note(f"epoch {at.epoch} begins at {at.seq}; nothing is missing")

    def symbols(self, feed: str, streams: frozenset[Stream]) -> None:
        """Not followed."""

    def sources(self, feed: str, stale: frozenset[str] | None) -> None:
        """Not followed: the workers are asked."""

    def connected(self, up: bool) -> None:
        self._up = up

    def _note(self, text: str) -> None:
        if len(self._notes) < NOTES_KEPT:
            self._notes.append(text)


def _ids(gap: Gap) -> str:
    return "" if gap.ids is None else f", venue ids {gap.ids[0]} to {gap.ids[1]}"
