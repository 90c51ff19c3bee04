"""A process that holds some of the clients.

    python -m tests.integration.rollout.crowd

Told by lines on stdin, see `feed.bench.control`.
"""

import asyncio
import random
from typing import Any

from feed.bench.control import Json, Verb, child, named, serve
from tests.integration.rollout.journey import Journey
from tests.integration.rollout.readers import Raw, own

OWN, RAW, FORGETFUL = "own", "raw", "forgetful"  # kinds of clients
AT_ONCE = 8
POLL_S = 0.05


class Crowd:
    """The clients, each a task for as long as the process lives."""

    def __init__(self) -> None:
        self._journeys: list[Journey] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, url: str, clients: list[list[Any]], seed: int) -> Json:
        """Connects them, some at a time, and answers when all are subscribed. A client is [kind, its symbols]."""
        chance, coming = random.Random(seed), asyncio.Semaphore(AT_ONCE)

        async def come(kind: str, symbols: list[str]) -> None:
            async with coming:
                journey = Journey(kind)
                self._journeys.append(journey)
                raw = Raw(journey, url, symbols, chance, resumes=kind != FORGETFUL)
                task = asyncio.create_task(own(journey, url, symbols) if kind == OWN else raw.run())
                self._tasks.append(task)
                while not journey.at:
                    if task.done():
                        task.result()
                    await asyncio.sleep(POLL_S)

        await asyncio.gather(*(come(kind, symbols) for kind, symbols in clients))
        return {}

    async def standing(self, ends: dict[str, int]) -> Json:
        """How many stand, how many have lost a connection so far, and how many have every tick up to these ends."""
        for task in self._tasks:
            if task.done():
                task.result()
        return {
            "connected": sum(journey.connected for journey in self._journeys),
            "closings": sum(len(journey.closed) for journey in self._journeys),
            "hearing": sum(journey.ticks > 0 for journey in self._journeys),
            "complete": sum(not journey.short_of(ends) for journey in self._journeys) if ends else 0,
        }

    async def journeys(self) -> Json:
        return {"journeys": [journey.to_json() for journey in self._journeys]}


async def main() -> None:
    crowd = Crowd()
    verbs: list[Verb] = [crowd.join, crowd.standing, crowd.journeys]
    await serve(named(verbs), {"ready": True})


if __name__ == "__main__":
    child(main)
