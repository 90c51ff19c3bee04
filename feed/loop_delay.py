"""How late the event loop comes to its timers: what every client and every tick of this process waits at times."""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from feed import metrics

EVERY_S: Final = 0.1


class LoopDelay:
    """Measures the running loop while its context is open, ten times a second. uvloop's timers keep to milliseconds,
    and may come one early: that counts as no delay."""

    def __init__(self) -> None:
        self._spread = metrics.LOOP_DELAY.labels()
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._due = time.monotonic() + EVERY_S
        self._timer = self._loop.call_later(EVERY_S, self._look)

    def _look(self) -> None:
        self._spread.observe(max(0.0, time.monotonic() - self._due))
        self._wait()
