"""Questions to Redis that are not part of the live flow: directory, positions, last values, history."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from feed.bus import log as logs
from feed.bus.connect import Command, Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.log import Entries
from feed.core.sequence import Record
from feed.core.streams import Stream
from feed.settings import Redis


class Past(NamedTuple):
    """A stretch of a stream's log, with the record of the same moment."""

    record: Record | None
    entries: Entries


class Store:
    """Asks over one connection of its own, one caller at a time; a fault is the caller's to tell its client."""

    def __init__(self, settings: Redis) -> None:
        self._settings = settings
        self._link: Link | None = None
        self._turn = asyncio.Lock()

    async def directory(self, feed: str) -> frozenset[Stream]:
        """The feed's streams. Raises BusDown, as all calls here do."""
        return logs.directory((await self._ask([logs.directory_command(feed)]))[0])

    async def latest(self, streams: Sequence[Stream]) -> list[Past]:
        """Each stream's record and last entries, newest first."""
        return await self._past([(stream, logs.last_command(stream)) for stream in streams])

    async def history(self, stream: Stream, first: int, count: int) -> Past:
        """Up to `count` entries from seq `first` on, oldest first."""
        return (await self._past([(stream, logs.page_command(stream, first, count))]))[0]

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()

    async def _past(self, wanted: Sequence[tuple[Stream, Command]]) -> list[Past]:
        commands: list[Command] = []
        for stream, command in wanted:
            commands += logs.atomically(logs.record_command(stream), command)
        replies = await self._ask(commands)
        answers = replies[3::4]  # of MULTI, record, entries, EXEC
        return [
            Past(logs.record(answer[0]), logs.entries(stream, answer[1]))
            for (stream, _), answer in zip(wanted, answers, strict=True)
        ]

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        async with self._turn:
            link = self._link or await Link.open(self._settings, "feed-gateway-http")
            # only a connection that has answered is kept
            self._link = None
            replies = await link.calls(commands)
            self._link = link
        refused = next((reply for reply in replies if isinstance(reply, BusRefused)), None)
        if refused is not None:
            raise BusDown(f"Redis refused: {refused}")
        return replies
