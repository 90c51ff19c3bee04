"""How long a stamp was under way that a client returned."""

from typing import Final

from feed.core.ticks import NS_PER_S
from feed.wire import commands
from feed.wire.errors import Code, ProtocolError

# A stamp that lies further away than this measures a broken clock or a joke, not a round trip.
MAX_TRIP_S: Final = 60.0
# Ahead of this clock is what another gateway stamped whose clock is ahead, or this one before its clock was set back.
MAX_AHEAD_S: Final = 1.0


def trip_s(command: commands.Echo, now_ns: int) -> float:
    """From the stamp to now, both of this gateway's clock. Raises ProtocolError for what is no stamp of its own."""
    trip = (now_ns - command.tw * 1000) / NS_PER_S
    if not -MAX_AHEAD_S <= trip <= MAX_TRIP_S:
        raise ProtocolError(Code.INVALID_SYNTAX, "tw: no stamp of the last minute", command.id)
    return trip
