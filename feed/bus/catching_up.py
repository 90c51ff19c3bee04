"""Streams that have to be read from their logs: new ones, and those that missed something."""

import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from feed.bus import log as logs
from feed.bus import names
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.reading import Listener, Phase, Reading
from feed.bus.subscriber_meters import SubscriberMeters
from feed.bus.topology import passing, redirection

BATCH: Final = 200


class CatchingUp:
    """Reads the logs of one master's streams, many in one round trip, until each is live."""

    def __init__(
        self, readings: Mapping[bytes, Reading], listener: Listener, meters: SubscriberMeters, *, sharded: bool
    ) -> None:
        """`readings` are those that are wanted now, by channel; `sharded`: a log may be on its way elsewhere."""
        self._readings = readings
        self._listener = listener
        self._meters = meters
        self._sharded = sharded
        self._behind: dict[Reading, None] = {}
        self._deferred: dict[Reading, None] = {}  # whose log is between two masters

    @property
    def done(self) -> bool:
        return not self._behind and not self._deferred

    @property
    def deferred(self) -> bool:
        """Whether some are to be tried again, a little later."""
        return bool(self._deferred)

    def clear(self) -> None:
        self._behind.clear()
        self._deferred.clear()

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
            for reading in readings:
                reading.ask()
            commands = [command for reading in readings for command in logs.atomically(*_commands(reading))]
            asked_at = time.monotonic()
            replies = await calls.calls(commands)
            self._meters.logs_read(time.monotonic() - asked_at)
            per = len(commands) // len(readings) if readings else 1
            for at, reading in enumerate(readings):
                self._caught(reading, replies[at * per : (at + 1) * per], calls.run_id)

    def _caught(self, reading: Reading, answer: Sequence[Any], run_id: str) -> None:
        if not self._current(reading):
            return  # unwanted, or wanted anew, while Redis answered
        refused = next((reply for reply in answer if isinstance(reply, BusRefused)), None)
        if refused is not None:
            if not self._sharded or not (redirection(str(refused)) or passing(str(refused))):
                raise BusDown(f"cannot read {reading.stream.name}: {refused}")
            self._deferred[reading] = None
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

    def _current(self, reading: Reading) -> bool:
        return self._readings.get(names.channel(reading.stream).encode()) is reading


def _commands(reading: Reading) -> tuple[Any, Any]:
    stream = reading.stream
    if reading.at is None:
        return logs.record_command(stream), logs.last_command(stream)
    return logs.record_command(stream), logs.page_command(stream, reading.at.seq + 1)
