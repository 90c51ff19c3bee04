"""The hub's metrics: children bound once, counted per batch or flush."""

from feed import metrics
from feed.bus.reading import Batch
from feed.core.ticks import NS_PER_S
from feed.gateway.message import Message
from feed.tally import Tally


class Meters:
    """Counts what one feed's hub takes and writes."""

    def __init__(self, feed: str) -> None:
        self._feed = feed
        self._ticks_in: dict[str, Tally] = {}
        self._messages = metrics.GATEWAY_MESSAGES_OUT.labels(feed)
        self._bytes = metrics.GATEWAY_BYTES_OUT.labels(feed)
        self._frames = metrics.GATEWAY_FRAMES_OUT.labels(feed)
        self._flush = metrics.GATEWAY_FLUSH.labels(feed)
        self._cohorts = metrics.GATEWAY_COHORTS.labels(feed)
        self._streams = metrics.GATEWAY_STREAMS.labels(feed)
        self._conflated = {why: metrics.GATEWAY_CONFLATED.labels(feed, why) for why in ("rate", "slow")}
        self._lanes = metrics.GATEWAY_LANES.labels(feed)
        self._tail = metrics.GATEWAY_TAIL.labels(feed)
        self._arrival = metrics.HOP_DELAY.labels(feed, metrics.HOP_PUBLISH_GATEWAY)
        self._departure = metrics.HOP_DELAY.labels(feed, metrics.HOP_GATEWAY_SOCKET)
        self._whole = metrics.HOP_DELAY.labels(feed, metrics.HOP_PUBLISH_SOCKET)

    def taken(self, kind: str, batch: Batch) -> None:
        counter = self._ticks_in.get(kind)
        if counter is None:
            counter = self._ticks_in[kind] = metrics.GATEWAY_TICKS_IN.labels(self._feed, kind)
        counter.inc(len(batch.entries))
        if batch.ts_pub:
            self._arrival.observe((batch.ts_gateway - batch.ts_pub) / NS_PER_S)

    def gap(self, cause: str) -> None:
        metrics.GATEWAY_GAPS.labels(self._feed, cause).inc()

    def written(self, messages: int, size: int, frames: int) -> None:
        """What all clients of cohorts were written in a flush; `size` in bytes."""
        self._messages.inc(messages)
        self._bytes.inc(size)
        self._frames.inc(frames)

    def given(self, messages: int, data: bytes) -> None:
        """What one client was written that is in a lane."""
        self._messages.inc(messages)
        self._bytes.inc(len(data))

    def conflated(self, why: str, ticks: int) -> None:
        self._conflated[why].inc(ticks)

    def lanes(self, count: int) -> None:
        self._lanes.set(count)

    def slow(self, what: str) -> None:
        metrics.GATEWAY_SLOW.labels(self._feed, what).inc()

    def resumed(self, how: str) -> None:
        metrics.GATEWAY_RESUMES.labels(self._feed, how).inc()

    def tail(self, messages: int) -> None:
        self._tail.set(messages)

    def flushed(self, cost_s: float) -> None:
        self._flush.observe(cost_s)

    def hops(self, oldest: Message, now_ns: int) -> None:
        """Delays of the oldest message of a stream's flush."""
        self._departure.observe((now_ns - oldest.ts_gateway) / NS_PER_S)
        if oldest.ts_pub:
            self._whole.observe((now_ns - oldest.ts_pub) / NS_PER_S)

    def audience(self, streams: int, cohorts: int) -> None:
        self._streams.set(streams)
        self._cohorts.set(cohorts)
