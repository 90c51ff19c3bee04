"""What a client is told, as values: ticks, what is missing, and what became of the connection.

Times are integer nanoseconds since the Unix epoch. A `stream` is `kind:symbol` within the feed, such as
`trades:BTC/USDT`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from feed.core.streams import Position
from feed.core.ticks import Tick


class Merged(NamedTuple):
    """What a conflated update stands for: `ticks` ticks, the first of them numbered `first`.

    Of trades also their total size and their highest and lowest price; None of quotes and bars.
    """

    ticks: int
    first: int
    volume: float | None = None
    high: float | None = None
    low: float | None = None


class Stamps(NamedTuple):
    """When a tick passed each hop, exact to the microsecond; differences are negative where a clock runs behind.

    `ts_pub` is None for a tick that the gateway read from the log instead of hearing it live.
    """

    ts_recv: int
    ts_pub: int | None
    ts_gateway: int
    ts_out: int


class Update(NamedTuple):
    """One tick, at its place in its stream; or the newest of several, if `merged`.

    `snapshot`: the stream's last tick, given so that there is something to begin with. `tick.ts_recv` is 0 without
    stamps.
    """

    stream: str
    epoch: str | None
    seq: int
    tick: Tick
    merged: Merged | None = None
    snapshot: bool = False
    stamps: Stamps | None = None


class Gap(NamedTuple):
    """Entries `first` to `last` will not come; `last` is None where their epoch ended at a place nobody knows.

    `cause` is history (resume reached too far back), bus, venue, ingest, or client: the stream could not be resumed at
    the position held here. `ids` are the missing venue ids where they are known; `seq` is the gap's own number where it
    is itself an entry of the stream. The next entry is that of `next`.
    """

    stream: str
    epoch: str | None
    first: int
    last: int | None
    next: Position
    cause: str
    ids: tuple[int, int] | None = None
    seq: int | None = None


class NewEpoch(NamedTuple):
    """The stream goes on at `seq` in another epoch, and nothing was lost."""

    stream: str
    epoch: str
    seq: int


class Breach(Enum):
    """How a gateway broke its promises."""

    HOLE = "hole"  # entries are missing before what came, and nothing named them
    REPEAT = "repeat"  # came before, or was named in a gap
    LATE = "late"  # out of order: it belongs into a hole that was told of
    TOTALS = "totals"  # a conflated update whose numbers don't add up
    BEHIND = "behind"  # a heartbeat knows of entries that never came
    UNPLACED = "unplaced"  # of a stream whose place was never told


class Fault(NamedTuple):
    """The gateway broke a promise about entries `first` to `last`; the position stands before them where they lack.

    `update` is a tick that is not given as an `Update` of its own: it came twice or late.
    """

    breach: Breach
    stream: str
    epoch: str | None
    first: int
    last: int
    update: Update | None = None


class Granted(NamedTuple):
    """Where a stream stood when the gateway answered. `recovered` is None for one that was not resumed."""

    epoch: str | None
    seq: int
    rate: float = 0
    recovered: bool | None = None


class Subscribed(NamedTuple):
    """The gateway took a subscription, also one that was made anew after a reconnect; what it changed, by stream."""

    streams: Mapping[str, Granted]


class Unsubscribed(NamedTuple):
    """The gateway dropped streams; no more of these comes."""

    streams: frozenset[str]


class Heartbeat(NamedTuple):
    """Nothing else was sent for a second. While not `bus_up` the gateway hears of no ticks itself."""

    ts_gateway: int
    bus_up: bool


class Status(NamedTuple):
    """A symbol's source fell silent or came back: `state` is live, stale or halted."""

    symbol: str
    state: str
    ts_gateway: int


class Notice(NamedTuple):
    """What the gateway is about to do with the connection: `code` is slow, drain or expiring."""

    code: str
    text: str
    lag_ms: int | None = None


class Complaint(NamedTuple):
    """An error that answers no command of this client."""

    code: int
    text: str
    detail: str = ""


class Connected(NamedTuple):
    url: str


class Lost(NamedTuple):
    """A connection, or an attempt at one, has ended; the next attempt comes `delay_s` later. `code` closed it."""

    why: str
    delay_s: float
    code: int | None = None


Event = (
    Update
    | Gap
    | NewEpoch
    | Fault
    | Subscribed
    | Unsubscribed
    | Heartbeat
    | Status
    | Notice
    | Complaint
    | Connected
    | Lost
)
