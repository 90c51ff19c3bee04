"""What a watcher knows of a feed: a client's events in, rows, counts and notes out."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from feed.client.events import (
    Breach,
    Complaint,
    Connected,
    Event,
    Fault,
    Gap,
    Heartbeat,
    Lost,
    Notice,
    Status,
    Subscribed,
    Update,
)
from feed.client.measure import Rate, Samples
from feed.core.ticks import Bar, Quote, Trade

NOTES_KEPT: Final = 100


class Row:
    """One symbol. `trade`, `quote` and `bar` are its last ticks; delays are in microseconds."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.trade: Trade | None = None
        self.quote: Quote | None = None
        self.bar: Bar | None = None
        self.direction = 0
        self.state = "live"
        self.gaps = 0
        self.heard_ns: int | None = None
        self.trades = Rate()
        self.quotes = Rate()
        self.delay = Samples()

    def take(self, update: Update, now_ns: int) -> None:
        tick = update.tick
        heard_ns = min(now_ns, tick.ts_event) if update.snapshot else now_ns
        self.heard_ns = max(heard_ns, self.heard_ns or heard_ns)
        count = 0 if update.snapshot else update.merged.ticks if update.merged else 1
        if isinstance(tick, Trade):
            self._moved(tick.price)
            self.trade = tick
            self.trades.add(count, now_ns)
        elif isinstance(tick, Quote):
            self.quote = tick
            self.quotes.add(count, now_ns)
        else:
            self.bar = tick
        # what the gateway read from the log instead of hearing it live bears no time of publishing
        if not update.snapshot and update.stamps is not None and update.stamps.ts_pub is not None:
            self.delay.add((now_ns - update.stamps.ts_pub) // 1000, now_ns)

    def _moved(self, price: float) -> None:
        if self.trade is not None and price != self.trade.price:
            self.direction = 1 if price > self.trade.price else -1


class Board:
    """All rows of one watcher, in the order of their first mention."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self.rows: dict[str, Row] = {symbol: Row(symbol) for symbol in symbols if symbol != "*"}
        self.messages = Rate()
        self.bytes = Rate()
        self.gaps = 0
        self.unexplained = 0
        self.reconnects = 0
        self.bus_lost = False
        self.notes: deque[str] = deque(maxlen=NOTES_KEPT)
        self.noted = 0
        self._told: dict[type, Callable[[Any], None]] = {
            Gap: self._gap,
            Fault: self._fault,
            Subscribed: self._subscribed,
            Heartbeat: self._heartbeat,
            Status: self._status,
            Notice: self._notice,
            Complaint: self._complaint,
            Lost: self._lost,
            Connected: self._connected,
        }

    def take(self, event: Event, now_ns: int) -> None:
        if isinstance(event, Update):
            self.messages.add(1, now_ns)
            self._row(event.tick.symbol).take(event, now_ns)
        elif type(event) in self._told:
            self._told[type(event)](event)

    def note(self, text: str) -> None:
        self.noted += 1
        self.notes.append(text)

    def _row(self, symbol: str) -> Row:
        return self.rows.setdefault(symbol, Row(symbol))

    def _gap(self, gap: Gap) -> None:
        self.gaps += 1
        self._row(_symbol_of(gap.stream)).gaps += 1
        self.note(f"gap in {gap.stream}: {_missing(gap)} ({gap.cause})")

    def _fault(self, fault: Fault) -> None:
        self.unexplained += 1
        self.note(f"{fault.stream}: {_wrong(fault)}")

    def _subscribed(self, answer: Subscribed) -> None:
        resumed = [granted.recovered for granted in answer.streams.values() if granted.recovered is not None]
        if resumed:
            self.note(f"resumed {sum(resumed)} of {len(resumed)} streams where they had stopped")

    def _heartbeat(self, beat: Heartbeat) -> None:
        lost = not beat.bus_up
        if lost != self.bus_lost:
            self.note("the gateway has lost the bus: prices may be old" if lost else "the gateway has the bus again")
        self.bus_lost = lost

    def _status(self, status: Status) -> None:
        self._row(status.symbol).state = status.state
        self.note(f"{status.symbol} is {status.state}")

    def _notice(self, notice: Notice) -> None:
        lag = "" if notice.lag_ms is None else f" ({notice.lag_ms} ms behind)"
        self.note(f"{notice.code}: {notice.text}{lag}")

    def _complaint(self, error: Complaint) -> None:
        self.note(f"error {error.code}: {error.text}{error.detail and f': {error.detail}'}")

    def _lost(self, lost: Lost) -> None:
        self.reconnects += 1
        self.note(f"{lost.why}; reconnecting in {lost.delay_s:.1f} s")

    def _connected(self, connected: Connected) -> None:
        self.bus_lost = False
        if self.reconnects:
            self.note(f"connected to {connected.url}")


def _symbol_of(stream: str) -> str:
    return stream.split(":", 1)[1]


def _missing(gap: Gap) -> str:
    if gap.ids is not None:
        return f"venue ids {gap.ids[0]} to {gap.ids[1]} missing"
    if gap.last is None:
        return f"everything after {gap.first - 1} missing"
    return f"ticks {gap.first} to {gap.last} missing"


def _wrong(fault: Fault) -> str:
    return {
        Breach.HOLE: f"ticks before {fault.last + 1} are missing, and no message named them",
        Breach.REPEAT: f"tick {fault.last} came twice",
        Breach.LATE: f"tick {fault.last} came out of order",
        Breach.TOTALS: f"what tick {fault.last} stands for does not add up",
        Breach.BEHIND: "the gateway has sent more than arrived",
        Breach.UNPLACED: f"tick {fault.last} came without its place being told",
    }[fault.breach]
