"""Reads streams off one master's pub/sub, each in order, with what a lost connection left out read from the log."""

import asyncio
import contextlib
import math
import random
import time
from functools import partial
from secrets import token_urlsafe
from typing import Any, Final, Protocol

import structlog

from feed.bus.catching_up import CatchingUp
from feed.bus.connect import Link
from feed.bus.directories import Directories
from feed.bus.entry import unpack_message
from feed.bus.errors import BusDown, BusRefused
from feed.bus.hearing import LULL_S, Hearing, Workers
from feed.bus.heartbeat import Heartbeat
from feed.bus.masters import Masters
from feed.bus.outlet import PASSES_S
from feed.bus.presence import Presence
from feed.bus.pubsub import ELSEWHERE, SHARDED, WHOLE
from feed.bus.reading import Listener, Phase, Reading
from feed.bus.server_info import SECTIONS
from feed.bus.server_info import parse as parse_info
from feed.bus.subscriber_meters import SubscriberMeters
from feed.bus.subscriptions import Subscriptions
from feed.bus.topology import Node, Topology, redirection
from feed.core.backoff import delay_s

BEAT_S: Final = 1.0
# Every gateway hears its own beat each second. Silence means that the bus is gone, whatever the TCP connection says.
SILENCE_S: Final = 3.0
INFO_S: Final = 10.0

