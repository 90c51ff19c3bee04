"""Which streams feeds have, as the directories at one master tell, each read again when it may have changed."""

import time
from typing import Final

from feed.bus import log as logs
from feed.bus.connect import Link
from feed.bus.errors import BusRefused
from feed.bus.reading import Listener
from feed.bus.subscriber_meters import SubscriberMeters
from feed.bus.topology import unsettled

# Notices of new symbols may be lost with a connection; the directory itself is the truth.
DIRECTORY_S: Final = 10.0


class Directories:
    """Those that are followed, by their channels."""

    def __init__(self, listener: Listener, meters: SubscriberMeters, *, sharded: bool) -> None:
        self._listener = listener
        self._meters = meters
        self._sharded = sharded
        self._feeds: dict[bytes, str] = {}
        self._stale: set[str] = set()
        self._due = 0.0

    @property
    def channels(self) -> frozenset[bytes]:
        return frozenset(self._feeds)

    def want(self, channel: bytes, feed: str) -> None:
        self._feeds[channel] = feed
        self._stale.add(feed)

    def unwant(self, channel: bytes) -> None:
        self._stale.discard(self._feeds.pop(channel, ""))

    def anew(self) -> None:
        """Over a new connection: notices may have been missed."""
        self._due = 0.0

    def notice(self, channel: bytes) -> bool:
        """Something came on a channel; whether it is one of these."""
        feed = self._feeds.get(channel)
        if feed is not None:
            self._stale.add(feed)
        return feed is not None

    async def read(self, calls: Link, now: float) -> None:
        """Reads those that may have changed by monotonic time `now`, but for those on their way to another master,
        which the next call tries again. Raises BusDown, and BusRefused."""
        if now >= self._due:
            self._stale.update(self._feeds.values())
            self._due = now + DIRECTORY_S
        stale, self._stale = self._stale, set()
        for feed in stale:
            asked_at = time.monotonic()
            try:
                reply = await calls.call(*logs.directory_command(feed))
            except BusRefused as error:
                if not self._sharded or not unsettled(str(error)):
                    raise
                self._stale.add(feed)
                continue
            self._meters.directory_read(time.monotonic() - asked_at)
            self._listener.symbols(feed, logs.directory(reply))
