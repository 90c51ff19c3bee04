"""Plays recorded frames to all clients by one clock, and waits for those that can't keep up."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from feed.ingest.replay.client import Client
from feed.ingest.replay.clock import Clock
from feed.ingest.replay.personas import Persona
from feed.ingest.replay.recording import Frame

BATCH_FRAMES: Final = 512
BACKLOG_BYTES: Final = 1_048_576
# A write costs as much as thirty frames: what falls due within one such pause goes out together.
PAUSE_S: Final = 0.005
BACKLOG_PAUSE_S: Final = 0.005


class Player:
    """The clock starts with the first subscription; who comes later joins where it stands.

    At speed 0 there is no clock, and frames go as fast as the clients take them: not at all while nobody is subscribed.
    """

    def __init__(self, frames: Iterator[Frame], persona: Persona, speed: float, patience_s: float) -> None:
        """`patience_s` is how long the clock waits for a client whose queue is full, before it is disconnected."""
        self.clients: set[Client] = set()
        self.frames_sent = 0
        self.position_ns = 0
        self.dropped_clients = 0
        self.began_s: float | None = None
        self.ended_s: float | None = None
        self._frames = frames
        self._persona = persona
        self._speed = speed
        self._patience_s = patience_s
        self._audience = asyncio.Event()

    def subscriptions_changed(self) -> None:
        """To be called after a client came, went or subscribed."""
        if any(client.dialogue.topics for client in self.clients):
            self._audience.set()
        else:
            self._audience.clear()

    async def play(self) -> None:
        """Plays to the end. Raises RecordingError for a file that changed since it was surveyed."""
        now = asyncio.get_running_loop().time
        await self._audience.wait()
        self.began_s = now()
        clock: Clock | None = None
        batch = 0
        for frame in self._frames:
            topic = self._persona.topic(frame.message)
            if topic is None:
                continue
            clock = clock or Clock(self._speed, frame.ts_ns, self.began_s)
            if batch == BATCH_FRAMES or clock.due_s(frame.ts_ns) > now():
                await self._send(clock, frame.ts_ns)
                batch = 0
            batch += 1
            self._offer(frame, topic)
        for client in self.clients:
            client.flush(now())
        self.ended_s = now()

    def _offer(self, frame: Frame, topic: str) -> None:
        for client in self.clients:
            client.offer(frame, topic)
        self.frames_sent += 1
        self.position_ns = frame.ts_ns

    async def _send(self, clock: Clock, next_ns: int) -> None:
        """Writes what was gathered, and returns when the next frame is due and every client has room for it."""
        now = asyncio.get_running_loop().time
        for client in self.clients:
            client.flush(now())
        wait_s = clock.due_s(next_ns) - now()
        # uvloop writes when it is idle: without a pause, however short, nothing would leave.
        await asyncio.sleep(max(PAUSE_S, wait_s) if wait_s > 0 else 0)
        held_s = await self._room()
        if held_s > 0:
            clock.hold(held_s)
        if self._speed == 0:
            await self._audience.wait()

    async def _room(self) -> float:
        """Waits until every client has room, gives up those that get none in time, and returns how long that took."""
        now = asyncio.get_running_loop().time
        began_s = now()
        waited_s = 0.0
        while full := [client for client in self.clients if client.backlog_bytes > BACKLOG_BYTES]:
            if waited_s >= self._patience_s:
                self._give_up(full)
            else:
                await asyncio.sleep(BACKLOG_PAUSE_S)
                waited_s = now() - began_s
        return waited_s

    def _give_up(self, clients: Sequence[Client]) -> None:
        self.dropped_clients += len(clients)
        for client in clients:
            self.clients.discard(client)
            client.drop()
        self.subscriptions_changed()
