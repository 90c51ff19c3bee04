"""Where a client stands in each stream, by which it knows that nothing was lost in silence.

Within a stream everything comes in order: each entry once, as a tick, within a conflated update, or named in a gap;
gaps and changes of epoch come in their place. What does otherwise is a Fault.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

from feed.client.events import Breach, Fault, Gap, Granted, Merged, NewEpoch, Update
from feed.core.streams import START, Position, parse_stream
from feed.core.ticks import Trade


class Then(Enum):
    """What is to be done with a message that was judged."""

    GIVEN = "given"
    WITHHELD = "withheld"
    AGAIN = "again"  # judged again, now that what is missing before it was told of


class Place:
    """One stream that the connection brings. `told` is how far a heartbeat's loss was told of, `hole` the last one."""

    __slots__ = ("epoch", "hole", "seq", "told")

    def __init__(self, at: Position) -> None:
        self.epoch, self.seq = at
        self.told = 0
        self.hole = (0, -1)


class Places:
    """The position of every stream of one feed, as events move it.

    `live` are streams that the connection brings, `kept` those of an earlier connection, to be resumed.
    """

    def __init__(self, positions: Mapping[str, Iterable[object]] | None = None) -> None:
        """Takes positions as `positions` gives them, or as JSON makes them. Raises ValueError."""
        self.live: dict[str, Place] = {}
        self.kept = {stream: _position(stream, at) for stream, at in (positions or {}).items()}

    def positions(self) -> dict[str, Position]:
        """The position after the last event that was taken, of every stream."""
        return self.kept | {stream: Position(place.epoch, place.seq) for stream, place in self.live.items()}

    def disconnected(self) -> None:
        self.kept = self.positions()
        self.live = {}

    def drop(self, stream: str) -> None:
        self.live.pop(stream, None)
        self.kept.pop(stream, None)

    def granted(self, stream: str, state: Granted, *, asked: bool) -> Gap | None:
        """Begins where the answer says, or goes on where it stood if it `asked` to. A Gap says what that leaves out."""
        if stream in self.live:
            return None  # it was brought before: the answer is about its rate
        before, at = self.kept.pop(stream, None), Position(state.epoch, state.seq)
        if before is not None and asked and state.recovered is not None:
            at = before
        self.live[stream] = Place(at)
        if before is None or before == at:
            return None
        countable = before.epoch in (None, at.epoch) and at.seq > before.seq
        return Gap(
            stream, before.epoch, before.seq + 1, at.seq if countable else None, at._replace(seq=at.seq + 1), "client"
        )

    def update(self, update: Update) -> tuple[Fault | None, Then]:
        """Judges a tick, and goes behind it. What lies behind the position already, or is late, is withheld."""
        stream, _, seq, _, merged, snapshot, _ = update
        place = self.live.get(stream)
        first = seq if merged is None else merged.first
        if place is None:
            self.live[stream] = Place(Position(update.epoch, seq))
            return Fault(Breach.UNPLACED, stream, update.epoch, first, seq), Then.GIVEN
        if snapshot and seq <= place.seq:
            return None, Then.GIVEN
        if first > place.seq + 1:
            return self._hole(stream, place, first), Then.AGAIN
        if seq <= place.seq:
            late = place.hole[0] <= first and seq <= place.hole[1]
            return Fault(Breach.LATE if late else Breach.REPEAT, stream, place.epoch, first, seq, update), Then.WITHHELD
        before, place.seq = place.seq, seq
        if first <= before:
            return Fault(Breach.REPEAT, stream, place.epoch, first, before), Then.GIVEN
        if merged is not None and not _adds_up(update, merged):
            return Fault(Breach.TOTALS, stream, place.epoch, first, seq), Then.GIVEN
        return None, Then.GIVEN

    def gap(self, gap: Gap) -> tuple[Fault | None, Then]:
        """Goes behind a gap; judged like a tick. Numbers may go back where their epoch's end is not known."""
        place = self._place(gap.stream)
        fault = None
        if gap.first > place.seq + 1:
            return self._hole(gap.stream, place, gap.first), Then.AGAIN
        if gap.first <= place.seq:
            last = place.seq if gap.last is None else min(place.seq, gap.last)
            fault = Fault(Breach.REPEAT, gap.stream, gap.epoch, gap.first, last)
        after = gap.next.seq - 1
        place.seq = after if gap.last is None or gap.next.epoch != place.epoch else max(place.seq, after)
        place.epoch = gap.next.epoch
        place.told = 0 if gap.last is None else place.told
        return fault, Then.GIVEN

    def epoch(self, change: NewEpoch) -> Fault | None:
        """A change that lost nothing. Numbers that are passed over are of ticks that were sent in the epoch before."""
        place = self._place(change.stream)
        before, place.epoch, place.seq = place.seq, change.epoch, change.seq - 1
        return Fault(Breach.LATE, change.stream, change.epoch, change.seq, before) if change.seq <= before else None

    def behind(self, seqs: Mapping[str, int]) -> list[Fault]:
        """What a heartbeat knows of that did not come. Positions stay where they are; it is told once."""
        faults = []
        for stream, seq in seqs.items():
            place = self.live.get(stream)
            if place is None:
                if seq and stream not in self.kept:
                    faults.append(Fault(Breach.UNPLACED, stream, None, 1, seq))
                    self.kept[stream] = Position(None, seq)
            elif seq > place.seq and seq > place.told:
                faults.append(Fault(Breach.BEHIND, stream, place.epoch, max(place.seq, place.told) + 1, seq))
                place.told = seq
        return faults

    def _place(self, stream: str) -> Place:
        place = self.live.get(stream)
        if place is None:
            place = self.live[stream] = Place(self.kept.pop(stream, START))
        return place

    def _hole(self, stream: str, place: Place, first: int) -> Fault | None:
        """Goes to just before `first`. None where a heartbeat's fault named all that is missing."""
        missing, place.seq = max(place.seq, place.told) + 1, first - 1
        place.hole = (missing, first - 1)
        return Fault(Breach.HOLE, stream, place.epoch, missing, first - 1) if missing < first else None


def _adds_up(update: Update, merged: Merged) -> bool:
    if merged.ticks != update.seq - merged.first + 1 or merged.ticks < 2:
        return False
    tick = update.tick
    if not isinstance(tick, Trade):
        return True
    if merged.volume is None or merged.high is None or merged.low is None:
        return False
    return merged.low <= tick.price <= merged.high and merged.volume >= tick.size


def _position(stream: str, at: Iterable[object]) -> Position:
    parse_stream(f"feed:{stream}")
    epoch, seq = at
    if not (isinstance(epoch, str | None) and isinstance(seq, int) and seq >= 0 and (epoch or not seq)):
        raise ValueError(f"{stream}: {(epoch, seq)} is no position: epoch and seq, or None and 0")
    return Position(epoch, seq)
