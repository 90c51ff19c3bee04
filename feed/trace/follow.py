"""Follows a stream: looks at it in all places once a second, until told to stop."""

import asyncio
import json
import time
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from feed.bus.answer import about
from feed.bus.errors import BusDown, BusRefused
from feed.bus.inquiries import SETTLED_S, Inquirer
from feed.bus.subscriber import Subscriber
from feed.core.streams import Stream
from feed.settings import Values
from feed.trace.ear import Ear
from feed.trace.look import Look, look_of, without_redis
from feed.trace.screen import screen
from feed.trace.words import as_json, lines

LOOK_S: Final = 1.0
FOUND, NOT_FOUND = 0, 1


class Shown(Enum):
    """How looks are told."""

    SCREEN = "screen"
    LINES = "lines"
    JSON = "json"


class Follower:
    """Has the looks. `run` reads the stream as any gateway does; what that is refused it raises."""

    def __init__(self, values: Values, stream: Stream) -> None:
        self._stream = stream
        self._ear = Ear()
        self._subscriber = Subscriber(values, self._ear, "feed-trace")
        self._subscriber.want(stream)
        self._inquirer = Inquirer(values.redis, "feed-trace-asks")
        self._before: Look | None = None

    async def run(self) -> None:
        """Reads until cancelled. Raises BusRefused."""
        await self._subscriber.run()

    async def look(self) -> Look:
        """Asks everybody, and says what they have answered by now. Redis away is a look like any other."""
        try:
            answers = await self._inquirer.ask(about(self._stream))
            standing = await self._inquirer.standing(self._stream)
        except (BusDown, BusRefused) as fault:
            return without_redis(time.time(), self._stream, str(fault), self._ear.take())
        heard = self._ear.take()
        self._before = look_of(time.time(), self._stream, standing, answers.values(), heard, self._before)
        return self._before

    async def close(self) -> None:
        await self._inquirer.close()


async def follow(
    stream: Stream,
    values: Values,
    *,
    console: Console,
    shown: Shown,
    stop: asyncio.Event,
    once: bool = False,
    seconds: float | None = None,
) -> int:
    """Tells a look each second until `stop` is set, or `seconds` are over; or `once`. Returns the exit code: NOT_FOUND
    where the last look found no such stream, or no Redis. Raises BusRefused where Redis refuses us for good."""
    follower = Follower(values, stream)
    last: list[Look] = []
    work = _once(follower, last, shown, console) if once else _on_and_on(follower, last, shown, console)
    try:
        async with asyncio.timeout(seconds):
            await _until(stop, follower.run(), work)
    except TimeoutError:
        pass  # the seconds are over, as was asked for
    finally:
        await follower.close()
    found = last and last[-1].standing is not None and last[-1].standing.record is not None
    return FOUND if found else NOT_FOUND


async def _until(stop: asyncio.Event, reading: Any, telling: Any) -> None:
    """Runs both until the telling is over, `stop` is set, or one of them fails; raises what it raised."""
    tasks = [asyncio.ensure_future(each) for each in (reading, telling, stop.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


async def _once(follower: Follower, last: list[Look], shown: Shown, console: Console) -> None:
    await follower.look()  # which asks
    await asyncio.sleep(SETTLED_S + LOOK_S)  # gateways measure from their first look at the question to the second
    last[:] = [await follower.look()]
    _teller(shown, console)(last[0])


async def _on_and_on(follower: Follower, last: list[Look], shown: Shown, console: Console) -> None:
    settled = time.monotonic() + SETTLED_S
    if shown is Shown.SCREEN:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                last[:] = [await follower.look()]
                asking = time.monotonic() < settled
                live.update(screen(last[0], console.size.width, asking=asking), refresh=True)
                await asyncio.sleep(LOOK_S)
    await follower.look()
    await asyncio.sleep(SETTLED_S)
    tell = _teller(shown, console)
    while True:
        last[:] = [await follower.look()]
        tell(last[0])
        await asyncio.sleep(LOOK_S)


def _teller(shown: Shown, console: Console) -> Callable[[Look], None]:
    def plain(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    def tell(look: Look) -> None:
        if shown is Shown.SCREEN:
            console.print(screen(look, console.size.width))
        elif shown is Shown.JSON:
            plain(json.dumps(as_json(look), ensure_ascii=False))
        else:
            for line in lines(look):
                plain(line)

    return tell
