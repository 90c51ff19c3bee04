"""How late an event loop runs: a timer that notes how long after its time it was called."""

import asyncio
from typing import Final

EVERY_S: Final = 0.01


class Pulse:
    """Beats from its making until `stop`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: list[float] = []
        self._due = self._loop.time() + EVERY_S
        self._timer = self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        self._late.append(now - self._due)
        self._due = max(now, self._due) + EVERY_S
        self._timer = self._loop.call_at(self._due, self._beat)

    def stop(self) -> float:
        """The delay that 99 of 100 beats did not pass, in ms."""
        self._timer.cancel()
        late = sorted(self._late)
        return 1_000 * late[int(0.99 * (len(late) - 1))] if late else 0.0
