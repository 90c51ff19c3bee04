"""Whether the sources of feeds are heard, concluded from the beats of their workers as a gateway hears them."""

from typing import Final

import structlog

from feed import metrics
from feed.bus.beats import Sources, unpack_beat
from feed.bus.reading import Listener
from feed.core.outage import Outage

# A bus that was silent for so long, though each second brings the own beat, kept the workers' beats back as well.
LULL_S: Final = 1.5
# Symbols that a line of the log names: enough to see which part of the venue they are.
SHOWN: Final = 5

log = structlog.get_logger(__name__)


class Workers:
    """A feed's workers, and what they said. `silent` and `partly` are how long the feed and some of its symbols are."""

    def __init__(self, feed: str) -> None:
        self.feed = feed
        self.sources = Sources()
        self.silent = Outage()
        self.partly = Outage()
        for counter in (metrics.BUS_UNREADABLE, metrics.BUS_HEALS, metrics.GATEWAY_STALE):
            counter.labels(feed)  # seen from the beginning: Prometheus would miss the first event


class Hearing:
    """Takes the beats, and tells the listener where a source fell silent or came back.

    Times are monotonic, in seconds; `heard_at` is when the bus brought something last, whatever it was.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._feeds: dict[bytes, Workers] = {}

    @property
    def channels(self) -> frozenset[bytes]:
        return frozenset(self._feeds)

    def want(self, channel: bytes, workers: Workers, now: float) -> None:
        """Begins to follow a feed's workers, or goes on where another left it."""
        workers.sources.listen(now)
        self._feeds[channel] = workers

    def unwant(self, channel: bytes) -> None:
        self._feeds.pop(channel, None)

    def listen_anew(self, heard_at: float) -> None:
        """The bus was away, or kept everything back: each worker is given its time to be heard again."""
        for workers in self._feeds.values():
            workers.sources.listen(heard_at)

    def take(self, channel: bytes, data: bytes, now: float, heard_at: float) -> None:
        """Takes a message, if it came on a channel of workers that is followed."""
        if channel not in self._feeds:
            return
        workers = self._feeds[channel]
        try:
            workers.sources.heard(unpack_beat(data), heard_at)
        except ValueError as error:
            log.error("unreadable_beat", feed=workers.feed, error=str(error))
            metrics.BUS_UNREADABLE.labels(workers.feed).inc()
        self._judge(workers, now, heard_at)

    def judge(self, now: float, heard_at: float) -> None:
        """Looks who fell silent: that comes with no message."""
        for workers in self._feeds.values():
            self._judge(workers, now, heard_at)

    def _judge(self, workers: Workers, now: float, heard_at: float) -> None:
        """Says nothing while the bus is silent."""
        if now - heard_at > LULL_S:
            return
        feed, sources = workers.feed, workers.sources
        news = sources.judge(now)
        metrics.BUS_WORKERS.labels(feed).set(sources.workers)
        if news:
            metrics.BUS_FEED_LIVE.labels(feed).set(sources.stale is not None)
            metrics.BUS_SILENT.labels(feed).set(len(sources.stale or ()))
            _tell(workers, now)
            self._listener.sources(feed, sources.stale)


def _tell(workers: Workers, now: float) -> None:
    """Says in the log what went silent and what came back. Of a silent feed its symbols are not told too."""
    feed, sources = workers.feed, workers.sources
    silent = sorted(sources.stale or ())
    if sources.stale is None:
        if workers.silent.begins("", now):
            log.warning("feed_lost", feed=feed, workers=sources.workers)
    elif (away_s := workers.silent.ends(now)) is not None:
        log.info("feed_back", feed=feed, away_s=away_s)
    if silent:
        if workers.partly.begins("", now):
            log.warning("symbols_lost", feed=feed, silent=len(silent), symbols=silent[:SHOWN])
    elif sources.stale is not None and (away_s := workers.partly.ends(now)) is not None:
        log.info("symbols_back", feed=feed, away_s=away_s)
