"""What a venue is to the connector: where to connect, what to ask for, and what its frames mean."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from feed.core.ticks import Tick

# Why a venue ends a connection, as it says: it shuts down, or it refused the subscription.
ANNOUNCED: Final = ("shutdown", "refused")


class VenueError(Exception):
    """A frame that this venue should not have sent: not its format, or not what was asked for.

    `what` is one of the venue's `faults`, a metric's label; `reason` says what is wrong with this one frame.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason


class ConnectionEnds(Exception):
    """The venue said that this connection will bring no more: it shuts down, or it refused the subscription.

    `reason` is one of ANNOUNCED, a metric's label; `detail` is the venue's own text.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Subscription(NamedTuple):
    """One connection to open: its URL, what to send once it is up, the pause to keep between those frames, and the
    symbols that it brings."""

    url: str
    frames: tuple[str, ...]
    interval_s: float
    symbols: tuple[str, ...]


class Venue(Protocol):
    """One venue's wire format, for the symbols that it was made with. Pure: no I/O, no clock."""

    name: str
    """The feed's name."""
    url: str
    """Where the venue is in production."""
    contiguous: frozenset[str]
    """Kinds whose ids rise by exactly one per symbol."""
    faults: tuple[str, ...]
    """What can be wrong with a frame, in a word each."""

    @property
    def inexact(self) -> int:
        """Numbers so far that float64 does not hold exactly."""
        ...

    def subscriptions(self, url: str) -> Sequence[Subscription]:
        """The connections that together bring all symbols, each within the venue's limits. `url` is scheme and host."""
        ...

    def parse(self, frame: str | bytes, ts_recv: int) -> Sequence[Tick]:
        """The ticks of one frame, in its order; none where it is an answer to us.

        Raises VenueError for a frame that can't be read, ConnectionEnds where the venue said that it ends, and nothing
        else, whatever the bytes.
        """
        ...
