"""Reads the wanted streams off Redis pub/sub, each in order, with what a lost connection left out read from the log."""

import asyncio
import contextlib
import math
import random
import time
from itertools import islice
from secrets import token_urlsafe
from typing import Any, Final

import structlog

from feed.bus import log as logs
from feed.bus import names
from feed.bus.connect import Link
from feed.bus.entry import unpack_message
from feed.bus.errors import BusDown, BusRefused
from feed.bus.hearing import LULL_S, Hearing
from feed.bus.heartbeat import Heartbeat
from feed.bus.presence import Presence
from feed.bus.reading import Listener, Phase, Reading
from feed.bus.server_info import SECTIONS
from feed.bus.server_info import parse as parse_info
from feed.bus.subscriber_meters import SubscriberMeters
from feed.core.backoff import delay_s
from feed.core.streams import Position, Stream
from feed.settings import Values

BEAT_S: Final = 1.0
# Every gateway hears its own beat each second. Silence means that the bus is gone, whatever the TCP connection says.
SILENCE_S: Final = 3.0
# Notices of new symbols may be lost with a connection; the directory itself is the truth.
DIRECTORY_S: Final = 10.0
INFO_S: Final = 10.0
BATCH: Final = 200
HEARTBEAT: Final = names.HEARTBEAT.encode()

log = structlog.get_logger(__name__)


