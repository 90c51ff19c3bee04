"""All processes of the service and their numbers, as those of one: asked for only while somebody wants them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import orjson

from feed import metrics
from feed.bus.answer import METRICS, Answer
from feed.bus.errors import BusDown, BusRefused
from feed.bus.inquiries import SETTLED_S
from feed.exposition import Family, merged, of_plain

# All who ask within this get the same answer: what the processes say is as old as that anyway.
SHARED_S: Final = 1.0
POLL_S: Final = 0.1


class Asker(Protocol):
    """Asks all processes: an Inquirer."""

    async def ask(self, what: str) -> dict[str, Answer]: ...


class Census:
    """For everyone who wants them at a gateway. `own` is what this process answers."""

    def __init__(self, asker: Asker, own: Callable[[], Awaitable[Answer]]) -> None:
        self._asker = asker
        self._own = own
        self._turn = asyncio.Lock()
        self._body = b""
        self._made = self._asked = self._began = float("-inf")

    async def body(self) -> bytes:
        """JSON, made at most once in SHARED_S. Without the bus it has this process alone, and is not `complete`."""
        async with self._turn:
            if time.monotonic() - self._made >= SHARED_S:
                answers, complete = await self._answers()
                self._body = await rendered(answers, complete=complete, now_s=time.time())
                self._made = time.monotonic()
            return self._body

    async def _answers(self) -> tuple[dict[str, Answer], bool]:
        now = time.monotonic()
        if now - self._asked > 2 * SHARED_S:
            self._began = now  # nobody has answered lately: each process needs its time to see the question
        try:
            answers = await self._asker.ask(METRICS)
            while time.monotonic() - self._began < SETTLED_S:
                await asyncio.sleep(POLL_S)
                answers = await self._asker.ask(METRICS)
        except (BusDown, BusRefused):
            return {"": await self._own()}, False
        self._asked = time.monotonic()
        return answers, True


async def rendered(answers: Mapping[str, Answer], *, complete: bool, now_s: float) -> bytes:
    """The answers of all processes as JSON: who they are, and their metrics joined. A metric at a time, between which
    clients have their turn."""
    told: dict[str, dict[str, Iterable[Any]]] = {}
    for process, answer in answers.items():
        for plain in (answer.data or {}).get("families", ()):
            told.setdefault(plain[0], {})[process] = plain
    families = []
    for of_processes in told.values():
        found = {process: (of_plain(*plain),) for process, plain in of_processes.items()}
        families += [_plain(family) for family in merged(found, metrics.ACROSS_WORKERS)]
        await asyncio.sleep(0)
    return orjson.dumps({
        "t": now_s,
        "complete": complete,
        "processes": [_process(answer) for answer in answers.values()],
        "families": families,
    })  # fmt: skip


def _process(answer: Answer) -> dict[str, Any]:
    name, role, version = answer.who
    data = answer.data or {}
    return {
        "name": name,
        "role": role,
        "version": version,
        "age_s": round(answer.age_s, 3),
        "ready": answer.fault == "" and not data.get("not_ready"),
        "not_ready": answer.fault or data.get("not_ready", ""),
        "connections": data.get("connections", 0),
    }


def _plain(family: Family) -> list[Any]:
    samples = [[name, dict(labels), value] for name, labels, value, _ in family.samples]
    return [family.name, family.kind, samples]
