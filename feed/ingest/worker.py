"""The ingest worker: a source's ticks and the bars made of them, on their way to the publisher."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import structlog

from feed import metrics
from feed.core.bars import BarBuilder, VenueClock
from feed.core.ticks import KINDS, NS_PER_S, QUOTES, TRADES, Quote, Tick, Trade
from feed.ingest.source import Source
from feed.settings import Values

BAR_TIMER_S: Final = 0.1

log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """What takes the worker's ticks: the bus's publisher."""

    def offer(self, tick: Tick) -> None:
        """Takes a tick for the stream of its kind and symbol. Never waits: what it can't hold, it names in a gap."""
        ...

    def reconnected(self, symbols: Collection[str]) -> None:
        """Before what comes next of these symbols, ids may be missing."""
        ...

    async def run(self) -> None:
        """Publishes, and beats for the feed, until cancelled. Reconnects by itself."""
        ...

    async def drain(self, timeout_s: float) -> bool:
        """Whether everything offered was published within the time."""
        ...

    def connected(self) -> bool:
        """Whether ticks can be published at this moment."""
        ...


class Worker:
    """Runs one source and its publisher, and builds the bars. It is the source's sink.

    `stop_s` bounds how long the source may take to end, and `drain_s` how long publishing the rest may take.
    """

    def __init__(
        self,
        values: Values,
        source: Source,
        publisher: Outlet,
        *,
        stop_s: float = 5.0,
        drain_s: float = 5.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._stop_s = stop_s
        self._drain_s = drain_s
        self._monotonic_ns = monotonic_ns
        self._clock = VenueClock()
        self._bars = BarBuilder(
            grace_ns=int(values.ingest.bar_grace_s * NS_PER_S), contiguous=TRADES in source.contiguous
        )
        self._late = self._bars.late
        self._ticked_ns = monotonic_ns()
        self._count = {kind: metrics.INGEST_TICKS.labels(source.feed, kind) for kind in KINDS}
        self._count_late = {kind: metrics.INGEST_LATE.labels(source.feed, kind) for kind in self._late}
        metrics.INGEST_SYMBOLS.labels(source.feed).set(source.symbol_count)
        metrics.INGEST_SILENT.labels(source.feed).set_function(self._silent_symbols)
        metrics.INGEST_AGE.labels(source.feed).set_function(self._last_tick_age_s)

    def ticks(self, ticks: Sequence[Tick]) -> None:
        """Offers the ticks, and puts the trades among them into bars."""
        offer, trade, last, trades, quotes = self._publisher.offer, self._bars.trade, None, 0, 0
        for tick in ticks:
            if isinstance(tick, Trade):
                trade(tick)
                last = tick
                trades += 1
            elif isinstance(tick, Quote):
                quotes += 1
            offer(tick)
        self._ticked_ns = self._monotonic_ns()
        if last is not None:
            self._clock.saw(last.ts_event, self._ticked_ns)
        self._count[TRADES].inc(trades)
        self._count[QUOTES].inc(quotes)

    def history(self, trades: Sequence[Trade], since_ns: int) -> None:
        """Puts the trades into bars. A bar that they complete is of the past as they are: not published."""
        self._bars.complete_from(since_ns)
        for trade in trades:
            self._bars.trade(trade)
        if trades:
            self._clock.saw(trades[-1].ts_event, self._monotonic_ns())
            self._bars.close_until(trades[-1].ts_event)

    def reconnected(self, symbols: Collection[str]) -> None:
        """Gives up the open bars: trades of theirs may be missing."""
        self._bars.interrupted()
        self._clock = VenueClock()
        self._publisher.reconnected(symbols)

    def not_ready(self) -> str:
        """Why this worker publishes nothing at the moment; "" when it can."""
        if not self._source.connected():
            return f"{self._source.feed}: no connection to the venue"
        if not self._publisher.connected():
            return f"{self._source.feed}: no connection to the bus"
        return ""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set or the source ends by itself, then publishes what it has.

        What the source, the publisher or the bars raise ends it at once and is raised here.
        """
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._publish()), group.create_task(self._close_bars_on_time())]
                source = group.create_task(self._source.run(self, stop))
                await self._ended(source, group.create_task(stop.wait()))
                self._close_bars()
                began = time.monotonic()
                if await self._publisher.drain(self._drain_s):
                    log.info("drained", feed=self._source.feed, took_s=round(time.monotonic() - began, 3))
                else:
                    log.error("ticks_left_unpublished", feed=self._source.feed, waited_s=self._drain_s)
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as group_of:
            if len(group_of.exceptions) == 1:
                raise group_of.exceptions[0] from None
            raise

    async def _ended(self, source: asyncio.Task[None], stopped: asyncio.Task[bool]) -> None:
        """Waits for the source's end; after `stop` only so long."""
        await asyncio.wait({source, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        log.info("draining", feed=self._source.feed, drain_s=self._drain_s)
        _, pending = await asyncio.wait({source}, timeout=self._stop_s)
        if pending:
            log.warning("source_slow_to_stop", feed=self._source.feed, waited_s=self._stop_s)
            source.cancel()
            await asyncio.wait({source})

    async def _publish(self) -> None:
        await self._publisher.run()
        raise RuntimeError("the publisher ended by itself")

    async def _close_bars_on_time(self) -> None:
        while True:
            await asyncio.sleep(BAR_TIMER_S)
            self._close_bars()

    def _close_bars(self) -> None:
        venue_now = self._clock.now(self._monotonic_ns())
        if venue_now is None:
            return
        bars = self._bars.close_until(venue_now)
        for bar in bars:
            self._publisher.offer(bar)
            self._count[bar.kind].inc()
        late = self._bars.late
        for kind, count in late.items():
            if count > self._late[kind]:
                self._count_late[kind].inc(count - self._late[kind])
        self._late = late

    def _silent_symbols(self) -> int:
        silent = self._source.silent()
        return self._source.symbol_count if silent is None else len(silent)

    def _last_tick_age_s(self) -> float:
        return (self._monotonic_ns() - self._ticked_ns) / NS_PER_S