class Subscriber:
    """Keeps the set of wanted streams subscribed, on one connection, and tells the listener what comes.

    All work goes through one recovery path: a connection that fails or falls silent is thrown away, the wanted set is
    subscribed anew, and each stream is read from the log from where it stood.
    """

    def __init__(self, values: Values, listener: Listener, name: str = "feed-gateway") -> None:
        """`name` shows in CLIENT LIST."""
        self._values = values
        self._name = name
        self._listener = listener
        self._readings: dict[bytes, Reading] = {}
        self._directories: dict[bytes, str] = {}
        self._stale_directories: set[str] = set()
        self._hearing = Hearing(listener)
        self._subscribed: set[bytes] = set()
        self._behind: dict[Reading, None] = {}
        self._wake = asyncio.Event()
        self._heard = time.monotonic()
        self._failures = 0
        self._heartbeat = Heartbeat(token_urlsafe(6))
        self._info_refused = False
        self._presence = Presence(role="subscriber")
        self._meters = SubscriberMeters()
        self._meters.watch(lambda: self._heard)

    def want(self, stream: Stream, since: Position | None = None) -> None:
        """Begins to read a stream: from its present position, or from after `since`."""
        channel = names.channel(stream).encode()
        self._readings[channel] = Reading(stream, since)
        self._subscribed.discard(channel)  # subscribed or not, a new confirmation is what starts the reading
        self._wake.set()

    def unwant(self, stream: Stream) -> None:
        """Stops reading a stream; nothing of it reaches the listener after this call."""
        self._readings.pop(names.channel(stream).encode(), None)
        self._wake.set()

    def want_directory(self, feed: str) -> None:
        """Begins to follow a feed's symbols."""
        self._directories[names.symbols_key(feed).encode()] = feed
        self._stale_directories.add(feed)
        self._wake.set()

    def want_workers(self, feed: str) -> None:
        """Begins to follow whether the feed's workers hear their source. What they say is told as `sources`."""
        self._hearing.want(feed, time.monotonic())
        self._wake.set()

    async def run(self) -> None:
        """Reads until cancelled. Raises BusRefused where the configuration can never work."""
        while True:
            connected = False
            try:
                async with contextlib.AsyncExitStack() as stack:
                    pushes = await Link.open(self._values.redis, f"{self._name}-sub")
                    stack.push_async_callback(pushes.close)
                    calls = await Link.open(self._values.redis, self._name)
                    stack.push_async_callback(calls.close)
                    connected = True
                    await self._serve(pushes, calls)
            except* BusDown as group:
                self._presence.away(group.exceptions[0], streams=len(self._readings))
                if connected:
                    self._meters.lost()
            self._failures += 1
            await asyncio.sleep(delay_s(self._failures, 0.05, 2.0, random.random()))

    async def _serve(self, pushes: Link, calls: Link) -> None:
        self._subscribed.clear()
        self._behind.clear()
        for reading in self._readings.values():
            reading.restart()
        self._stale_directories.update(self._directories.values())
        self._heard = time.monotonic()
        self._hearing.listen_anew(self._heard)
        pushes.follow(self._pushed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pushes.over())
                group.create_task(self._work(pushes, calls))
                group.create_task(self._watch())
        except* BusRefused as refused:
            raise BusDown(f"Redis refused: {refused.exceptions[0]}") from refused
        finally:
            self._meters.connected(False)
            self._listener.connected(False)

    def _pushed(self, pushes: list[list[Any]]) -> None:
        """Takes what came in one read."""
        now, heard_before = time.time_ns(), self._heard
        self._heard = time.monotonic()
        if self._heard - heard_before > LULL_S:
            self._hearing.listen_anew(self._heard)
        readings = self._readings
        for kind, channel, data in pushes:
            if kind == b"message":
                reading = readings.get(channel)
                if reading is not None:
                    self._message(reading, data, now)
                else:
                    self._notice(channel, data)
            elif kind == b"subscribe":
                self._confirmed(channel)

    def _message(self, reading: Reading, data: bytes, now: int) -> None:
        try:
            batch = unpack_message(reading.stream.symbol, data, now)
        except ValueError as error:
            # what it held stays missing from the sequence, so that the log is read for it with the next one
            log.error("unreadable_message", feed=reading.stream.feed, stream=reading.stream.name, error=str(error))
            self._meters.unreadable(reading.stream.feed)
            return
        stale = reading.live(batch, self._listener)
        if stale:
            self._meters.stale(reading.stream.feed, stale)
        if reading.phase is Phase.BEHIND:
            self._mark_behind(reading)

    def _notice(self, channel: bytes, data: bytes) -> None:
        if channel in self._directories:
            self._stale_directories.add(self._directories[channel])
            self._wake.set()
        elif channel == HEARTBEAT:
            took_s = self._heartbeat.took_s(data, self._heard)
            if took_s is not None:
                self._meters.beat(took_s)
        else:
            self._hearing.take(channel, data, time.monotonic(), self._heard)

    def _confirmed(self, channel: bytes) -> None:
        reading = self._readings.get(channel)
        if reading is not None:
            reading.phase = Phase.BEHIND
            self._mark_behind(reading)

    def _mark_behind(self, reading: Reading) -> None:
        if reading not in self._behind:
            self._behind[reading] = None
            self._wake.set()

    async def _work(self, pushes: Link, calls: Link) -> None:
        """Everything that asks Redis for something: subscriptions, logs, directories, beats."""
        beat_due = directory_due = info_due = 0.0
        while True:
            now = time.monotonic()
            if now >= directory_due:
                self._stale_directories.update(self._directories.values())
                directory_due = now + DIRECTORY_S
            if now >= beat_due:
                await calls.call("PUBLISH", names.HEARTBEAT, self._heartbeat.beat(time.monotonic()))
                beat_due = now + BEAT_S
            self._hearing.judge(time.monotonic(), self._heard)
            self._wake.clear()
            await self._subscribe(pushes)
            await self._read_directories(calls)
            await self._read_logs(calls)
            if not self._behind:
                self._failures = 0
                self._presence.there()
                self._meters.connected(True)
                self._listener.connected(True)
            if now >= info_due:
                info_due = now + (INFO_S if await self._read_info(calls) else math.inf)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, beat_due - time.monotonic())):
                    await self._wake.wait()

    async def _read_info(self, calls: Link) -> bool:
        """Asks Redis of itself, which is good to know and no more; whether it may be asked again."""
        try:
            self._meters.server(parse_info(await calls.call("INFO", *SECTIONS)))
        except BusRefused as error:
            if not self._info_refused:
                log.info("redis_info_refused", error=str(error))
            self._info_refused = True
            return False
        return True

    async def _watch(self) -> None:
        """Ends the connection when it falls silent: whoever waits for an answer on it would wait longer."""
        while (silent_s := time.monotonic() - self._heard) <= SILENCE_S:  # noqa: ASYNC110 - silence sets no event
            await asyncio.sleep(SILENCE_S - silent_s + 0.01)
        raise BusDown(f"nothing heard from Redis for {SILENCE_S:g} s, not even the own beat")

    async def _subscribe(self, pushes: Link) -> None:
        """Brings the subscriptions to the wanted set, which may change while a command is sent: each is entered in the
        books before, so that a channel wanted anew meanwhile is subscribed anew."""
        wanted = {HEARTBEAT, *self._readings, *self._directories, *self._hearing.channels}
        new, gone = sorted(wanted - self._subscribed), sorted(self._subscribed - wanted)
        self._subscribed = wanted
        for command, channels in (("SUBSCRIBE", new), ("UNSUBSCRIBE", gone)):
            for at in range(0, len(channels), BATCH):
                await pushes.send(command, *channels[at : at + BATCH])

    async def _read_directories(self, calls: Link) -> None:
        while self._stale_directories:
            feed, asked_at = self._stale_directories.pop(), time.monotonic()
            reply = await calls.call(*logs.directory_command(feed))
            self._meters.directory_read(time.monotonic() - asked_at)
            self._listener.symbols(feed, logs.directory(reply))

    async def _read_logs(self, calls: Link) -> None:
        """Opens new streams and catches up with those that are behind, many in one round trip."""
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
                self._caught(reading, replies[(at + 1) * per - 1], calls.run_id)

    def _caught(self, reading: Reading, reply: Any, run_id: str) -> None:
        if isinstance(reply, BusRefused):
            raise BusDown(f"cannot read {reading.stream.name}: {reply}")
        if not self._current(reading):
            return  # unwanted, or wanted anew, while Redis answered
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
