"""What a worker's publishing is measured by: its calls, their answers, and the ticks that wait."""

import random
import time
from collections.abc import Callable, Sequence

from feed import metrics
from feed.bus.lane import Call, Lane
from feed.core.ticks import NS_PER_S


class PublishMeters:
    """Children bound once, counted per call."""

    def __init__(self, feed: str, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives random numbers in [0, 1), for the choice of the ticks that are measured."""
        self._feed = feed
        self._chance = chance
        self._heard_at = time.monotonic()
        self._answers = {
            a: metrics.PUBLISH_CALLS.labels(feed, a.decode().lower()) for a in (b"OK", b"BEHIND", b"STALE")
        }
        for cause in ("venue", "ingest"):
            metrics.PUBLISH_GAPS.labels(feed, cause)  # seen from the beginning: Prometheus would miss the first event
        self._ticks = metrics.PUBLISH_TICKS.labels(feed)
        self._batch = metrics.PUBLISH_BATCH.labels(feed)
        self._duplicates = metrics.PUBLISH_DUPLICATES.labels(feed)
        self._dropped = metrics.PUBLISH_DROPPED.labels(feed)
        self._hop = metrics.hop(feed, metrics.HOP_INGEST_PUBLISH)
        self._took = metrics.BUS_CALL.labels("publish")
        self._connected = metrics.BUS_CONNECTED.labels("publisher")
        self._reconnects = metrics.BUS_RECONNECTS.labels("publisher")

    def watch(self, limit_bytes: int, buffered_bytes: Callable[[], int], oldest_s: Callable[[], float]) -> None:
        """From here on each scrape asks what waits."""
        metrics.PUBLISH_BUFFER.labels(self._feed).set(limit_bytes)
        metrics.PUBLISH_BUFFERED.labels(self._feed).set_function(buffered_bytes)
        metrics.PUBLISH_OLDEST.labels(self._feed).set_function(oldest_s)
        metrics.BUS_PROBE_AGE.labels("publisher").set_function(lambda: time.monotonic() - self._heard_at)

    def connected(self, up: bool) -> None:
        self._connected.set(up)

    def lost(self) -> None:
        """The connection to Redis ended by a fault."""
        self._reconnects.inc()

    def heard(self, now: float) -> None:
        """Redis answered to something else; `now` is monotonic, in seconds."""
        self._heard_at = now

    def dropped(self) -> None:
        """A tick was given up for lack of room."""
        self._dropped.inc()

    def asked(self, calls: Sequence[Call], ts_pub: int) -> None:
        """Redis is about to be asked all of these; `ts_pub` is what their messages say of that."""
        asked_at = time.monotonic()
        for call in calls:
            call.ts_pub, call.asked_at, call.stands_for = ts_pub, asked_at, 0
        # they are answered one after the other: whichever is looked at stands for all, so it is not always the same
        calls[int(self._chance() * len(calls))].stands_for = len(calls)
        self._batch.observe_all([len(call.run.items) for call in calls])

    def answered(self, verdict: bytes, call: Call, now: float) -> None:
        """The script ran; `now` is monotonic, in seconds."""
        self._heard_at = now
        self._answers[verdict].value += 1
        if call.stands_for:
            self._took.observe(now - call.asked_at, call.stands_for)

    def published(self, lane: Lane, call: Call, ticks: int, duplicates: int, gaps: int) -> None:
        """Of a call's ticks so many were published, and the others had been before, by a peer."""
        self._ticks.value += ticks
        if ticks and lane.ticks:  # a bar was received with its last trade, which may be long ago: no delay of this hop
            # the duplicates are the oldest; of the others any, as one end would say too much or too little of all
            chosen = call.run.items[-1 - int(self._chance() * ticks)]
            self._hop.observe((call.ts_pub - chosen.ts_recv) / NS_PER_S, ticks)
        if duplicates:
            self._duplicates.inc(duplicates)
        if gaps:
            # the hole that the call knew of comes before its ticks, resets of the venue's ids among them
            metrics.PUBLISH_GAPS.labels(self._feed, call.run.cause).inc()
            if gaps > 1:
                metrics.PUBLISH_GAPS.labels(self._feed, "venue").inc(gaps - 1)
