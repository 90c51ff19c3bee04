"""What a watcher knows of a feed: messages of the protocol at depth two in, rows, counts and notes out."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from feed.client.measure import Rate, Samples
from feed.client.positions import Positions, Verdict
from feed.core.streams import Position
from feed.core.ticks import BARS, QUOTES, TRADES

KIND: Final = {"t": TRADES, "q": QUOTES, "b": BARS}
NOTES_KEPT: Final = 100

Message = Mapping[str, Any]


class Row:
    """One symbol. `trade`, `quote` and `bar` are its last messages as they came; delays are in microseconds."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.trade: Message | None = None
        self.quote: Message | None = None
        self.bar: Message | None = None
        self.direction = 0
        self.state = "live"
        self.gaps = 0
        self.heard_ns: int | None = None
        self.trades = Rate()
        self.quotes = Rate()
        self.delay = Samples()

    def take(self, message: Message, now_ns: int) -> None:
        """One data message; `t` is integer nanoseconds."""
        snapshot = bool(message.get("snap"))
        heard_ns = min(now_ns, message["t"]) if snapshot else now_ns
        self.heard_ns = max(heard_ns, self.heard_ns or heard_ns)
        count = 0 if snapshot else message.get("m", {}).get("n", 1)
        if message["T"] == "t":
            self._moved(message["p"])
            self.trade = message
            self.trades.add(count, now_ns)
        elif message["T"] == "q":
            self.quote = message
            self.quotes.add(count, now_ns)
        else:
            self.bar = message
        # what the gateway read from the log instead of hearing it live bears no time of publishing
        if not snapshot and "tp" in message:
            self.delay.add(now_ns // 1000 - message["tp"], now_ns)

    def _moved(self, price: float) -> None:
        if self.trade is not None and price != self.trade["p"]:
            self.direction = 1 if price > self.trade["p"] else -1


class Board:
    """All rows of one watcher, in the order of their first mention."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self.rows: dict[str, Row] = {symbol: Row(symbol) for symbol in symbols if symbol != "*"}
        self.messages = Rate()
        self.bytes = Rate()
        self.gaps = 0
        self.unexplained = 0
        self.bus_lost = False
        self.notes: deque[str] = deque(maxlen=NOTES_KEPT)
        self.noted = 0
        self._positions = Positions()
        self._told: dict[str, Callable[[Message], None]] = {
            "subscription": self._subscription,
            "gap": self._gap,
            "epoch": self._positions.epoch,
            "heartbeat": self._heartbeat,
            "status": self._status,
            "notice": self._notice,
            "error": self._error,
        }

    def frame(self, messages: Iterable[Message], size: int, now_ns: int) -> None:
        """One frame of the gateway, of `size` bytes. Messages of a type that is not known are passed over."""
        self.bytes.add(size, now_ns)
        for message in messages:
            if message["T"] in KIND:
                self._tick(message, now_ns)
            elif message["T"] in self._told:
                self._told[message["T"]](message)

    def note(self, text: str) -> None:
        self.noted += 1
        self.notes.append(text)

    def _row(self, symbol: str) -> Row:
        return self.rows.setdefault(symbol, Row(symbol))

    def _tick(self, message: Message, now_ns: int) -> None:
        stream = f"{message.get('kind', KIND[message['T']])}:{message['S']}"
        verdict = self._positions.tick(stream, message)
        if verdict is Verdict.HOLE:
            self._lost(f"{stream}: ticks before {message['q']} are missing, and no message named them")
        elif verdict is Verdict.REPEAT:
            self._lost(f"{stream}: tick {message['q']} came twice")
        self.messages.add(1, now_ns)
        self._row(message["S"]).take(message, now_ns)

    def _lost(self, text: str) -> None:
        self.unexplained += 1
        self.note(text)

    def _subscription(self, message: Message) -> None:
        missed = {}
        for stream, state in message.get("streams", {}).items():
            if count := self._positions.granted(stream, Position(state["epoch"], state["seq"])):
                missed[stream] = count
                self._row(_symbol_of(stream)).gaps += 1
        if missed:
            self.gaps += len(missed)
            self.note(f"missed {sum(missed.values())} ticks of {len(missed)} streams while disconnected")

    def _gap(self, message: Message) -> None:
        self._positions.gap(message)
        self.gaps += 1
        self._row(_symbol_of(message["stream"])).gaps += 1
        self.note(f"gap in {message['stream']}: {_missing(message)} ({message['cause']})")

    def _heartbeat(self, message: Message) -> None:
        lost = "seq" not in message
        if lost != self.bus_lost:
            self.note("the gateway has lost the bus: prices may be old" if lost else "the gateway has the bus again")
        self.bus_lost = lost
        for stream in self._positions.behind(message.get("seq", {})):
            self._lost(f"{stream}: the gateway has sent more than arrived")

    def _status(self, message: Message) -> None:
        self._row(message["S"]).state = message["state"]
        self.note(f"{message['S']} is {message['state']}")

    def _notice(self, message: Message) -> None:
        lag = f" ({message['lag_ms']} ms behind)" if "lag_ms" in message else ""
        self.note(f"{message['code']}: {message['msg']}{lag}")

    def _error(self, message: Message) -> None:
        detail = f": {message['detail']}" if "detail" in message else ""
        self.note(f"error {message['code']}: {message['msg']}{detail}")


def _symbol_of(stream: str) -> str:
    return stream.split(":", 1)[1]


def _missing(gap: Message) -> str:
    if "ids" in gap:
        return f"venue ids {gap['ids'][0]} to {gap['ids'][1]} missing"
    if gap["to"] is None:
        return f"everything after {gap['from'] - 1} missing"
    return f"ticks {gap['from']} to {gap['to']} missing"
