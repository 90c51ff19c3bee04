"""A connection's commands, worked off one at a time while its reader goes on reading: a subscription may wait for the
bus, and pings must be answered meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

# Who sends more than this while one command waits for the bus is refused: 16 of the largest take 1 MiB.
MAX_WAITING: Final = 16

T = TypeVar("T")


class Inbox(Generic[T]):
    """Has a task only while there is work, so that an idle connection costs nothing more."""

    def __init__(self, work: Callable[[T], Coroutine[Any, Any, None]], failed: Callable[[], None]) -> None:
        self._work = work
        self._failed = failed
        self._items: list[T] = []  # an empty deque takes half a kilobyte, and there is one for each client
        self._task: asyncio.Task[None] | None = None

    def put(self, item: T) -> bool:
        """Takes an item; False where too many wait."""
        if len(self._items) >= MAX_WAITING:
            return False
        self._items.append(item)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())
            self._task.add_done_callback(self._ended)
        return True

    async def close(self) -> None:
        """Drops what waits and ends what is under way. Raises what the work raised."""
        self._items.clear()
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    async def _drain(self) -> None:
        while self._items:
            await self._work(self._items.pop(0))
        self._task = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failed()
