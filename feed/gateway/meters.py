"""A hub's metrics: children bound once, counted per batch, flush or write."""

import random
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from feed import metrics
from feed.bus.reading import Batch
from feed.core.streams import Stream
from feed.core.ticks import KINDS, NS_PER_S, kind_of
from feed.gateway.forms import Segment
from feed.gateway.message import Fields, Message, missing
from feed.hops import Hop
from feed.settings import Metrics
from feed.tally import Spread, Tally

# What was written since the stamp before counts as being as late as this one says: half a millisecond of writes.
STAMP_EVERY: Final = 64
NEVER: Final = 1 << 62
# Counters with labels are there from the beginning: Prometheus takes what it first sees of one for its start, and would
# miss the first event of each kind.
RESUMED: Final = ("tail", "log", "lost")
SLOW: Final = ("notice", "cut")
CAUSES: Final = ("venue", "ingest", "bus", "history")


class Meters:
    """Counts what is not on the ticks' way; of what is, nothing: `Counting` does that. A stamp is due after
    `stamp_every` writes; `names` says whether some symbols are measured by themselves."""

    stamp_every = NEVER
    names = False

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._cohorts = metrics.GATEWAY_COHORTS.labels(feed)
        self._streams = metrics.GATEWAY_STREAMS.labels(feed)
        self._lanes = metrics.GATEWAY_LANES.labels(feed)
        self._tail = metrics.GATEWAY_TAIL.labels(feed)
        for how in RESUMED:
            metrics.GATEWAY_RESUMES.labels(feed, how)
        for what in SLOW:
            metrics.GATEWAY_SLOW.labels(feed, what)
        for cause in CAUSES:
            metrics.GATEWAY_GAPS.labels(feed, cause)
            metrics.GATEWAY_MISSING.labels(feed, cause)

    def gap(self, gap: Fields, clients: int) -> None:
        """A hole of a stream that so many clients hold: those of depth one lack its ticks too."""
        metrics.GATEWAY_GAPS.labels(self._feed, gap["cause"]).inc()
        metrics.GATEWAY_MISSING.labels(self._feed, gap["cause"]).inc(missing(gap) * clients)

    def told(self, gap: Fields) -> None:
        """One client was told of a gap that lies in what it missed while it was away."""
        if gap["cause"] == "history":  # the others are holes of the stream, and were counted when they came
            metrics.GATEWAY_GAPS.labels(self._feed, "history").inc()
        metrics.GATEWAY_MISSING.labels(self._feed, gap["cause"]).inc(missing(gap))

    def watch_lanes(self, outbox_bytes: Callable[[], float], lag_s: Callable[[], float]) -> None:
        """From here on each scrape asks how the clients are that are behind."""
        metrics.GATEWAY_OUTBOX.labels(self._feed).set_function(outbox_bytes)
        metrics.GATEWAY_LAG.labels(self._feed).set_function(lag_s)

    def lanes(self, count: int) -> None:
        self._lanes.set(count)

    def slow(self, what: str) -> None:
        metrics.GATEWAY_SLOW.labels(self._feed, what).inc()

    def resumed(self, how: str) -> None:
        metrics.GATEWAY_RESUMES.labels(self._feed, how).inc()

    def tail(self, messages: int) -> None:
        self._tail.set(messages)

    def audience(self, streams: int, cohorts: int) -> None:
        self._streams.set(streams)
        self._cohorts.set(cohorts)

    def taken(self, stream: Stream, batch: Batch) -> None:
        """A batch of a stream came off the bus."""

    def stamp(self, due: Sequence[Segment], count: int, deliveries: int) -> None:
        """A write is done, of segments that hold `count` messages of which none had to wait for a rate. The hops to the
        socket count the delay of one of them, as often as there were such deliveries since the last stamp."""

    def named(self, due: Sequence[Segment], clients: int) -> None:
        """The same for the symbols that have metrics of their own, of every write."""

    def written(self, messages: int, size: int, frames: int) -> None:
        """What all clients of cohorts were written in a flush, after its stamps; `size` in bytes."""

    def given(self, messages: int, size: int, frames: int) -> None:
        """What one client was written that is in a lane, after its stamp."""

    def conflated(self, why: str, ticks: int) -> None:
        """So many ticks have no message of their own, as the client wants a rate, or is slow."""

    def flushed(self, cost_s: float) -> None:
        """How long a flush took."""

    def echoed(self, trip_s: float) -> None:
        """A client sent a stamp back, so long after it was made."""


