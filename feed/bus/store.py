"""Questions to Redis that are not part of the live flow: directory, positions, last values, history."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import structlog

from feed import metrics
from feed.bus import log as logs
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.log import Entries
from feed.bus.replies import Command
from feed.core.sequence import Record
from feed.core.streams import Stream
from feed.settings import Redis

# Streams asked about in one go: some milliseconds of decoding, during which nothing else is done.
SLICE: Final = 50
# More callers than this wait for a Redis that is in trouble, and more waiting makes none of them luckier.
MAX_ASKING: Final = 64

log = structlog.get_logger(__name__)


class Past(NamedTuple):
    """A stretch of a stream's log, with the record of the same moment."""

    record: Record | None
    entries: Entries


class Answer(NamedTuple):
    """Replies, and the Redis process that gave them."""

    run_id: str
    replies: list[Any]


class Store:
    """Asks over one connection of its own, one caller at a time; a fault is the caller's to tell its client.

    Long answers are read in slices, so that live ticks go out in between.
    """

    def __init__(self, settings: Redis, name: str = "feed-gateway-http") -> None:
        """`name` shows in CLIENT LIST."""
        self._settings = settings
        self._name = name
        self._link: Link | None = None
        self._turn = asyncio.Lock()
        self._asking = 0

    async def directory(self, feed: str) -> frozenset[Stream]:
        """The feed's streams. Raises BusDown, as all calls here do."""
        return logs.directory((await self._ask("directory", [logs.directory_command(feed)])).replies[0])

    async def latest(self, streams: Sequence[Stream]) -> list[Past]:
        """Each stream's record and last entries, newest first."""
        pasts: list[Past] = []
        for at in range(0, len(streams), SLICE):
            slice_of = streams[at : at + SLICE]
            pasts += await self._past([(stream, logs.last_command(stream)) for stream in slice_of])
        return pasts

    async def history(self, stream: Stream, first: int, count: int) -> Past:
        """Up to `count` entries from seq `first` on, oldest first."""
        return (await self._past([(stream, logs.page_command(stream, first, count))]))[0]

    async def pages(self, wanted: Sequence[tuple[Stream, int]], count: int) -> list[Past]:
        """Of each stream up to `count` entries from a seq on, oldest first; all in one go."""
        return await self._past([(stream, logs.page_command(stream, first, count)) for stream, first in wanted])

    async def recent(self, stream: Stream, count: int) -> Past:
        """The last `count` entries, oldest first."""
        past = (await self._past([(stream, logs.last_command(stream, count))]))[0]
        return past._replace(entries=past.entries[::-1])

    async def close(self) -> None:
        if self._link is not None:
            await self._link.close()

    async def _past(self, wanted: Sequence[tuple[Stream, Command]]) -> list[Past]:
        commands: list[Command] = []
        for stream, command in wanted:
            commands += logs.atomically(logs.record_command(stream), command)
        run_id, replies = await self._ask("log", commands)
        answers = replies[3::4]  # of MULTI, record, entries, EXEC
        return [
            Past(logs.record(answer[0], run_id), logs.entries(stream, answer[1]))
            for (stream, _), answer in zip(wanted, answers, strict=True)
        ]

    async def _ask(self, what: str, commands: Sequence[Command]) -> Answer:
        if self._asking >= MAX_ASKING:
            raise BusDown(f"{MAX_ASKING} questions wait for Redis already")
        self._asking += 1
        try:
            # the turn counts: behind a Redis that hangs, the last in the queue would wait for all before it
            async with asyncio.timeout(self._settings.timeout_s), self._turn:
                answer = await self._answers(what, commands)
        except TimeoutError as error:
            raise BusDown(f"no answer from Redis in {self._settings.timeout_s:g} s") from error
        finally:
            self._asking -= 1
        refused = next((reply for reply in answer.replies if isinstance(reply, BusRefused)), None)
        if refused is not None:
            raise BusDown(f"Redis refused: {refused}")
        return answer

    async def _answers(self, what: str, commands: Sequence[Command]) -> Answer:
        kept, self._link = self._link, None
        if kept is not None:
            try:
                return await self._on(kept, what, commands)
            except BusDown as error:
                # it may have died since it last answered, and reading is safe to repeat
                log.debug("redis_connection_renewed", client=self._name, error=str(error))
        return await self._on(await Link.open(self._settings, self._name), what, commands)

    async def _on(self, link: Link, what: str, commands: Sequence[Command]) -> Answer:
        """Keeps a connection that answered, and no other."""
        asked_at = time.monotonic()
        try:
            replies = await link.calls(commands)
        except BaseException:
            await link.close()
            raise
        metrics.BUS_CALL.labels(what).observe(time.monotonic() - asked_at)
        self._link = link
        return Answer(link.run_id, replies)
