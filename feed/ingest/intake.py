"""What one venue connection read, turned into ticks for the sink, counted, and logged where it makes no sense."""

import time
from collections.abc import Collection, Sequence

import structlog

from feed import metrics
from feed.core.outage import Outage
from feed.core.ticks import NS_PER_S, Tick
from feed.ingest.source import Sink
from feed.ingest.venues import ConnectionEnds, Venue, VenueError

LOGGED_BYTES = 200

Received = tuple[int, bytes]
"""When a frame was received, in nanoseconds since the epoch, and the frame."""

log = structlog.get_logger(__name__)


class Intake:
    """Between the connections that bring one subscription, one after the other, and the sink."""

    def __init__(self, venue: Venue, symbols: Collection[str], sink: Sink) -> None:
        self.ticks = 0
        """Ticks so far, over all connections."""
        self._venue = venue
        self._symbols = symbols
        self._sink = sink
        self._lost = False
        self._outage = Outage()
        self._logged: set[str] = set()
        feed = venue.name
        self._frames = metrics.INGEST_FRAMES.labels(feed)
        self._bytes = metrics.INGEST_BYTES.labels(feed)
        self._inexact = metrics.INGEST_INEXACT.labels(feed)
        self._hop = metrics.hop(feed, metrics.HOP_VENUE_INGEST)

    def lost(self, reason: str) -> bool:
        """The connection is gone, or did not come up. The sink hears of it before the next ticks, if it ever had any.
        Whether that is news to whoever reads the log."""
        self._lost = self.ticks > 0
        self._logged.clear()
        return self._outage.begins(reason, time.monotonic())

    def take(self, received: Sequence[Received]) -> bool:
        """Gives the sink the ticks of these frames, all at once; whether at least one frame made sense.

        Raises ConnectionEnds if one of them said so, when the ticks of all the others are delivered.
        """
        ticks: list[Tick] = []
        ends: ConnectionEnds | None = None
        refused = 0
        inexact_before = self._venue.inexact
        for ts_recv, frame in received:
            try:
                ticks += self._venue.parse(frame, ts_recv)
            except VenueError as error:
                refused += 1
                self._refuse(error, frame)
            except ConnectionEnds as said:
                ends = said
        self._frames.inc(len(received))
        self._bytes.inc(sum(len(frame) for _, frame in received))
        if self._venue.inexact > inexact_before:
            self._inexact.inc(self._venue.inexact - inexact_before)
        if ticks:
            self._deliver(ticks)
        if ends is not None:
            raise ends
        return refused < len(received)

    def _deliver(self, ticks: Sequence[Tick]) -> None:
        if self._outage.lasts or not self.ticks:
            self._there()
        if self._lost:
            self._lost = False
            self._sink.reconnected(self._symbols)
        self.ticks += len(ticks)
        self._sink.ticks(ticks)
        # A tick whose two times are the same has no time from its venue, so it can't tell a delay.
        self._hop.observe_all([delay_ns / NS_PER_S for tick in ticks if (delay_ns := tick.ts_recv - tick.ts_event)])

    def _there(self) -> None:
        """Ticks come, for the first time or again."""
        away_s = self._outage.ends(time.monotonic())
        if not self.ticks:
            log.info("venue_connected", feed=self._venue.name, symbols=len(self._symbols))
        else:
            log.info("venue_back", feed=self._venue.name, symbols=len(self._symbols), away_s=away_s)

    def _refuse(self, error: VenueError, frame: bytes) -> None:
        metrics.INGEST_PARSE_ERRORS.labels(self._venue.name, error.what).inc()
        if error.what not in self._logged:
            # Once per kind and connection: a flood of one shall not leave the others out.
            self._logged.add(error.what)
            log.warning(
                "venue_frame_refused",
                feed=self._venue.name,
                what=error.what,
                reason=error.reason,
                frame=frame[:LOGGED_BYTES].decode(errors="backslashreplace"),
            )
