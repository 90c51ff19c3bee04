"""A client under test: what it gives, and waiting for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from feed.client.client import Client
from feed.client.events import Event, Update
from tests.fakes.gateway import FakeGateway

E = TypeVar("E")
DEADLINE_S = 10


def url(gateway: FakeGateway, feed: str = "sim") -> str:
    return f"{gateway.url}/v2/{feed}"


async def one(client: Client, kind: type[E]) -> E:
    """The next event of a kind; what comes before it is passed over."""
    async with asyncio.timeout(DEADLINE_S):
        async for event in client:
            if isinstance(event, kind):
                return event
    raise AssertionError("the iteration ended")


async def updates(client: Client, count: int) -> list[Update]:
    return [await one(client, Update) for _ in range(count)]


async def all_until(client: Client, last: Callable[[Event], bool]) -> list[Event]:
    """Every event up to the first that fulfils a condition."""
    events: list[Event] = []
    async with asyncio.timeout(DEADLINE_S):
        async for event in client:
            events.append(event)
            if last(event):
                break
    return events


async def collect(client: Client, events: list[Event]) -> None:
    """Adds what is given to a list, until the iteration ends."""
    async for event in client:
        events.append(event)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  what the other side has counted has no event to wait for
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def reading(client: Client) -> AsyncIterator[list[Event]]:
    """Iterates in a task of its own; the list grows by what it is given."""
    events: list[Event] = []
    task = asyncio.create_task(collect(client, events))
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.wait([task])


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def prices(events: list[Any]) -> list[float]:
    return [event.tick.price for event in events if isinstance(event, Update)]
