"""What a gateway's reading of Redis is measured by: the connection, its calls, what Redis says of itself."""

import time
from collections.abc import Callable
from typing import Final

from feed import metrics
from feed.bus.server_info import ServerInfo
from feed.tally import Levels, Tallies

LEVELS: Final[dict[str, Levels]] = {
    "uptime_s": metrics.REDIS_UPTIME,
    "memory_bytes": metrics.REDIS_MEMORY,
    "memory_limit_bytes": metrics.REDIS_MEMORY_LIMIT,
    "clients": metrics.REDIS_CLIENTS,
}
TALLIES: Final[dict[str, Tallies]] = {
    "cpu_s": metrics.REDIS_CPU,
    "commands": metrics.REDIS_COMMANDS,
    "evicted": metrics.REDIS_EVICTED,
    "clients_cut": metrics.REDIS_CUT,
}


class SubscriberMeters:
    """Counts what one subscriber does."""

    def __init__(self) -> None:
        self._connected = metrics.BUS_CONNECTED.labels("subscriber")
        self._reconnects = metrics.BUS_RECONNECTS.labels("subscriber")
        self._beat = metrics.BUS_CALL.labels("beat")
        self._log = metrics.BUS_CALL.labels("log")
        self._directory = metrics.BUS_CALL.labels("directory")

    def watch(self, heard_at: Callable[[], float]) -> None:
        """From here on each scrape asks since when nothing was heard, in monotonic seconds."""
        metrics.BUS_PROBE_AGE.labels("subscriber").set_function(lambda: time.monotonic() - heard_at())

    def connected(self, up: bool) -> None:
        self._connected.set(up)

    def lost(self) -> None:
        """The connection to Redis ended by a fault."""
        self._reconnects.inc()

    def beat(self, took_s: float) -> None:
        """The own beat came back."""
        self._beat.observe(took_s)

    def logs_read(self, took_s: float) -> None:
        """Logs of some streams were read in one round trip."""
        self._log.observe(took_s)

    def directory_read(self, took_s: float) -> None:
        self._directory.observe(took_s)

    def stale(self, feed: str, ticks: int) -> None:
        metrics.GATEWAY_STALE.labels(feed).inc(ticks)

    def healed(self, feed: str) -> None:
        """A stream that was live was read on from its log, up to its end."""
        metrics.BUS_HEALS.labels(feed).inc()

    def unreadable(self, feed: str) -> None:
        metrics.BUS_UNREADABLE.labels(feed).inc()

    def server(self, info: ServerInfo, of: str = "") -> None:
        """What Redis said of itself; `of` is where it listens, where there are several. Its counters are shown as they
        are: they begin anew when it does."""
        for name, value in info._asdict().items():
            if value is None:
                continue
            if name in LEVELS:
                LEVELS[name].labels(of).set(value)
            else:
                TALLIES[name].labels(of).value = value

    def server_gone(self, of: str) -> None:
        """It is away, or no master any more: what it said last would be taken for the present."""
        for level in LEVELS.values():
            level.drop(of)
        for tally in TALLIES.values():
            tally.drop(of)
