"""Streams at rates: what is due now, and a call when the rest will be."""

from collections.abc import Callable

from feed.gateway.clock import Clock
from feed.gateway.live import LiveStream
from feed.gateway.message import Message


class Paces:
    """`touch` is called for each stream of which something has come due."""

    def __init__(self, clock: Clock, touch: Callable[[LiveStream], None]) -> None:
        self._clock = clock
        self._touch = touch
        self._due: dict[float, dict[LiveStream, None]] = {}

    def take(self, live: LiveStream, rate: float, now: float) -> list[Message]:
        """Takes what is pending into the stream's flow; answers what goes out now. The flow counts it as sent when it
        is told `flushed`."""
        flow = live.flow(rate)
        flow.add(live.pending, live.pending[-1].at if live.pending else live.tail.end, now)
        taken = flow.take(now)
        if flow.waiting:
            self._wake(live, flow.due, now)
        return taken

    def _wake(self, live: LiveStream, due: float, now: float) -> None:
        if due not in self._due:
            self._due[due] = {}
            self._clock.later(max(0.0, due - now), lambda: self._come(due))
        self._due[due][live] = None

    def _come(self, due: float) -> None:
        for live in self._due.pop(due):
            self._touch(live)
