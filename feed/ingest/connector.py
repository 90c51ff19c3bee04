"""The source that reads a venue: its WebSocket connections, opened again whenever they end."""

import asyncio
import random
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
import structlog

from feed import metrics
from feed.core.backoff import delay_s
from feed.core.shards import Share
from feed.ingest.connection import ENDS, Connection
from feed.ingest.intake import Intake
from feed.ingest.source import Sink
from feed.ingest.venues import Subscription, Venue
from feed.settings import Ingest

log = structlog.get_logger(__name__)


class Connector:
    """A venue's live ticks, over as many connections as its limits ask for."""

    def __init__(
        self,
        venue: Venue,
        url: str,
        knobs: Ingest,
        chance: Callable[[], float] = random.random,
        share: Share | None = None,
    ) -> None:
        """`url` is the scheme and host to connect to; `chance` gives random numbers in [0, 1) for the backoff.

        Raises ValueError for a URL that can never work: retrying would hide it.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url!r} is not ws://HOST or wss://HOST")
        self.feed = venue.name
        self.share = share
        self.contiguous = venue.contiguous
        self.anew = False
        self._venue = venue
        self._subscriptions = venue.subscriptions(url)
        self.symbol_count = sum(len(each.symbols) for each in self._subscriptions)
        self._knobs = knobs
        self._chance = chance
        self._connections: dict[Subscription, Connection] = {}
        self._gauge = metrics.INGEST_CONNECTED.labels(self.feed)
        # seen from the beginning: Prometheus would miss the first event
        for reason in ENDS:
            metrics.INGEST_RECONNECTS.labels(self.feed, reason)
        for what in venue.faults:
            metrics.INGEST_PARSE_ERRORS.labels(self.feed, what)

    def connected(self) -> bool:
        """Whether every connection is up: with one of them down, some symbol is silent for no reason of its own."""
        return len(self._connections) == len(self._subscriptions) and all(
            connection.up for connection in self._connections.values()
        )

    def silent(self) -> frozenset[str] | None:
        """The symbols whose connection is down or has brought nothing yet; None: all of them."""
        mute = [each for each in self._subscriptions if not self._hears(each)]
        if len(mute) == len(self._subscriptions):
            return None
        return frozenset(symbol for each in mute for symbol in each.symbols)

    async def run(self, sink: Sink, stop: asyncio.Event) -> None:
        """Reads until `stop` is set. Raises only faults of code, in an ExceptionGroup."""
        self._changed()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            keeping = [tasks.create_task(self._keep(session, each, sink)) for each in self._subscriptions]
            await stop.wait()
            for task in keeping:
                task.cancel()

    def _hears(self, subscription: Subscription) -> bool:
        connection = self._connections.get(subscription)
        return connection is not None and connection.hears

    def _changed(self) -> None:
        self._gauge.set(self.connected())

    async def _keep(self, session: aiohttp.ClientSession, subscription: Subscription, sink: Sink) -> None:
        knobs = self._knobs
        clock = asyncio.get_running_loop().time
        intake = Intake(self._venue, subscription.symbols, sink)
        failures = 0
        while True:
            began, ticks_before = clock(), intake.ticks
            connection = Connection(session, subscription, knobs, intake.take, self._changed)
            self._connections[subscription] = connection
            ended = await connection.run()
            # One tick is no proof: a venue that drops us after each would be called often enough to ban our address.
            good = intake.ticks > ticks_before and clock() - began >= knobs.backoff_max_s
            failures = 1 if good else failures + 1
            delay = delay_s(failures, knobs.backoff_min_s, knobs.backoff_max_s, self._chance())
            metrics.INGEST_RECONNECTS.labels(self.feed, ended.reason).inc()
            log.debug("venue_retry", feed=self.feed, reason=ended.reason, retry_in_s=round(delay, 3))
            if intake.lost(ended.reason):
                log.warning(
                    "venue_lost",
                    feed=self.feed,
                    reason=ended.reason,
                    detail=ended.detail,
                    symbols=len(subscription.symbols),
                    retry_in_s=round(delay, 3),
                )
            await asyncio.sleep(delay)
