"""A right journal, made in memory: what a client may be told of one stream of trades, in every legal way.

Each step takes the next ticks of the market and tells the client of them somehow. Tests hold the checker to journals
that it must accept, and plant faults in them that it must find.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.chaos.checker import check
from tests.chaos.journal import Line
from tests.chaos.tally import Tally
from tests.chaos.truth import Item, Message, Track, Truth

STREAM = "trades:BTC/USDT"
SECOND = 1_000_000_000


class MarketModel:
    """The steps are its methods; each adds to `items` (the truth) and to `lines` (the journal)."""

    def __init__(self, rate: float = 0) -> None:
        self.items: list[Item] = []
        self.lines: list[Line] = []
        self.epoch, self.seq = "e1", 40
        self._rate = rate
        self._next_id = 1001
        self.at_ns = SECOND
        self._epochs = 1
        self._commands = 0
        self._line("start", "client")
        self.make(2)  # before the client came
        self.subscribe({"epoch": self.epoch, "seq": self.seq, "rate": rate})

    def make(self, count: int) -> list[Item]:
        """Ticks that the venue makes; prices and sizes move so that totals tell them apart."""
        made = []
        for _ in range(count):
            tick_id = self._next_id
            says = {"p": Decimal(6000 + tick_id * 7 % 13), "s": Decimal(tick_id * 3 % 11 + 1) / 8, "tks": "B"}
            made.append(Item(tick_id, tick_id, says, self.at_ns))
            self._next_id += 1
        self.items += made
        return made

    def subscribe(self, state: dict[str, Any], since: dict[str, Any] | None = None) -> None:
        self._commands += 1
        command: dict[str, Any] = {"action": "subscribe", "id": self._commands, "trades": ["BTC/USDT"]}
        if self._rate:
            command["rate"] = self._rate
        if since is not None:
            command["since"] = {STREAM: since}
        self._line("open", "ws://gateway")
        self._line("sent", command)
        self.tell({"T": "subscription", "id": self._commands, "streams": {STREAM: state}})

    def ticks(self, count: int) -> None:
        for item in self.make(count):
            self.seq += 1
            self.tell(self.trade(item, self.seq))

    def conflated(self, count: int) -> None:
        made = self.make(count)
        self.seq += count
        volume = sum((item.says["s"] for item in made), Decimal(0))
        prices = [item.says["p"] for item in made]
        m = {"n": count, "q0": self.seq - count + 1, "v": volume, "h": max(prices), "l": min(prices)}
        self.tell(self.trade(made[-1], self.seq, m=m))

    def hole(self, count: int) -> None:
        """The venue leaves ids out, and the log says so."""
        first, last = self._next_id, self._next_id + count - 1
        self._next_id += count
        self.items.append(Item(first, last, {}, self.at_ns))
        self.in_band("venue", first, last)

    def overflow(self, count: int) -> None:
        """A worker's buffer had no room."""
        made = self.make(count)
        self.in_band("ingest", made[0].first, made[-1].last)

    def lost(self, count: int, *, new_epoch: bool) -> None:
        """Redis lost entries, and numbers went on above them."""
        self.make(count)
        first, before = self.seq + 1, self.epoch
        self.seq += count
        self._begin_epoch(new_epoch)
        self.tell(self.gap(before, first, self.seq, self.seq + 1))

    def rewound(self, count: int, back: int, doubles: int) -> None:
        """Redis forgot where the epoch ended, and numbers were given twice; what came twice was dropped."""
        self.make(count)
        first, before = self.seq + 1, self.epoch
        self._begin_epoch(True)
        self.seq -= back
        self.tell(self.gap(before, first, None, self.seq + 1))
        if doubles:
            self.seq += doubles
            self.tell({"T": "epoch", "stream": STREAM, "epoch": self.epoch, "seq": self.seq + 1})

    def changed(self) -> None:
        """Another epoch, and nothing lost."""
        self._begin_epoch(True)
        self.tell({"T": "epoch", "stream": STREAM, "epoch": self.epoch, "seq": self.seq + 1})

    def resume(self, *, killed: bool) -> None:
        """The connection broke, and all that was missed comes."""
        if killed:
            self._line("start", "client")
        else:
            self._line("lost", "cut", None)
        at = {"epoch": self.epoch, "seq": self.seq}
        self.subscribe(at | {"rate": self._rate, "recovered": True}, at)

    def late(self, count: int) -> None:
        """The connection broke for too long: a gap, and the last tick as a snapshot."""
        made = self.make(count)
        at = {"epoch": self.epoch, "seq": self.seq}
        self._line("lost", "closed", 1012)
        self.subscribe({"epoch": self.epoch, "seq": self.seq + count, "rate": self._rate, "recovered": False}, at)
        first = self.seq + 1
        self.seq += count - 1
        self.tell(self.gap(self.epoch, first, self.seq if count > 1 else None, self.seq + 1, cause="history"))
        self.seq += 1
        self.tell(self.trade(made[-1], self.seq, snap=True))

    def beat(self) -> None:
        self.tell({"T": "heartbeat", "seq": {STREAM: self.seq}})

    def end(self) -> None:
        self._line("end")

    def truth(self) -> Truth:
        return {STREAM: Track("trades", self.items)}

    def trade(self, item: Item, seq: int, **more: Any) -> dict[str, Any]:
        return {"T": "t", "S": "BTC/USDT", "i": item.first, **item.says, "q": seq, **more}

    def gap(self, epoch: str, first: int, last: int | None, then: int, cause: str = "bus") -> dict[str, Any]:
        after = {"epoch": self.epoch, "seq": then}
        return {"T": "gap", "stream": STREAM, "epoch": epoch, "from": first, "to": last, "next": after, "cause": cause}

    def in_band(self, cause: str, first: int, last: int) -> None:
        self.seq += 1
        gap = self.gap(self.epoch, self.seq, self.seq, self.seq + 1, cause)
        self.tell(gap | {"q": self.seq, "ids": [first, last]})

    def _begin_epoch(self, begin: bool) -> None:
        if begin:
            self._epochs += 1
            self.epoch = f"e{self._epochs}"

    def tell(self, *messages: dict[str, Any]) -> None:
        self._line("frame", *messages)

    def _line(self, what: str, *content: Any) -> None:
        self.at_ns += SECOND
        self.lines.append(Line(self.at_ns, what, list(content)))


def story(rate: float = 0) -> MarketModel:
    """Every legal step once or more."""
    model = MarketModel(rate)
    model.ticks(4)
    model.hole(6)
    model.ticks(3)
    if rate:
        model.conflated(5)
        model.ticks(1)
        model.conflated(3)
    model.overflow(4)
    model.ticks(2)
    model.lost(3, new_epoch=False)
    model.ticks(2)
    model.lost(4, new_epoch=True)
    model.ticks(3)
    model.changed()
    model.ticks(2)
    model.resume(killed=False)
    model.ticks(2)
    model.rewound(5, back=3, doubles=2)
    model.ticks(3)
    model.resume(killed=True)
    model.ticks(3)
    model.late(5)
    model.ticks(3)
    model.beat()
    model.end()
    return model


def judged(model: MarketModel, lines: list[Line] | None = None) -> Tally:
    tally = Tally()
    check({"client": lines or model.lines}, model.truth(), tally)
    return tally


def messages(lines: list[Line], of: Callable[[Message], bool]) -> list[tuple[int, Message]]:
    """Where messages are that fit, by line."""
    return [
        (index, message)
        for index, line in enumerate(lines)
        if line.what == "frame"
        for message in line.content
        if of(message)
    ]
