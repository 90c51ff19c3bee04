"""A venue and clients in a thread of their own, so that a test can wait and ask without holding them up."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.observed.market import Market
from tests.observed.readers import Reader, Refused

PATIENCE_S = 20.0
T = TypeVar("T")


class Crowd:
    """A market and readers, in an event loop in a thread. Its methods are for other threads."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.readers: list[Reader] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: dict[object, asyncio.Task[None]] = {}
        self._leaves: set[object] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self.open_market()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            ended = self.call(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE_S)
            self._loop.close()
        if kind is None:
            for fault_of in ended:
                raise fault_of

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def open_market(self, port: int = 0) -> None:
        """Opens the venue, at the port that it had where that is given."""
        listens = asyncio.Event()

        async def opens() -> None:
            self._tasks[self.market] = self._loop.create_task(self.market.run(listens, port))
            await listens.wait()

        self.call(opens())

    def close_market(self) -> None:
        """The venue is gone: its connections end, its port refuses."""
        self.call(self._cancel(self.market))

    def join(self, *readers: Reader) -> None:
        """Starts clients; returns when each that is not refused is subscribed. One that ends of itself is a fault."""

        async def start() -> None:
            for reader in readers:
                self._tasks[reader] = self._loop.create_task(reader.run())

        self.readers += readers
        self.call(start())
        waiting = [reader for reader in readers if not isinstance(reader, Refused)]
        self.until(lambda: all(reader.up for reader in waiting), "each client is subscribed")

    def leave(self, *readers: Reader) -> None:
        for reader in readers:
            self.readers.remove(reader)
            self.call(self._cancel(reader))

    def until(self, is_so: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            for task in self._tasks.values():
                if task.done() and not task.cancelled() and (fault := task.exception()):
                    raise AssertionError(f"never: {what}") from fault
            if time.monotonic() > end:
                raise AssertionError(f"never: {what}")
            time.sleep(0.02)

    async def _cancel(self, key: object) -> None:
        task = self._tasks.pop(key)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _end(self) -> list[BaseException]:
        for task in self._tasks.values():
            task.cancel()
        ended = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        return [
            each for each in ended if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError)
        ]
