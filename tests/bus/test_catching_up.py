"""Logs that are read at another master: whose connections they are, whatever interrupts it."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from feed.bus import names
from feed.bus.catching_up import CatchingUp
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.reading import Phase, Reading
from feed.bus.subscriber_meters import SubscriberMeters
from feed.bus.topology import Node
from feed.core.streams import Stream
from tests.bus.ear import Ear

STREAM = Stream("t", "trades", "S1")
HERE, THERE = Node("127.0.0.1", 1), Node("127.0.0.1", 2)


class Wire:
    """In place of a connection: what every command is answered with, or nothing ever."""

    run_id = "r"

    def __init__(self, answer: Exception | None = None) -> None:
        self.asked = asyncio.Event()
        self.open = True
        self._answer = answer

    async def calls(self, commands: Sequence[Any]) -> list[Any]:
        self.asked.set()
        if isinstance(self._answer, BusDown):
            raise self._answer
        if self._answer is None:
            await asyncio.Event().wait()
        return [self._answer] * len(commands)

    async def close(self) -> None:
        self.open = False


class Scene:
    """A stream that is behind, whose log this master says is at the other one."""

    def __init__(self, *others: Wire) -> None:
        reading = Reading(STREAM, None, Phase.BEHIND)
        readings = {names.channel(STREAM).encode(): reading}
        self.others = list(others)
        self.behind = CatchingUp(readings, Ear(), SubscriberMeters(), HERE, self._connect)
        self.behind.add(reading)

    async def read(self) -> None:
        await self.behind.read(cast(Link, Wire(BusRefused(f"ASK 1 {THERE}"))))

    async def _connect(self, node: Node) -> Link:
        assert node == THERE
        return cast(Link, self.others.pop(0))


def test_a_reader_that_ends_meanwhile_leaves_no_connection_open() -> None:
    async def main() -> None:
        silent = Wire()
        scene = Scene(silent)
        task = asyncio.create_task(scene.read())
        await silent.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await scene.behind.close()
        assert not silent.open

    asyncio.run(main())


def test_a_fault_of_the_other_master_is_none_of_this_one_and_its_connection_is_not_used_again() -> None:
    async def main() -> None:
        lost, refusing = Wire(BusDown("gone")), Wire(BusRefused("TRYAGAIN"))
        scene = Scene(lost, refusing)
        await scene.read()
        assert scene.behind.deferred
        assert not lost.open
        await scene.read()
        assert scene.behind.deferred
        assert refusing.open
        assert not scene.others
        await scene.read()
        assert not scene.others, "a connection that works is kept"
        await scene.behind.close()
        assert not refusing.open

    asyncio.run(main())
