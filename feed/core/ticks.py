"""The vocabulary: what a venue's message means once it is normalised.

Times are integer nanoseconds since the Unix epoch. Prices and sizes are float64: every decimal of up to 15 significant
digits survives. An `id` is the venue's own and only ever compared within one stream.
"""

from typing import Final, NamedTuple

TRADES: Final = "trades"
QUOTES: Final = "quotes"
BARS: Final = "bars"  # one minute, complete
BARS_1S: Final = "bars1s"  # one second, complete

KINDS: Final = (TRADES, QUOTES, BARS, BARS_1S)

NS_PER_S: Final = 1_000_000_000
BAR_INTERVAL_NS: Final = {BARS: 60 * NS_PER_S, BARS_1S: NS_PER_S}


class Trade(NamedTuple):
    """One execution. `side` is the aggressor's: "B", "S", or "" where the venue does not say."""

    symbol: str
    id: int | None
    price: float
    size: float
    side: str
    ts_event: int
    ts_recv: int
    exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""


class Quote(NamedTuple):
    """Best bid and ask. A side without an order has price and size 0; crossed quotes occur and pass as they are."""

    symbol: str
    id: int | None
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_event: int
    ts_recv: int
    bid_exchange: str = ""
    ask_exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""


class Bar(NamedTuple):
    """A complete bar. `id` and `ts_event` are its start; `volume` is the exact sum of its trades' sizes."""

    symbol: str
    id: int
    kind: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    count: int  # type: ignore[assignment]  # of trades; hides tuple.count, which nothing needs
    vwap: float
    ts_event: int
    ts_recv: int


class Gap(NamedTuple):
    """An entry of a stream's log that stands for ticks nobody has: `cause` is "venue" or "ingest".

    `after` and `before` are the venue ids of the ticks on either side of the hole, where they are known and the venue's
    ids are contiguous; otherwise None.
    """

    symbol: str
    cause: str
    after: int | None
    before: int | None
    ts_recv: int

    @property
    def ids(self) -> tuple[int, int] | None:
        """First and last missing venue id, or None where they are not known."""
        if self.after is None or self.before is None:
            return None
        return self.after + 1, self.before - 1


Tick = Trade | Quote | Bar


def kind_of(tick: Tick) -> str:
    """The kind of stream that a tick belongs to."""
    if isinstance(tick, Trade):
        return TRADES
    if isinstance(tick, Quote):
        return QUOTES
    return tick.kind
