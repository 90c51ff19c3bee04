"""A gateway as the protocol has it, for one stream: what is published, and what a client is told of it, conflated or
not, with gaps, changes of epoch and resuming."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from feed.core.streams import Position

STREAM = "trades:AAPL"
Message = dict[str, Any]


class Entry(NamedTuple):
    """An entry of the stream; `gap` is one in its own place, `before` the mark that precedes it."""

    epoch: str
    seq: int
    gap: bool = False
    before: Message | None = None

    @property
    def price(self) -> float:
        return 10.0 + self.seq % 7

    @property
    def size(self) -> int:
        return 1 + self.seq % 5


@dataclass
class Model:
    """All that was ever published, in order. `log` is from where on it can still be resumed."""

    entries: list[Entry] = field(default_factory=list)
    epochs: int = 0
    log: int = 0
    _mark: Message | None = None

    @property
    def at(self) -> Position:
        """Where a client stands that has been told of everything."""
        if self._mark is not None:
            after = self._mark.get("next", self._mark)
            return Position(after["epoch"], after["seq"] - 1)
        last = self.entries[-1]
        return Position(last.epoch, last.seq)

    def publish(self, count: int, *, gap: bool = False) -> None:
        for _ in range(count):
            if not self.epochs:
                self.change_epoch()
            epoch, seq = self.at
            self.entries.append(Entry(epoch or "", seq + 1, gap, self._mark))
            self._mark = None

    def change_epoch(self, doubles: int = 0) -> None:
        """Nothing is lost; `doubles` numbers went to ticks that were given twice."""
        seq = self.at.seq if self.epochs else 0
        self.epochs += 1
        if self._mark is None:
            self._mark = {"T": "epoch", "stream": STREAM, "epoch": f"e{self.epochs}", "seq": seq + doubles + 1}

    def lose(self, count: int) -> None:
        """Entries that nobody will get."""
        if self._mark is None and self.epochs:
            epoch, seq = self.at
            self._mark = gap(epoch, seq + 1, seq + count, Position(epoch, seq + count + 1), "bus")

    def rewind(self, to: int) -> None:
        """A Redis that forgot: another epoch, numbered from further back."""
        if self._mark is None and self.epochs:
            epoch, seq = self.at
            self.epochs += 1
            self._mark = gap(epoch, seq + 1, None, Position(f"e{self.epochs}", 1 + min(to, seq)), "bus")

    def messages(self, index: int, conflated: list[bool]) -> Iterator[Message]:
        """What a client gets that stands before `entries[index]`. `conflated` says which run of ticks goes as one."""
        choices = iter(conflated)
        runs = groupby(enumerate(self.entries[index:]), key=lambda item: _run(self.entries[index:], item[0]))
        for _, run in runs:
            entries = [entry for _, entry in run]
            if entries[0].before is not None:
                yield entries[0].before
            if entries[0].gap:
                yield in_band(entries[0])
            elif next(choices, False) and len(entries) > 1:
                yield merged(entries)
            else:
                yield from map(trade, entries)


def _run(entries: list[Entry], index: int) -> int:
    """Where the run of ticks begins that an entry belongs to: marks and gaps keep their place."""
    while index and not entries[index].gap and entries[index].before is None and not entries[index - 1].gap:
        index -= 1
    return index


def trade(entry: Entry) -> Message:
    return {
        "T": "t", "S": "AAPL", "i": entry.seq, "x": "V", "p": entry.price, "s": entry.size, "c": [], "z": "", "t": 0,
        "q": entry.seq,
    }  # fmt: skip


def merged(entries: list[Entry]) -> Message:
    prices = [entry.price for entry in entries]
    totals = {"v": sum(entry.size for entry in entries), "h": max(prices), "l": min(prices)}
    return trade(entries[-1]) | {"m": {"n": len(entries), "q0": entries[0].seq, **totals}}


def gap(epoch: str | None, first: int, last: int | None, after: Position, cause: str, **more: Any) -> Message:
    following = {"epoch": after.epoch, "seq": after.seq}
    fields = {"T": "gap", "stream": STREAM, "epoch": epoch, "from": first, "to": last, "next": following}
    return fields | {"cause": cause, **more}


def in_band(entry: Entry) -> Message:
    after = Position(entry.epoch, entry.seq + 1)
    return gap(entry.epoch, entry.seq, entry.seq, after, "venue", q=entry.seq, ids=[1, 2])
