"""Reads logs for clients that resume, together: what many ask for is read once."""

import asyncio
import random
import time
from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

import structlog

from feed import metrics
from feed.bus.errors import BusDown
from feed.bus.store import Past, Store
from feed.core.backoff import delay_s
from feed.core.outage import Outage
from feed.core.streams import Position
from feed.gateway.live import LiveStream
from feed.gateway.resume import first_wanted
from feed.settings import Redis

# Entries of one stream, and streams, that are read in one go: some milliseconds of decoding.
PAGE: Final = 500
STREAMS: Final = 4

log = structlog.get_logger(__name__)


class _Ask(NamedTuple):
    at: Position
    then: Callable[[Past], None]


class Backfill:
    """Answers to a stream's clients come from one reading, from before the oldest position that waits.

    `absorbed` takes a stream's reading first, so that the tail has it for those who ask later. Asks wait for a bus that
    is away, without a limit of their own: whoever asks calls it off in the end.
    """

    def __init__(self, settings: Redis, absorbed: Callable[[LiveStream, Past], None]) -> None:
        self._store = Store(settings, "feed-gateway-log")
        self._absorbed = absorbed
        self._asks: dict[LiveStream, dict[_Ask, None]] = {}
        self._wake = asyncio.Event()
        self._reads = metrics.GATEWAY_LOG_READS

    def ask(self, live: LiveStream, at: Position, then: Callable[[Past], None]) -> Callable[[], None]:
        asked = _Ask(at, then)
        self._asks.setdefault(live, {})[asked] = None
        self._wake.set()
        return lambda: self._call_off(live, asked)

    async def run(self) -> None:
        """Reads until cancelled."""
        failures, outage = 0, Outage()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asks:
                wanted = {live: min(map(_first, asks)) for live, asks in islice(self._asks.items(), STREAMS)}
                try:
                    pasts = await self._store.pages([(live.stream, first) for live, first in wanted.items()], PAGE)
                except BusDown as error:
                    failures += 1
                    if outage.begins(str(error), time.monotonic()):
                        log.warning("history_lost", error=str(error), streams=len(self._asks))
                    await asyncio.sleep(delay_s(failures, 0.05, 1.0, random.random()))
                    continue
                failures = 0
                if (away_s := outage.ends(time.monotonic())) is not None:
                    log.info("history_back", away_s=away_s, streams=len(self._asks))
                self._reads.inc(len(wanted))
                for (live, first), past in zip(wanted.items(), pasts, strict=True):
                    self._answer(live, first, past)
                    await asyncio.sleep(0)  # live ticks go out in between

    async def close(self) -> None:
        await self._store.close()

    def _answer(self, live: LiveStream, first: int, past: Past) -> None:
        self._absorbed(live, past)
        reached = past.entries[-1][0] if past.entries else first
        for asked in list(self._asks.get(live, ())):
            # older ones came meanwhile, newer ones may lie behind the page: they are read next
            if _first(asked) == first or (_first(asked) > first and asked.at.seq < reached):
                self._call_off(live, asked)
                asked.then(past)
        if live in self._asks:
            self._asks[live] = self._asks.pop(live)  # the others first

    def _call_off(self, live: LiveStream, asked: _Ask) -> None:
        asks = self._asks.get(live, {})
        asks.pop(asked, None)
        if not asks:
            self._asks.pop(live, None)


def _first(asked: _Ask) -> int:
    return first_wanted(asked.at)
