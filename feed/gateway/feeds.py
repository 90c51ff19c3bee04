"""All feeds of a gateway: what the bus reads goes to the hub of its feed."""

import asyncio
from collections.abc import Iterable

from feed.bus.reading import Batch, Hole
from feed.bus.store import Past
from feed.bus.subscriber import Subscriber
from feed.core.streams import Position, Stream
from feed.core.ticks import Tick
from feed.gateway.backfill import Backfill
from feed.gateway.clock import LoopClock
from feed.gateway.hub import Hub
from feed.gateway.live import LiveStream
from feed.settings import Values


class Feeds:
    """A hub for each configured feed, and the one subscriber that they share. It is the subscriber's listener."""

    def __init__(self, values: Values, names: Iterable[str]) -> None:
        self.subscriber = Subscriber(values, self)
        clock = LoopClock()
        self.backfill = Backfill(values.redis, self._absorb)
        self._hubs = {
            name: Hub(name, self.subscriber, clock, self.backfill, values.flush, values.gateway, values.metrics)
            for name in names
        }
        self.bus_up = False
        for name in self._hubs:
            self.subscriber.want_workers(name)

    def hub(self, feed: str) -> Hub | None:
        return self._hubs.get(feed)

    @property
    def names(self) -> list[str]:
        return list(self._hubs)

    async def beat(self, silence_s: float) -> None:
        """Sends heartbeats to connections that hear nothing else, until cancelled."""
        while True:
            # four looks per interval: no silence grows longer than a quarter above it
            await asyncio.sleep(silence_s / 4)
            for hub in self._hubs.values():
                hub.beat(silence_s)

    def _absorb(self, live: LiveStream, past: Past) -> None:
        self._hubs[live.stream.feed].absorb(live, past)

    def opened(self, stream: Stream, at: Position, last: tuple[int, Tick] | None) -> None:
        self._hubs[stream.feed].opened(stream, at, last)

    def batch(self, stream: Stream, batch: Batch) -> None:
        self._hubs[stream.feed].batch(stream, batch)

    def hole(self, stream: Stream, hole: Hole) -> None:
        self._hubs[stream.feed].hole(stream, hole)

    def epoch(self, stream: Stream, at: Position) -> None:
        self._hubs[stream.feed].epoch(stream, at)

    def symbols(self, feed: str, streams: frozenset[Stream]) -> None:
        self._hubs[feed].interest.symbols(streams)

    def sources(self, feed: str, stale: frozenset[str] | None) -> None:
        self._hubs[feed].sources(stale)

    def connected(self, up: bool) -> None:
        self.bus_up = up
        for hub in self._hubs.values():
            hub.bus_up = up