log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Whose streams a reader reads."""

    def astray(self) -> None:
        """Something suggests that the masters are others by now."""
        ...

    def linked(self) -> None:
        """A reader came up, or went down."""
        ...


class Reader:
    """What is wanted of one master, subscribed over one connection, asked for over another.

    All work goes through one recovery path: a connection that fails or falls silent is thrown away, all that is wanted
    is subscribed anew, and each stream is read from the log from where it stood.
    """

    def __init__(
        self,
        node: Node,
        masters: Masters,
        owner: Owner,
        listener: Listener,
        meters: SubscriberMeters,
        heartbeat: str,
        name: str,
    ) -> None:
        """`heartbeat` is a channel of this master's; `name` shows in CLIENT LIST."""
        self._name = name
        self._server = str(node) if masters.sharded else ""
        self._presence = Presence(role="subscriber", **({"server": self._server} if self._server else {}))
        self.up = False
        self.heard = time.monotonic()
        self.hearing = Hearing(listener)
        self._node = node
        self._masters = masters
        self._owner = owner
        self._listener = listener
        self._meters = meters
        self._beats = heartbeat.encode()
        self._words = SHARDED if masters.sharded else WHOLE
        self._readings: dict[bytes, Reading] = {}
        self._directories = Directories(listener, meters, sharded=masters.sharded)
        self._subscriptions = Subscriptions(self._words)
        self._behind = CatchingUp(self._readings, listener, meters, node, self._open if masters.sharded else None)
        self._wake = asyncio.Event()
        self._failures = 0
        self._heartbeat = Heartbeat(token_urlsafe(6))
        self._info_refused = False

    def want(self, channel: bytes, reading: Reading) -> None:
        """Begins to read a stream, or goes on where another reader left it."""
        reading.restart()
        self._readings[channel] = reading
        self._subscriptions.again(channel)  # the confirmation is what starts the reading
        self._wake.set()

    def unwant(self, channel: bytes) -> Reading | None:
        """Stops reading a stream; nothing of it reaches the listener after this call."""
        self._wake.set()
        return self._readings.pop(channel, None)

    def want_directory(self, channel: bytes, feed: str) -> None:
        """Begins to follow a feed's symbols."""
        self._directories.want(channel, feed)
        self._wake.set()

    def want_workers(self, channel: bytes, workers: Workers) -> None:
        """Begins to follow whether the feed's workers hear their source. What they say is told as `sources`."""
        self.hearing.want(channel, workers, time.monotonic())
        self._wake.set()

    def keep(self, topology: Topology, heartbeat: str) -> None:
        """The master answers for other keys by now: forgets what is not its own any more."""
        self._beats = heartbeat.encode()
        for channel in [each for each in self._readings if topology.node_of(each.decode()) != self._node]:
            del self._readings[channel]
        for followed in (self._directories, self.hearing):
            for channel in followed.channels:
                if topology.node_of(channel.decode()) != self._node:
                    followed.unwant(channel)
        self._wake.set()

    def looked(self) -> None:
        """It was looked who answers for what: this master does for what is wanted of it, whatever it said."""
        if self._subscriptions.retry():
            self._wake.set()

    async def run(self) -> None:
        """Reads until cancelled. Raises BusRefused where the configuration can never work."""
        while True:
            connected = False
            try:
                async with contextlib.AsyncExitStack() as stack:
                    pushes = await self._masters.open(self._node, f"{self._name}-sub")
                    stack.push_async_callback(pushes.close)
                    calls = await self._open(self._node)
                    stack.push_async_callback(calls.close)
                    stack.push_async_callback(self._behind.close)
                    connected = True
                    await self._serve(pushes, calls)
            except* BusDown as group:
                self._presence.away(group.exceptions[0], streams=len(self._readings))
                if connected:
                    self._meters.lost()
            self._owner.astray()
            self._failures += 1
            await asyncio.sleep(delay_s(self._failures, 0.05, 2.0, random.random()))

    async def _open(self, node: Node) -> Link:
        return await self._masters.open(node, self._name)

    async def _serve(self, pushes: Link, calls: Link) -> None:
        self._subscriptions.anew()
        self._behind.clear()
        for reading in self._readings.values():
            reading.restart()
        self._directories.anew()
        self.heard = time.monotonic()
        self.hearing.listen_anew(self.heard)
        pushes.follow(self._pushed, partial(self._objected, pushes))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pushes.over())
                group.create_task(self._work(pushes, calls))
                group.create_task(self._watch())
        except* BusRefused as refused:
            raise BusDown(f"Redis refused: {refused.exceptions[0]}") from refused
        finally:
            self._is_up(False)
            self._meters.server_gone(self._server)

    def _pushed(self, pushes: list[list[Any]]) -> None:
        """Takes what came in one read."""
        now, heard_before = time.time_ns(), self.heard
        self.heard = time.monotonic()
        if self.heard - heard_before > LULL_S:
            self.hearing.listen_anew(self.heard)
        readings, message = self._readings, self._words.message
        for kind, channel, data in pushes:
            if kind == message:
                reading = readings.get(channel)
                if reading is not None:
                    self._message(reading, data, now)
                else:
                    self._notice(channel, data)
            elif kind == self._words.confirmation:
                self._confirmed(channel)
            elif self._subscriptions.left(channel):
                self._dismissed(channel)

    def _objected(self, pushes: Link, refused: BusRefused) -> None:
        to = redirection(str(refused), self._node)
        if to is None:
            pushes.end(BusDown(f"Redis refused: {refused}"))
            return
        for channel in self._subscriptions.of_slot(to.slot):
            self._subscriptions.left(channel)
            self._dismissed(channel)

    def _message(self, reading: Reading, data: bytes, now: int) -> None:
        if data == ELSEWHERE:
            reading.ahead()
        else:
            try:
                batch = unpack_message(reading.stream.symbol, data, now)
            except ValueError as error:
                # what it held stays missing from the sequence, so that the log is read for it with the next one
                log.error("unreadable_message", feed=reading.stream.feed, stream=reading.stream.name, error=str(error))
                self._meters.unreadable(reading.stream.feed)
                return
            if stale := reading.live(batch, self._listener):
                self._meters.stale(reading.stream.feed, stale)
        if reading.phase is Phase.BEHIND:
            self._read_log(reading)

    def _notice(self, channel: bytes, data: bytes) -> None:
        if self._directories.notice(channel):
            self._wake.set()
        elif channel == self._beats:
            took_s = self._heartbeat.took_s(data, self.heard)
            if took_s is not None:
                self._meters.beat(took_s)
        else:
            self.hearing.take(channel, data, time.monotonic(), self.heard)

    def _confirmed(self, channel: bytes) -> None:
        reading = self._readings.get(channel)
        if reading is not None:
            self._read_log(reading)

    def _dismissed(self, channel: bytes) -> None:
        """The channel's slot has left this master, which brings nothing of it any more."""
        reading = self._readings.get(channel)
        if reading is not None:
            reading.restart()
        self._owner.astray()

    def _read_log(self, reading: Reading) -> None:
        reading.phase = Phase.BEHIND
        if self._behind.add(reading):
            self._wake.set()

    async def _work(self, pushes: Link, calls: Link) -> None:
        """Everything that asks Redis for something: subscriptions, logs, directories, beats."""
        beat_due = info_due = 0.0
        while True:
            now = time.monotonic()
            if now >= beat_due:
                await self._beat(calls)
                beat_due = now + BEAT_S
            self.hearing.judge(time.monotonic(), self.heard)
            self._wake.clear()
            wanted = {self._beats, *self._readings, *self._directories.channels, *self.hearing.channels}
            await self._subscriptions.bring(pushes, wanted)
            await self._directories.read(calls, now)
            await self._behind.read(calls)
            if self._behind.deferred:
                self._owner.astray()
            if self._behind.done:
                self._failures = 0
                self._presence.there()
                self._is_up(True)
            if now >= info_due:
                info_due = now + (INFO_S if await self._read_info(calls) else math.inf)
            due = min(beat_due, time.monotonic() + PASSES_S) if self._behind.deferred else beat_due
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._wake.wait()

    async def _read_info(self, calls: Link) -> bool:
        """Asks Redis of itself, which is good to know and no more; whether it may be asked again."""
        try:
            self._meters.server(parse_info(await calls.call("INFO", *SECTIONS)), self._server)
        except BusRefused as error:
            if not self._info_refused:
                log.info("redis_info_refused", error=str(error))
            self._info_refused = True
            return False
        return True

    async def _watch(self) -> None:
        """Ends the connection when it falls silent: whoever waits for an answer on it would wait longer."""
        while (silent_s := time.monotonic() - self.heard) <= SILENCE_S:  # noqa: ASYNC110 - silence sets no event
            await asyncio.sleep(SILENCE_S - silent_s + 0.01)
        raise BusDown(f"nothing heard from Redis for {SILENCE_S:g} s, not even the own beat")

    async def _beat(self, calls: Link) -> None:
        try:
            await calls.call(self._words.publish, self._beats, self._heartbeat.beat(time.monotonic()))
        except BusRefused as error:
            if redirection(str(error), self._node) is None:
                raise
            self._owner.astray()  # the master has other slots by now, and so another channel for its beat

    def _is_up(self, up: bool) -> None:
        self.up = up
        self._owner.linked()
