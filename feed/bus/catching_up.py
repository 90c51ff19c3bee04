"""Streams that have to be read from their logs: new ones, and those that missed something."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import structlog

from feed.bus import log as logs
from feed.bus import names
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.reading import Listener, Phase, Reading
from feed.bus.replies import Command
from feed.bus.subscriber_meters import SubscriberMeters
from feed.bus.topology import ASKING, Node, redirection, unsettled

BATCH: Final = 200

log = structlog.get_logger(__name__)


class CatchingUp:
    """Reads the logs of one master's streams, many in one round trip, until each is live.

    A log that is at another master already, though its slot is not, is read there.
    """

    def __init__(
        self,
        readings: Mapping[bytes, Reading],
        listener: Listener,
        meters: SubscriberMeters,
        node: Node,
        others: Callable[[Node], Awaitable[Link]] | None,
    ) -> None:
        """`readings` are those that are wanted now, by channel; `others` connects to other masters of the cluster, and
        is None where there are none."""
        self._readings = readings
        self._listener = listener
        self._meters = meters
        self._node = node
        self._others = others
        self._links: dict[Node, Link] = {}
        self._behind: dict[Reading, None] = {}
        self._ahead: dict[Node, list[Reading]] = {}  # whose log is there by now
        self._deferred: dict[Reading, None] = {}  # whose log is between two masters

    @property
    def done(self) -> bool:
        """Whether all is read that can be read."""
        return not self._behind

    @property
    def deferred(self) -> bool:
        """Whether some are to be tried again, a little later."""
        return bool(self._deferred)

    def clear(self) -> None:
        self._behind.clear()
        self._deferred.clear()

    async def close(self) -> None:
        """Ends the connections to other masters."""
        links, self._links = self._links, {}
        for link in links.values():
            await link.close()

    def add(self, reading: Reading) -> bool:
        """A stream is behind; whether that is news."""
        if reading in self._behind:
            return False
        self._behind[reading] = None
        return True

    async def read(self, calls: Link) -> None:
        """Opens new streams and catches up with those that are behind, but for those that can't be read just now."""
        deferred, self._deferred = self._deferred, {}
        self._behind.update(deferred)
        while self._behind:
            readings = list(islice(self._behind, BATCH))
            for reading in readings:
                del self._behind[reading]
            # marked more than once, it may be live again: its log would then bring what came meanwhile a second time
            readings = [reading for reading in readings if self._current(reading) and reading.phase is Phase.BEHIND]
            await self._read(calls, readings, self._node)
            ahead, self._ahead = self._ahead, {}
            for node, lent in ahead.items():
                await self._read_ahead(node, lent)

    async def _read(self, calls: Link, readings: Sequence[Reading], node: Node) -> None:
        asked = []
        for reading in readings:
            reading.ask()
            # before a transaction it is of no consequence to the master whose slot it is
            asked.append([*([] if node == self._node else [ASKING]), *logs.atomically(*_commands(reading))])
        asked_at = time.monotonic()
        replies = await calls.calls([command for commands in asked for command in commands])
        self._meters.logs_read(time.monotonic() - asked_at)
        at = 0
        for reading, commands in zip(readings, asked, strict=True):
            self._caught(reading, replies[at : at + len(commands)], calls.run_id, node)
            at += len(commands)

    async def _read_ahead(self, node: Node, readings: list[Reading]) -> None:
        """Reads logs where they are ahead of their slots. A fault of that master is none of this one."""
        assert self._others is not None
        try:
            link = self._links.get(node)
            if link is None:
                link = self._links[node] = await self._others(node)
            await self._read(link, [reading for reading in readings if self._current(reading)], node)
        except BusDown as error:
            log.debug("log_ahead_unread", server=str(node), error=str(error))
            self._deferred.update(dict.fromkeys(readings))
            if node in self._links:
                await self._links.pop(node).close()

    def _caught(self, reading: Reading, answer: Sequence[Any], run_id: str, node: Node) -> None:
        if not self._current(reading):
            return  # unwanted, or wanted anew, while Redis answered
        refused = next((reply for reply in answer if isinstance(reply, BusRefused)), None)
        if refused is not None:
            self._refused(reading, str(refused), node)
            return
        reply = answer[-1]
        record, entries = logs.record(reply[0], run_id), logs.entries(reading.stream, reply[1])
        if reading.at is None:
            reading.open(record, entries, self._listener)
        else:
            again = reading.catch_up(record, entries, time.time_ns(), self._listener)
            if again or len(reply[1]) >= logs.PAGE:  # with those that can't be read
                self._behind[reading] = None
                return
            if record is not None:
                reading.missing_end(record, self._listener)
            if reading.has_been_live:
                self._meters.healed(reading.stream.feed)
        stale = reading.caught_up(record, self._listener)
        if stale:
            self._meters.stale(reading.stream.feed, stale)
        if reading.phase is Phase.BEHIND:
            self._behind[reading] = None

    def _refused(self, reading: Reading, words: str, node: Node) -> None:
        if self._others is None or not unsettled(words):
            raise BusDown(f"cannot read {reading.stream.name}: {words}")
        to = redirection(words, node)
        if to is not None and not to.lasting and node == self._node:
            self._ahead.setdefault(to.node, []).append(reading)
        else:
            self._deferred[reading] = None

    def _current(self, reading: Reading) -> bool:
        return self._readings.get(names.channel(reading.stream).encode()) is reading


def _commands(reading: Reading) -> tuple[Command, Command]:
    stream = reading.stream
    if reading.at is None:
        return logs.record_command(stream), logs.last_command(stream)
    return logs.record_command(stream), logs.page_command(stream, reading.at.seq + 1)
