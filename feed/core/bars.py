"""Bars: trades gathered per symbol and interval, exact sums, closed on the venue's clock."""

from collections.abc import Iterator
from typing import Final

from feed.core.exact import SCALE, Exact, exact, rounded
from feed.core.ticks import BAR_INTERVAL_NS, BARS, BARS_1S, NS_PER_S, Bar, Trade

MAX_OPEN: Final = 128
"""Intervals that one kind keeps open. One more gives up the oldest: it is not published, its trades count as late."""

SETTLE_NS: Final = NS_PER_S
"""On subscribing, venues send trades of the past (Coinbase's `last_match` was up to 107 s old), so the first trade does
not tell when reading began; the newest one of the first second does, and errs on the late side."""

JUMP_NS: Final = 60 * NS_PER_S
"""Further ahead of the venue's clock a trade is believed only with a second one: one wrong time, taken for the present,
would close every interval up to it. Replays of one day after another do jump, and go on jumped."""

_NEVER: Final = -(1 << 63)


class VenueClock:
    """The venue's time: the last trade's, and since then as much more as passed here.

    A trade more than JUMP_NS ahead doesn't move it. Two in a row do, as far as both agree.
    """

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._doubted: int | None = None

    def saw(self, ts_event: int, monotonic_ns: int) -> None:
        """A trade of the time `ts_event` was read when the local monotonic clock showed `monotonic_ns`."""
        now, doubted = self.now(monotonic_ns), self._doubted
        ahead = now is not None and ts_event - now > JUMP_NS
        self._doubted = ts_event if ahead else None
        if not ahead:
            self._last = ts_event, monotonic_ns
        elif doubted is not None:
            # Not only where the two are close: trades of a thinly traded symbol, replayed fast, never would be.
            self._last = min(ts_event, doubted), monotonic_ns

    def now(self, monotonic_ns: int) -> int | None:
        """Nanoseconds since the epoch, or None before the first trade."""
        if self._last is None:
            return None
        ts_event, then = self._last
        return ts_event + monotonic_ns - then


class BarBuilder:
    """Gathers trades into bars of each of `kinds` and gives out those that are closed and wholly read.

    The interval in which reading began, was interrupted, or (with `contiguous` ids) misses an id gives no bar, nor does
    one without trades. Open, high, low and close are in the order of `trade` calls, whatever the event times say.
    """

    def __init__(self, kinds: tuple[str, ...] = (BARS, BARS_1S), grace_ns: int = 0, contiguous: bool = False) -> None:
        self._lanes = tuple(_Lane(kind) for kind in kinds)
        self._grace_ns = grace_ns
        self._contiguous = contiguous
        self._last_id: dict[str, int | None] = {}
        self._whole_from = _NEVER
        self._whole_from_of: dict[str, int] = {}
        self._settled_at: int | None = None

    @property
    def late(self) -> dict[str, int]:
        """Trades not put in because their interval had closed, by kind, since the beginning."""
        return {lane.kind: lane.late for lane in self._lanes}

    def trade(self, trade: Trade) -> None:
        """Puts a trade into the open bar of each kind. Its interval closed already: counted as late, not put in."""
        symbol, ts, recv, price = trade.symbol, trade.ts_event, trade.ts_recv, trade.price
        if self._settled_at is None or recv < self._settled_at:
            self._settle(ts, recv)
        if self._contiguous:
            self._follow(symbol, trade.id, ts)
        size = exact(trade.size)
        notional = size * exact(price)
        for lane in self._lanes:
            start = ts - ts % lane.interval_ns
            cells = lane.open.get(start)
            if cells is None:
                cells = lane.opened(start, self._whole_from)
                if cells is None:
                    continue
            cell = cells.get(symbol)
            if cell is None:
                cell = cells[symbol] = _Cell(price)
            cell.add(price, size, notional, recv)

    def close_until(self, venue_now_ns: int) -> list[Bar]:
        """Closes every interval whose end and grace the venue's clock has passed; earliest first within a kind."""
        bars: list[Bar] = []
        for lane in self._lanes:
            for start, symbol, cell in lane.closed(venue_now_ns - self._grace_ns):
                if start >= self._whole_from and start >= self._whole_from_of.get(symbol, _NEVER):
                    bars.append(cell.bar(symbol, lane.kind, start))
        return bars

    def interrupted(self) -> None:
        """The source lost its connection: no bar that is open now is ever given, reading begins anew."""
        for lane in self._lanes:
            lane.clear()
        self._last_id.clear()
        self._whole_from_of.clear()
        self._whole_from = _NEVER
        self._settled_at = None

    def complete_from(self, ts_event: int) -> None:
        """The source says that it gives every trade from this venue time on: no interval after it is held back."""
        self._whole_from = ts_event
        self._settled_at = _NEVER

    def _settle(self, ts: int, recv: int) -> None:
        if self._settled_at is None:
            self._settled_at = recv + SETTLE_NS
        self._whole_from = max(self._whole_from, ts + 1)

    def _follow(self, symbol: str, trade_id: int | None, ts: int) -> None:
        last = self._last_id.get(symbol)
        self._last_id[symbol] = trade_id
        if last is not None and trade_id != last + 1:
            self._whole_from_of[symbol] = max(self._whole_from_of.get(symbol, _NEVER), ts + 1)


class _Lane:
    """The open intervals of one kind, by their start."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.interval_ns = BAR_INTERVAL_NS[kind]
        self.open: dict[int, dict[str, _Cell]] = {}
        self.late = 0
        self._closed_before = _NEVER

    def opened(self, start: int, whole_from: int) -> "dict[str, _Cell] | None":
        """A new interval's cells, or None where it has closed: late, unless it was never going to give a bar."""
        if start < self._closed_before:
            self.late += start >= whole_from
            return None
        if len(self.open) >= MAX_OPEN:
            oldest = min(start, *self.open)
            self.late += sum(cell.count for cell in self.open.pop(oldest, {}).values())
            if oldest == start:
                self.late += 1
                return None
        return self.open.setdefault(start, {})

    def closed(self, until: int) -> "Iterator[tuple[int, str, _Cell]]":
        """Takes out the intervals that end at `until` or before."""
        before = until - until % self.interval_ns
        if before <= self._closed_before:
            return
        self._closed_before = before
        for start in sorted(start for start in self.open if start < before):
            for symbol, cell in self.open.pop(start).items():
                yield start, symbol, cell

    def clear(self) -> None:
        self.open.clear()
        self._closed_before = _NEVER


class _Cell:
    """One open bar. Sizes are in units of 1e-8, the notional in units of 1e-16: integers, unless a tick is finer."""

    __slots__ = ("close", "count", "high", "low", "notional", "open", "recv", "volume")

    def __init__(self, price: float) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume: Exact = 0
        self.notional: Exact = 0
        self.count = 0
        self.recv = 0

    def add(self, price: float, size: Exact, notional: Exact, recv: int) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += size
        self.notional += notional
        self.count += 1
        self.recv = recv

    def bar(self, symbol: str, kind: str, start: int) -> Bar:
        volume, count = self.volume, self.count
        # An integer division and a fraction's float are both rounded once. Trades of size 0 have no mean: their last.
        vwap = float(self.notional / (volume * SCALE)) if volume else self.close
        prices = (self.open, self.high, self.low, self.close)
        return Bar(symbol, start, kind, *prices, rounded(volume), count, vwap, start, self.recv)
