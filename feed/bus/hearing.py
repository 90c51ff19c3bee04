"""Whether the sources of feeds are heard, concluded from the beats of their workers as a gateway hears them."""

from typing import Final

import structlog

from feed import metrics
from feed.bus import names
from feed.bus.beats import Sources, unpack_beat
from feed.bus.reading import Listener
from feed.core.outage import Outage

# A bus that was silent for so long, though each second brings the own beat, kept the workers' beats back as well.
LULL_S: Final = 1.5
# Symbols that a line of the log names: enough to see which part of the venue they are.
SHOWN: Final = 5

log = structlog.get_logger(__name__)


class Hearing:
    """Takes the beats, and tells the listener where a source fell silent or came back.

    Times are monotonic, in seconds; `heard_at` is when the bus brought something last, whatever it was.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._feeds: dict[bytes, tuple[str, Sources]] = {}
        self._outages: dict[tuple[str, str], Outage] = {}

    @property
    def channels(self) -> frozenset[bytes]:
        return frozenset(self._feeds)

    def want(self, feed: str, now: float) -> None:
        """Begins to follow a feed's workers."""
        sources = Sources()
        sources.listen(now)
        self._feeds[names.workers_channel(feed).encode()] = (feed, sources)
        for counter in (metrics.BUS_UNREADABLE, metrics.BUS_HEALS, metrics.GATEWAY_STALE):
            counter.labels(feed)  # seen from the beginning: Prometheus would miss the first event

    def listen_anew(self, heard_at: float) -> None:
        """The bus was away, or kept everything back: each worker is given its time to be heard again."""
        for _, sources in self._feeds.values():
            sources.listen(heard_at)

    def take(self, channel: bytes, data: bytes, now: float, heard_at: float) -> None:
        """Takes a message, if it came on a channel of workers that is followed."""
        if channel not in self._feeds:
            return
        feed, sources = self._feeds[channel]
        try:
            sources.heard(unpack_beat(data), heard_at)
        except ValueError as error:
            log.error("unreadable_beat", feed=feed, error=str(error))
            metrics.BUS_UNREADABLE.labels(feed).inc()
        self._judge(feed, sources, now, heard_at)

    def judge(self, now: float, heard_at: float) -> None:
        """Looks who fell silent: that comes with no message."""
        for feed, sources in self._feeds.values():
            self._judge(feed, sources, now, heard_at)

    def _judge(self, feed: str, sources: Sources, now: float, heard_at: float) -> None:
        """Says nothing while the bus is silent."""
        if now - heard_at > LULL_S:
            return
        news = sources.judge(now)
        metrics.BUS_WORKERS.labels(feed).set(sources.workers)
        if news:
            metrics.BUS_FEED_LIVE.labels(feed).set(sources.stale is not None)
            metrics.BUS_SILENT.labels(feed).set(len(sources.stale or ()))
            self._tell(feed, sources, now)
            self._listener.sources(feed, sources.stale)

    def _tell(self, feed: str, sources: Sources, now: float) -> None:
        """Says in the log what went silent and what came back. Of a silent feed its symbols are not told too."""
        whole, part = (self._outages.setdefault((feed, what), Outage()) for what in ("feed", "symbols"))
        silent = sorted(sources.stale or ())
        if sources.stale is None:
            if whole.begins("", now):
                log.warning("feed_lost", feed=feed, workers=sources.workers)
        elif (away_s := whole.ends(now)) is not None:
            log.info("feed_back", feed=feed, away_s=away_s)
        if silent:
            if part.begins("", now):
                log.warning("symbols_lost", feed=feed, silent=len(silent), symbols=silent[:SHOWN])
        elif sources.stale is not None and (away_s := part.ends(now)) is not None:
            log.info("symbols_back", feed=feed, away_s=away_s)