class Counting(Meters):
    """All of it. `now_ns` is the clock that the hub has, `chance` gives random numbers in [0, 1)."""

    stamp_every = STAMP_EVERY

    def __init__(
        self,
        feed: str,
        symbols: Collection[str] = (),
        now_ns: Callable[[], int] = time.time_ns,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(feed)
        self._now_ns = now_ns
        self._chance = chance
        self._turn = 0
        self._stamps: list[tuple[int, Sequence[Segment], int, int]] = []
        self._named: dict[str, Spread] = {symbol: metrics.SYMBOL_DELAY.labels(feed, symbol) for symbol in symbols}
        self.names = bool(symbols)
        self._named_ticks: dict[Stream, Tally] = {}
        self._ticks_in = {kind: metrics.GATEWAY_TICKS_IN.labels(feed, kind) for kind in KINDS}
        self._ticked_ns = 0
        self._messages = metrics.GATEWAY_MESSAGES_OUT.labels(feed)
        self._bytes = metrics.GATEWAY_BYTES_OUT.labels(feed)
        self._frames = metrics.GATEWAY_FRAMES_OUT.labels(feed)
        self._flush = metrics.GATEWAY_FLUSH.labels(feed)
        self._flush_size = metrics.GATEWAY_FLUSH_SIZE.labels(feed)
        self._conflated = {why: metrics.GATEWAY_CONFLATED.labels(feed, why) for why in ("rate", "slow")}
        self._arrival = metrics.hop(feed, metrics.HOP_PUBLISH_GATEWAY)
        self._departure = metrics.hop(feed, metrics.HOP_GATEWAY_SOCKET)
        self._whole = metrics.hop(feed, metrics.HOP_PUBLISH_SOCKET)
        self._echo = metrics.hop(feed, metrics.HOP_CLIENT_ECHO)
        metrics.GATEWAY_AGE.labels(feed).set_function(self._age_s)

    def audience(self, streams: int, cohorts: int) -> None:
        super().audience(streams, cohorts)
        if not streams:
            self._ticked_ns = 0
        elif not self._ticked_ns:
            self._ticked_ns = self._now_ns()  # no tick is late before one was waited for

    def taken(self, stream: Stream, batch: Batch) -> None:
        ticks = len(batch.entries)
        self._ticks_in[stream.kind].value += ticks
        self._ticked_ns = batch.ts_gateway
        if batch.ts_pub:
            self._arrival.observe((batch.ts_gateway - batch.ts_pub) / NS_PER_S, ticks)
        if self.names and stream.symbol in self._named:
            self._ticks_of(stream).value += ticks

    def stamp(self, due: Sequence[Segment], count: int, deliveries: int) -> None:
        # looked at when all is written: between writes even a little more takes long, as it is in no cache any more
        self._stamps.append((self._now_ns(), due, count, deliveries))

    def named(self, due: Sequence[Segment], clients: int) -> None:
        now_ns = self._now_ns()
        for segment in due:
            message = self._one_of((segment,), segment.count)
            tick = message.tick
            if tick is not None and message.ts_pub and (spread := self._named.get(tick.symbol)) is not None:
                spread.observe((now_ns - message.ts_pub) / NS_PER_S, segment.count * clients)

    def written(self, messages: int, size: int, frames: int) -> None:
        self._count(messages, size, frames)
        self._flush_size.observe(messages)

    def given(self, messages: int, size: int, frames: int) -> None:
        self._count(messages, size, frames)

    def conflated(self, why: str, ticks: int) -> None:
        self._conflated[why].value += ticks

    def flushed(self, cost_s: float) -> None:
        self._flush.observe(cost_s)

    def echoed(self, trip_s: float) -> None:
        self._echo.observe(trip_s)

    def _count(self, messages: int, size: int, frames: int) -> None:
        self._messages.value += messages
        self._bytes.value += size
        self._frames.value += frames
        if not self._stamps:
            return
        # one of them is named, each in its turn: to name each takes longer than to count it
        self._turn += 1
        named = self._turn % len(self._stamps)
        for number, (now_ns, due, count, deliveries) in enumerate(self._stamps):
            message = self._one_of(due, count)
            delay_s = (now_ns - message.ts_gateway) / NS_PER_S
            bucket = self._departure.observe(delay_s, deliveries)
            if number == named:
                self._name(self._departure, bucket, message, delay_s, now_ns)
            if message.ts_pub:  # what was read from the log has no time of publishing
                delay_s = (now_ns - message.ts_pub) / NS_PER_S
                bucket = self._whole.observe(delay_s, deliveries)
                if number == named:
                    self._name(self._whole, bucket, message, delay_s, now_ns)
        self._stamps.clear()

    def _name(self, hop: Hop, bucket: int, message: Message, delay_s: float, now_ns: int) -> None:
        tick = message.tick
        if hop.wants_mark(bucket, now_ns) and tick is not None:
            stream = Stream(self._feed, kind_of(tick), tick.symbol)
            hop.mark(bucket, stream.name, message.seq, delay_s, now_ns)

    def _one_of(self, due: Sequence[Segment], count: int) -> Message:
        """One of the `count` messages, each as likely as the others."""
        segment = due[0]
        if len(due) > 1:
            left = int(self._chance() * count)
            for segment in due:
                left -= segment.count
                if left < 0:
                    break
        said = segment.said
        return said[0] if len(said) == 1 else said[int(self._chance() * len(said))]

    def _ticks_of(self, stream: Stream) -> Tally:
        tally = self._named_ticks.get(stream)
        if tally is None:
            tally = self._named_ticks[stream] = metrics.SYMBOL_TICKS.labels(self._feed, stream.kind, stream.symbol)
        return tally

    def _age_s(self) -> float:
        return (self._now_ns() - self._ticked_ns) / NS_PER_S if self._ticked_ns else 0.0


def meters_of(feed: str, knobs: Metrics, now_ns: Callable[[], int]) -> Meters:
    """Those that the settings ask for."""
    return Counting(feed, knobs.symbols, now_ns) if knobs.enabled else Meters(feed)
