"""Even pace: calls for as many ticks as are due, a millisecond at a time."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

GRID_S: Final = 0.001


class Pace:
    """Calls `offer(n, now_ns)` for ticks that became due, from its making until `stop`.

    `due(s)` says how many are due in all after so many seconds.
    """

    def __init__(self, due: Callable[[float], int], offer: Callable[[int, int], None]) -> None:
        self._due = due
        self._offer = offer
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self.offered = 0
        self._timer = self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        due = self._due(time.monotonic() - self._began) - self.offered
        if due > 0:
            self._offer(due, time.time_ns())
            self.offered += due
        self._timer = self._loop.call_later(GRID_S, self._wake)

    def stop(self) -> float:
        """For how many seconds it went on."""
        self._timer.cancel()
        return time.monotonic() - self._began


def even(per_s: float) -> Callable[[float], int]:
    """So many a second, one like the other."""
    return lambda passed_s: int(passed_s * per_s)
