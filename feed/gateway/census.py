"""All processes of the service and their numbers, as those of one: asked for only while somebody wants them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import orjson

from feed import metrics
from feed.bus.answer import METRICS, Answer
from feed.bus.errors import BusDown, BusRefused
from feed.bus.inquiries import SETTLED_S
from feed.exposition import merged, of_plain

# All who ask within this get the same answer: what the processes say is as old as that anyway.
SHARED_S: Final = 1.0
POLL_S: Final = 0.1
FEED: Final = "feed"

Plain = tuple[str, str, str, tuple[Any, ...]]
"""A family as it crossed Redis: name, words, kind, samples."""


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
    """The answers of all processes as JSON: who they are, and their metrics joined, with pauses for clients."""
    told: dict[str, dict[str, Plain]] = {}
    for process, answer in answers.items():
        for plain in (answer.data or {}).get("families", ()):
            told.setdefault(plain[0], {})[process] = plain
    return orjson.dumps({
        "t": now_s,
        "complete": complete,
        "processes": [_process(answer) for answer in answers.values()],
        "families": [await _joined(of_processes) for of_processes in told.values()],
    })  # fmt: skip


async def _joined(of_processes: Mapping[str, Plain]) -> list[Any]:
    """One metric of all processes. A feed at a time: a histogram of hops has thousands of samples, and all at once
    would hold up every client for a tenth of a second."""
    name, _, kind, _ = next(iter(of_processes.values()))
    parts: dict[str, dict[str, list[Any]]] = {}
    for process, (_, _, _, samples) in of_processes.items():
        for sample in samples:
            feed = next((value for label, value in sample[1] if label == FEED), "")
            parts.setdefault(feed, {}).setdefault(process, []).append(sample)
        await asyncio.sleep(0)
    joined: list[Any] = []
    for part in parts.values():
        families = {process: (of_plain(name, "", kind, tuple(samples)),) for process, samples in part.items()}
        (family,) = merged(families, metrics.ACROSS_WORKERS)
        joined += [[sample.name, dict(sample.labels), sample.value] for sample in family.samples]
        await asyncio.sleep(0)
    return [name, kind, joined]


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
        "numbers": "families" in data,
    }
