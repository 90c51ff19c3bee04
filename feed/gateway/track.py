"""Where a client in a lane stands in one of its streams."""

import math

from feed.core.streams import Position
from feed.gateway.live import LiveStream
from feed.gateway.message import Conflator, Message


class Track:
    """Where the client stands in one stream. `lead` is to be sent before what follows `at`."""

    __slots__ = ("ask_again", "at", "conflator", "due", "held_after", "lead", "live", "rate")

    def __init__(self, live: LiveStream, at: Position, rate: float, lead: list[Message] | None = None) -> None:
        self.live = live
        self.at = at
        self.rate = rate
        self.lead = lead or []
        self.conflator = Conflator()  # of what a rate holds back, which begins after `held_after`
        self.held_after = at
        self.due = -math.inf
        self.ask_again = -math.inf

    @property
    def told(self) -> Position:
        """Up to where the client was sent everything."""
        return self.held_after if self.conflator else self.at

    @property
    def behind(self) -> bool:
        """Whether there is something to be sent that others were sent already."""
        end = self.live.tail.end
        return bool(self.lead) or (self.at != end and not (self.at.epoch == end.epoch and self.at.seq > end.seq))

    @property
    def caught_up(self) -> bool:
        return not (self.lead or self.conflator) and self.at == self.live.sent(self.rate)
