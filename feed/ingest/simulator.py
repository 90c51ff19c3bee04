"""The simulator: a source that needs no network, at any rate, with bursts."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from feed import metrics
from feed.core.shards import Share
from feed.core.ticks import BAR_INTERVAL_NS, BARS, NS_PER_S, QUOTES, TRADES, Trade
from feed.ingest.market import Market
from feed.ingest.source import Sink
from feed.settings import Sim

FEED: Final = "sim"
BURST_S: Final = 1.0

SLICE_MIN_S: Final = 0.002
SLICE_MAX_S: Final = 0.02
SLICE_TICKS: Final = 2_000
"""Ticks made in one go: some 15 ms with their publishing. A sleep follows each time: uvloop writes only when idle."""

BEHIND_MAX_S: Final = 0.25
"""Ticks due for longer than this are not made: after a pause the market goes on, it does not flood."""

HISTORY_TICKS: Final = 150_000
"""What the passed part of the first minute may have: about half a second of work. Higher rates begin thinned out."""

REPORT_S: Final = 10.0

log = structlog.get_logger(__name__)


class Pace:
    """How many ticks are due: a steady rate, multiplied for the last second of every `burst_every_s` (0: never)."""

    def __init__(self, ticks_per_s: float, burst_every_s: float, burst_factor: float) -> None:
        self._ticks_per_s = ticks_per_s
        # Of bursts closer together than slices nothing would be seen but their mean.
        self._every_s = max(burst_every_s, SLICE_MAX_S) if burst_every_s else 0.0
        self._burst_s = min(BURST_S, self._every_s / 2)
        self._extra = burst_factor - 1
        self._settled = 0
        self.skipped = 0
        """Ticks that were due and never made."""

    def due(self, elapsed_s: float) -> int:
        """Whole ticks from the beginning until `elapsed_s` seconds after it."""
        weighted = elapsed_s
        if self._every_s:
            periods, into_s = divmod(elapsed_s, self._every_s)
            burst_s = periods * self._burst_s + max(0.0, into_s - (self._every_s - self._burst_s))
            weighted += burst_s * self._extra
        return int(weighted * self._ticks_per_s)

    def take(self, elapsed_s: float) -> int:
        """How many of the due ticks to make now. Those due since more than BEHIND_MAX_S are skipped."""
        skip = max(0, self.due(elapsed_s - BEHIND_MAX_S) - self._settled)
        self.skipped += skip
        count = max(0, min(self.due(elapsed_s) - self._settled - skip, SLICE_TICKS))
        self._settled += skip + count
        return count


class Simulator:
    """The source "sim". Its market opens at the start of the current minute, so that this minute's bar is whole.

    Each run is a market of its own: one worker at a time, and the first bar after a restart tells of the new one. What
    the one before may still have made is a gap without ids, as nobody knows how much that was.
    """

    feed = FEED
    share: Share | None = None  # its market is one worker's own
    contiguous = frozenset({TRADES, QUOTES})
    anew = True

    def __init__(self, sim: Sim, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.symbol_count = sim.symbols
        self._sim = sim
        self._now_ns = now_ns
        self._slice_s = min(max(SLICE_MIN_S, 0.5 / sim.ticks_per_s), SLICE_MAX_S)
        self._live = False

    def connected(self) -> bool:
        """Whether the market has caught up with the present and trades."""
        return self._live

    def silent(self) -> frozenset[str] | None:
        """No symbol, or all of them before the market opens."""
        return frozenset() if self._live else None

    async def run(self, sink: Sink, stop: asyncio.Event) -> None:
        """Makes ticks in real time until `stop` is set."""
        sim, gauge = self._sim, metrics.INGEST_CONNECTED.labels(FEED)
        start_ns = self._now_ns()
        market = Market(sim.symbols, sim.ticks_per_s, sim.seed, start_ns)
        await self._history(market, sink, start_ns)
        self._live = True
        gauge.set(1)
        try:
            await self._trade(market, sink, stop)
        finally:
            self._live = False
            gauge.set(0)

    async def _history(self, market: Market, sink: Sink, until_ns: int) -> None:
        since_ns = until_ns - until_ns % BAR_INTERVAL_NS[BARS]
        passed_ns = until_ns - since_ns
        left = min(int(self._sim.ticks_per_s * passed_ns / NS_PER_S), HISTORY_TICKS)
        at_ns, step_ns = since_ns, passed_ns // (left + 1)
        sink.history((), since_ns)  # the minute is whole even where nothing of it has passed
        while left > 0:
            count = min(left, SLICE_TICKS)
            ticks = market.ticks(count, at_ns, step_ns, self._now_ns())
            sink.history([tick for tick in ticks if isinstance(tick, Trade)], since_ns)
            at_ns += count * step_ns
            left -= count
            await asyncio.sleep(0)

    async def _trade(self, market: Market, sink: Sink, stop: asyncio.Event) -> None:
        sim = self._sim
        pace = Pace(sim.ticks_per_s, sim.burst_every_s, sim.burst_factor)
        began_s, last_s, last_ns = time.monotonic(), 0.0, self._now_ns()
        told, tell_s = 0, 0.0
        hop = metrics.hop(FEED, metrics.HOP_VENUE_INGEST)
        while not stop.is_set():
            await asyncio.sleep(self._slice_s)
            elapsed_s = time.monotonic() - began_s
            if count := pace.take(elapsed_s):
                now_ns = self._now_ns()
                # Spread over the time since the last slice; the wall clock may have been set meanwhile.
                span_ns = min(max(now_ns - last_ns, 0), int((elapsed_s - last_s) * NS_PER_S))
                step_ns = span_ns // count
                # each in the middle of its part: one that was made when it was received would tell no delay
                first_ns = now_ns - step_ns * (count - 1) - step_ns // 2
                sink.ticks(market.ticks(count, first_ns, step_ns, now_ns))
                hop.observe_all([(now_ns - first_ns - at * step_ns) / NS_PER_S for at in range(count)])
                last_s, last_ns = elapsed_s, now_ns
            if pace.skipped > told and elapsed_s >= tell_s:
                log.warning(
                    "simulator_too_slow", feed=FEED, ticks_skipped=pace.skipped - told, ticks_per_s=sim.ticks_per_s
                )
                told, tell_s = pace.skipped, elapsed_s + REPORT_S
