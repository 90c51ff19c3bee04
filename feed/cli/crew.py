"""A gateway of several workers: the parent starts them, restarts them, answers for them, and ends them together."""

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from prometheus_client import REGISTRY

from feed import metrics
from feed.cli.options import Misused, Refused
from feed.cli.workers import WAYS, End, Worker
from feed.core.backoff import delay_s
from feed.core.outage import Outage
from feed.exposition import Family, carried, counted, merged, snapshot

# One that dies once is back before much has come to rest on the others; one that dies again and again takes no core
# from those that serve.
RESTART_MIN_S: Final = 0.5
RESTART_MAX_S: Final = 15.0
STEADY_S: Final = 60.0  # who lived for so long did not fail at its start
# A worker answers in milliseconds, and Prometheus waits for 10 s: what one said a second ago is better than no answer.
SCRAPE_S: Final = 1.0
PARENT: Final = "parent"
WELL: Final = ("exit 0", "SIGTERM")  # the latter of one that had just been started

log = structlog.get_logger(__name__)


class Place:
    """One worker's place, whoever holds it: its number, and what all who held it have counted."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: Worker | None = None
        self.outage = Outage()
        self._gone: tuple[Family, ...] = ()

    def families(self) -> tuple[Family, ...]:
        """The last that its worker told, with the counts of those before it."""
        now = self.worker.report.families if self.worker is not None and self.worker.report is not None else ()
        return carried(self._gone, now, metrics.ACROSS_WORKERS)

    def vacate(self) -> None:
        """Keeps the counts of a worker that is dead."""
        self._gone = counted(self.families(), metrics.ACROSS_WORKERS)
        self.worker = None

    @property
    def listening(self) -> bool:
        return self.worker is not None and self.worker.listening.is_set()

    @property
    def not_ready(self) -> str:
        """Why its worker should get no clients, which the kernel gives it; "" where all is well, or it listens not."""
        return self.worker.not_ready if self.worker is not None and self.listening else ""


class Crew:
    """`count` workers of one gateway, each a `feed gateway` with the settings of `environment`."""

    def __init__(self, count: int, environment: Mapping[str, str], stop: asyncio.Event) -> None:
        self._places = [Place(number) for number in range(1, count + 1)]
        self._environment = environment
        self._stop = stop
        self._announced = False
        for way in WAYS:
            metrics.GATEWAY_WORKER_RESTARTS.labels(way)  # seen from the beginning: Prometheus would miss the first one
        self._fatal: End | None = None
        metrics.GATEWAY_WORKERS.labels().set(count)

    async def run(self, announce: Callable[[], None]) -> int:
        """Keeps the workers until `stop` is set, then has them let their clients go, all at the same time. Calls
        `announce` when all listen for the first time.

        Returns the exit code. Raises Refused, with the worker's words and exit code, for a refusal of them all.
        """
        try:
            async with asyncio.TaskGroup() as group:
                keeping = [group.create_task(self._keep(place, announce)) for place in self._places]
                await self._stop.wait()
                if self._fatal is None:
                    log.info("draining", workers=len(self._places))
                for place in self._places:
                    if place.worker is not None:
                        place.worker.stop()
        finally:
            metrics.GATEWAY_WORKERS_UP.labels().set(0)
        if self._fatal is None:
            return 0 if all(task.result() for task in keeping) else 1
        if self._fatal.refusal is None:
            return max(self._fatal.code, 1)
        kind = Misused if self._fatal.refusal.code == Misused.exit_code else Refused
        raise kind(*self._fatal.refusal.lines)

    def not_ready(self) -> str:
        """Why no client should be sent here now; empty where all is well.

        A worker that is dead gets no clients, and the others serve: that is no reason. One that listens gets its share
        from the kernel, so that it must be well.
        """
        if self._stop.is_set():
            return "draining"
        if not self._announced:
            return "the workers start"
        for place in self._places:
            if why := place.not_ready:
                return f"worker {place.number}: {why}"
        return "" if any(place.listening for place in self._places) else "no worker is up"

    async def refresh(self) -> None:
        """Asks all workers how they are. One that does not answer in time counts with what it said last."""
        workers = [place.worker for place in self._places if place.worker is not None and place.listening]
        await asyncio.gather(*(worker.asked(SCRAPE_S) for worker in workers))
        metrics.GATEWAY_WORKERS_UP.labels().set(sum(worker.up for worker in workers))

    def families(self) -> tuple[Family, ...]:
        """The metrics of all workers and of this process, as those of one service."""
        told = {str(place.number): place.families() for place in self._places}
        return merged(told | {PARENT: snapshot(REGISTRY)}, metrics.ACROSS_WORKERS)

    async def _keep(self, place: Place, announce: Callable[[], None]) -> bool:
        """Keeps a worker in this place until the end, and tells whether the last one ended well."""
        failures = 0
        while not self._stop.is_set():
            since_s = time.monotonic()
            listens = functools.partial(self._listens, place, announce)
            place.worker = await Worker.start(place.number, self._environment, listens)
            if self._stop.is_set():
                place.worker.stop()
            end = await place.worker.ended()
            place.vacate()
            if self._stop.is_set():
                return end.cause in WELL
            if self._nothing_mends(end):
                self._fatal = end
                self._stop.set()
                return False
            failures = 1 if time.monotonic() - since_s > STEADY_S else failures + 1
            await self._pause(place, end, delay_s(failures, RESTART_MIN_S, RESTART_MAX_S, random.random()))
        return True

    async def _pause(self, place: Place, end: End, pause_s: float) -> None:
        told = {"words": end.refusal.lines} if end.refusal is not None else {}
        place.outage.begins("", time.monotonic())
        log.warning("worker_lost", worker=place.number, cause=end.cause, again_in_s=round(pause_s, 3), **told)
        metrics.GATEWAY_WORKER_RESTARTS.labels(end.way).inc()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stop.wait()

    def _listens(self, place: Place, announce: Callable[[], None]) -> None:
        if self._announced:
            log.info("worker_back", worker=place.number, away_s=place.outage.ends(time.monotonic()))
        elif all(place.listening for place in self._places):
            self._announced = True
            announce()

    def _nothing_mends(self, end: End) -> bool:
        """Whether another worker would fare no better: at the start any end is one, as that of a single process; later
        a refusal, where no other worker shows that it is not for all."""
        if not self._announced:
            return True
        return end.refusal is not None and not any(place.listening and not place.not_ready for place in self._places)
