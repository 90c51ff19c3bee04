"""Time that passes at once and to the exact moment: for what waits, where nothing comes from outside."""

import asyncio
from typing import Any


class InstantLoop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time, and nothing else does: `now` is moved by waits alone."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__()
        select = self._selector.select

        def jump(timeout: float | None = None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        return self.now
