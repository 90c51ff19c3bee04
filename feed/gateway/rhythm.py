"""When to flush: at once after a pause, and under load as often as leaves time for the rest."""

from collections.abc import Callable
from typing import Final

from feed.gateway.clock import Clock
from feed.settings import Flush

# Of its time a gateway flushes at most so much; what is left is for reading Redis, handshakes and commands.
SHARE: Final = 0.85

TIMER_S: Final = 0.001  # uvloop's smallest: what is less would turn the loop without a pause


class Rhythm:
    """Calls `flush` soon after `wake`; `flushed` is told what a flush took. Its sends are most of that: uvloop's and
    asyncio's transports send at once where nothing waits before.

    Leading edge: what comes after a pause is flushed at once, what comes within the window after it together. The
    window follows what a flush takes: short while idle, and under load batches grow instead of queues.
    """

    def __init__(self, clock: Clock, knobs: Flush, flush: Callable[[], bool], flushed: Callable[[float], None]) -> None:
        """`flush` answers whether there was anything."""
        self._clock = clock
        self._knobs = knobs
        self._flush = flush
        self._flushed = flushed
        self._next = 0.0  # monotonic time before which there is no flush
        self._called = False
        self._timed = False
        self._awake = False

    def wake(self) -> None:
        """Something waits to be flushed."""
        self._awake = True
        if self._called:
            return
        now = self._clock.monotonic()
        if now >= self._next:
            self._called = True
            # soon, not now: what the same read from the bus brought goes together
            self._clock.soon(self._run)
        elif not self._timed:
            # for when nothing more comes; under load the next tick is here before
            self._timed = True
            self._clock.later(max(TIMER_S, self._next - now), self._time)

    def _time(self) -> None:
        self._timed = False
        if self._awake:
            self.wake()

    def _run(self) -> None:
        self._awake = self._called = False
        started = self._clock.monotonic()
        if self._flush():
            took = self._clock.monotonic() - started
            self._flushed(took)
            rest_s = min(self._knobs.window_max_s, took / SHARE - took)
            self._next = started + max(self._knobs.window_min_s, took + rest_s)
