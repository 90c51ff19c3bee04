"""Where a client stands in each stream, by which it knows that nothing was lost in silence."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from feed.core.streams import START, Position


class Verdict(Enum):
    """What a data message is to a client that stands somewhere in its stream."""

    NEXT = "next"
    FIRST = "first"  # of a stream that the client held no position in
    SNAPSHOT = "snapshot"
    HOLE = "hole"  # ticks before it are missing, and no message named them
    REPEAT = "repeat"


class Positions:
    """The position of every stream of one feed, as the messages of the protocol move it."""

    def __init__(self) -> None:
        self._at: dict[str, Position] = {}

    def granted(self, stream: str, at: Position) -> int:
        """Begins, or begins anew, at a position. Returns how many ticks that leaves out, as far as it can be known."""
        before = self._at.get(stream)
        self._at[stream] = at
        if before is None or before.epoch not in (None, at.epoch):
            return 0
        return max(0, at.seq - before.seq)

    def tick(self, stream: str, message: Mapping[str, Any]) -> Verdict:
        seq: int = message["q"]
        at = self._at.get(stream)
        if at is None:
            self._at[stream] = Position(None, seq)
            return Verdict.FIRST
        self._at[stream] = Position(at.epoch, max(at.seq, seq))
        if message.get("snap"):
            return Verdict.SNAPSHOT
        if seq <= at.seq:
            return Verdict.REPEAT
        # a conflated message stands for all from its first one on
        first = message["m"]["q0"] if "m" in message else seq
        return Verdict.NEXT if first <= at.seq + 1 else Verdict.HOLE

    def gap(self, message: Mapping[str, Any]) -> None:
        """A new epoch may number from further back: what this client was sent, the bus has forgotten."""
        stream = message["stream"]
        at = self._at.get(stream, START)
        after = Position(message["next"]["epoch"], message["next"]["seq"] - 1)
        self._at[stream] = after if after.epoch != at.epoch else Position(at.epoch, max(at.seq, after.seq))

    def epoch(self, message: Mapping[str, Any]) -> None:
        """A change that lost nothing: the numbers go on."""
        stream = message["stream"]
        self._at[stream] = Position(message["epoch"], self._at.get(stream, START).seq)

    def behind(self, seqs: Mapping[str, int]) -> list[str]:
        """Streams of which a heartbeat knows more than the client was sent; each is told of once."""
        late = [stream for stream, seq in seqs.items() if stream in self._at and seq > self._at[stream].seq]
        for stream in late:
            self._at[stream] = Position(self._at[stream].epoch, seqs[stream])
        return late
