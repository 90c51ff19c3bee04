"""What a stream says, message by message, as every client of it shares it."""

from collections.abc import Iterable, Sequence
from typing import Any

from feed.bus.entry import Entry
from feed.bus.reading import Hole
from feed.core.conflation import Conflation, Totals, replaces
from feed.core.sequence import Record
from feed.core.streams import Position
from feed.core.ticks import Gap, Tick
from feed.wire import messages
from feed.wire.codec import Codec

Fields = dict[str, Any]


class Message:
    """One thing that a stream says: a tick with its number and stamps, or what stands in a tick's place.

    `epoch` and `seq` are where a reader stands after it. `fields` is None for a tick; otherwise the message that depth
    two gets instead, and depth one never sees. `totals` is given where the tick stands for more than itself.
    """

    __slots__ = ("_bodies", "epoch", "fields", "seq", "tick", "totals", "ts_gateway", "ts_pub")

    def __init__(
        self,
        epoch: str | None,
        seq: int,
        tick: Tick | None,
        ts_pub: int,
        ts_gateway: int,
        fields: Fields | None = None,
        totals: Totals | None = None,
    ) -> None:
        self.epoch = epoch
        self.seq = seq
        self.tick = tick
        self.ts_pub = ts_pub
        self.ts_gateway = ts_gateway
        self.fields = fields
        self.totals = totals
        self._bodies: dict[str, bytes] | None = None

    @property
    def at(self) -> Position:
        return Position(self.epoch, self.seq)

    def standing_for(self, totals: Totals) -> "Message":
        """The same tick, in place of several of which it is the last."""
        return Message(self.epoch, self.seq, self.tick, self.ts_pub, self.ts_gateway, totals=totals)

    def body(self, codec: Codec, tick: Tick) -> bytes:
        """The tick's bytes in one encoding, made at first use."""
        if self._bodies is None:
            self._bodies = {}
        body = self._bodies.get(codec.name)
        if body is None:
            body = self._bodies[codec.name] = codec.body(tick)
        return body


def of_entry(key: str, epoch: str | None, seq: int, entry: Entry, ts_pub: int, ts_gateway: int) -> Message:
    """An entry of the stream `key`: a tick, or an in-band gap."""
    if not isinstance(entry, Gap):
        return Message(epoch, seq, entry, ts_pub, ts_gateway)
    fields = messages.gap(key, epoch, seq, seq, Position(epoch, seq + 1), entry.cause, seq=seq, ids=entry.ids)
    return Message(epoch, seq, None, ts_pub, ts_gateway, fields)


def of_hole(key: str, hole: Hole, cause: str, ts_gateway: int) -> Message:
    fields = messages.gap(key, hole.epoch, hole.first, hole.last, hole.next, cause)
    return Message(hole.next.epoch, hole.next.seq - 1, None, 0, ts_gateway, fields)


def missing(gap: Fields) -> int:
    """How many ticks a gap's message says are missing; 1 where that can't be known."""
    if "ids" in gap:
        first, last = gap["ids"]
    elif "q" in gap or gap["to"] is None:  # an entry that stands for any number of ticks; a hole without an end
        return 1
    else:
        first, last = gap["from"], gap["to"]
    return max(1, int(last - first + 1))


def of_epoch(key: str, at: Position, ts_gateway: int) -> Message:
    """The stream goes on in another epoch, and its next entry is the one at `at`."""
    return Message(at.epoch, at.seq - 1, None, 0, ts_gateway, messages.epoch(key, at))


def of_log(key: str, record: Record, entries: Iterable[tuple[int, Entry]], ts_gateway: int) -> list[Message]:
    """A stretch of log, with what is missing between its entries and changes of epoch in their places."""
    found: list[Message] = []
    for seq, entry in entries:
        epoch = record.epoch_of(seq)
        if found and seq > found[-1].seq + 1:
            before = found[-1]
            hole = Hole(before.epoch, before.seq + 1, seq - 1, Position(epoch, seq))
            found.append(of_hole(key, hole, "bus", ts_gateway))
        elif found and epoch != found[-1].epoch:
            found.append(of_epoch(key, Position(epoch, seq), ts_gateway))
        found.append(of_entry(key, epoch, seq, entry, 0, ts_gateway))
    return found


def newest_tick(messages: Sequence[Message]) -> Message | None:
    """The last of these that is a tick."""
    if messages and messages[-1].tick is not None:
        return messages[-1]
    return next((message for message in reversed(messages) if message.tick is not None), None)


def stood_for(messages: Iterable[Message]) -> int:
    """How many ticks have no message of their own, as another stands for them."""
    return sum(message.totals.count - 1 for message in messages if message.totals is not None)


class Conflator:
    """Messages of one stream taken in order, given out as few as stand for all of them.

    Gaps and changes of epoch keep their place; what comes before one is not conflated with what comes after.
    """

    __slots__ = ("_newest", "_open", "_out")

    def __init__(self) -> None:
        self._out: list[Message] = []
        self._open: Conflation | None = None
        self._newest: Message | None = None

    def __bool__(self) -> bool:
        return bool(self._out) or self._open is not None

    def add(self, message: Message) -> None:
        """Takes a message that was not conflated before."""
        tick = message.tick
        if self._open is not None and tick is not None and replaces(tick, self._open.tick):
            self._open.add(tick)
            self._newest = message
            return
        self._close()
        if tick is None:
            self._out.append(message)
        else:
            self._open = Conflation(message.seq, tick)
            self._newest = message

    def take(self) -> list[Message]:
        """What stands for all that was added since the last call."""
        self._close()
        out, self._out = self._out, []
        return out

    def _close(self) -> None:
        if self._open is None or self._newest is None:
            return
        newest, totals = self._newest, self._open.totals()
        if totals is not None:
            newest = newest.standing_for(totals)
        self._out.append(newest)
        self._open = self._newest = None
