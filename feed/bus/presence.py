"""What the log says of Redis as one part of a process sees it: there, gone, back, and for how long it was gone."""

import time

import structlog

from feed.core.outage import Outage

log = structlog.get_logger(__name__)


class Presence:
    """Redis, to whom `told` names. Each change is one line, and an outage one more for each other reason."""

    def __init__(self, **told: str) -> None:
        self._told = told
        self._met = False
        self._outage = Outage()

    def there(self) -> None:
        """It does what it is asked."""
        away_s = self._outage.ends(time.monotonic())
        if not self._met:
            log.info("redis_connected", **self._told)
        elif away_s is not None:
            log.info("redis_back", **self._told, away_s=away_s)
        self._met = True

    def away(self, error: BaseException, **told: int) -> None:
        """It does not. `told` is what waits for it."""
        if self._outage.begins(str(error), time.monotonic()):
            line = {**self._told, "error": str(error), **told}
            if self._met:
                log.warning("redis_lost", **line)
            else:
                log.warning("redis_unreachable", **line)
