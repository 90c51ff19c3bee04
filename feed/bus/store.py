"""Questions to Redis that are not part of the live flow: directory, positions, last values, history."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from feed import metrics
from feed.bus import log as logs
from feed.bus import names
from feed.bus.errors import BusDown, BusRefused
from feed.bus.links import Answer, Links
from feed.bus.log import Entries
from feed.bus.replies import Command
from feed.bus.topology import Node
from feed.core.sequence import Record
from feed.core.streams import Stream
from feed.settings import Redis

# Streams asked about in one go: some milliseconds of decoding, during which nothing else is done.
SLICE: Final = 50
# More callers than this wait for a Redis that is in trouble, and more waiting makes none of them luckier.
MAX_ASKING: Final = 64

T = TypeVar("T")


class Past(NamedTuple):
    """A stretch of a stream's log, with the record of the same moment."""

    record: Record | None
    entries: Entries


class Store:
    """Asks over connections of its own, one caller at a time; a fault is the caller's to tell its client.

    Long answers are read in slices, so that live ticks go out in between.
    """

    def __init__(self, settings: Redis, name: str = "feed-gateway-http") -> None:
        """`name` shows in CLIENT LIST."""
        self._timeout_s = settings.timeout_s
        self._links = Links(settings, name)
        self._turn = asyncio.Lock()
        self._asking = 0

    async def directory(self, feed: str) -> frozenset[Stream]:
        """The feed's streams. Raises BusDown, as all calls here do."""
        key, command = names.symbols_key(feed), logs.directory_command(feed)
        (answer,) = await self._in_turn(lambda: self._ask("directory", key, [[command]]))
        return logs.directory(answer.replies[0])

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
        await self._links.close()

    async def _past(self, wanted: Sequence[tuple[Stream, Command]]) -> list[Past]:
        return await self._in_turn(lambda: self._read(wanted))

    async def _read(self, wanted: Sequence[tuple[Stream, Command]]) -> list[Past]:
        """Of each stream its record and what its command asks for: those of one master in one go."""
        found: dict[int, Past] = {}
        for key, places in (await self._by_master([stream for stream, _ in wanted])).items():
            questions = [logs.atomically(logs.record_command(wanted[at][0]), wanted[at][1]) for at in places]
            for at, (run_id, replies) in zip(places, await self._ask("log", key, questions), strict=True):
                record, entries = replies[-1]
                found[at] = Past(logs.record(record, run_id), logs.entries(wanted[at][0], entries))
        return [found[at] for at in range(len(wanted))]

    async def _by_master(self, streams: Sequence[Stream]) -> dict[str, list[int]]:
        """Places in the list, by a key of the master that they share."""
        keys: dict[Node, str] = {}
        places: dict[str, list[int]] = {}
        for at, stream in enumerate(streams):
            key = names.meta_key(stream)
            places.setdefault(keys.setdefault(await self._links.node_of(key), key), []).append(at)
        return places

    async def _ask(self, what: str, key: str, questions: Sequence[Sequence[Command]]) -> list[Answer]:
        asked_at = time.monotonic()
        answers = await self._links.asks(key, questions)
        metrics.BUS_CALL.labels(what).observe(time.monotonic() - asked_at)
        for answer in answers:
            refused = next((reply for reply in answer.replies if isinstance(reply, BusRefused)), None)
            if refused is not None:
                raise BusDown(f"Redis refused: {refused}")
        return answers

    async def _in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._asking >= MAX_ASKING:
            raise BusDown(f"{MAX_ASKING} questions wait for Redis already")
        self._asking += 1
        try:
            # the turn counts: behind a Redis that hangs, the last in the queue would wait for all before it
            async with asyncio.timeout(self._timeout_s), self._turn:
                return await work()
        except TimeoutError as error:
            raise BusDown(f"no answer from Redis in {self._timeout_s:g} s") from error
        finally:
            self._asking -= 1
