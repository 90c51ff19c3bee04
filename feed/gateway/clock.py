"""Time as the hub sees it."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time, and calls at a later one. Tests turn it by hand."""

    def soon(self, call: Callable[[], object]) -> None: ...
    def later(self, delay_s: float, call: Callable[[], object]) -> None: ...
    def now_ns(self) -> int: ...
    def monotonic(self) -> float: ...


class LoopClock:
    """The running event loop's time and timers."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def soon(self, call: Callable[[], object]) -> None:
        self._loop.call_soon(call)

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        self._loop.call_later(delay_s, call)

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()
