"""A load client's connections: a handshake by hand, then frames that are counted with as little Python as can be."""

import asyncio
import random
import time
from typing import Final, cast

from feed.bench.frames import CLOSE, PING, PONG, count, masked, split
from feed.bench.samples import Sample

HEAD_END: Final = b"\r\n\r\n"
NEVER: Final = 1 << 62


class Tally:
    """What all clients of this process were sent. Samples are kept while `every` is above 0: one of so many frames.

    The distance between two varies: a fixed one would visit the same clients again and again.
    """

    def __init__(self, markers: tuple[bytes, ...]) -> None:
        self.markers = markers
        self.frames = 0
        self.messages = 0
        self.bytes = 0
        self.lost = 0
        self.closed: dict[int, int] = {}
        self.samples: list[Sample] = []
        self.sample_at = NEVER
        self._every = 0
        self._random = random.Random(4)

    def sample_every(self, every: int) -> None:
        """Samples one of `every` frames from now on; 0 for none."""
        self._every = every
        self.sample_at = NEVER
        if every:
            self.samples = []
            self._next()

    def sample(self, data: bytes) -> None:
        """Keeps one of the frames that came together; which one, by chance."""
        frames = [frame for frame in split(data) if not frame.opcode & 0x08]
        if frames:
            self.samples.append(Sample(time.time_ns(), self._random.choice(frames)))
        self._next()

    def _next(self) -> None:
        self.sample_at = self.frames + self._random.randrange(1, 2 * self._every)


class Reader(asyncio.Protocol):
    """An open connection: counts what comes, answers pings."""

    def __init__(self, transport: asyncio.Transport, tally: Tally, sampled: bool) -> None:
        self._transport = transport
        self._tally = tally
        self._sampled = sampled
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        tally = self._tally
        frames, messages, used, others = count(data, tally.markers)
        tally.frames += frames
        tally.messages += messages
        if frames:
            tally.bytes += used
        self._rest = data[used:] if used < len(data) else b""
        if others:
            self._answer(data)
        elif tally.frames >= tally.sample_at and self._sampled:
            tally.sample(data)

    def connection_lost(self, _fault: Exception | None) -> None:
        self._tally.lost += 1

    def _answer(self, data: bytes) -> None:
        for frame in split(data):
            if frame.opcode == PING:
                self._transport.write(masked(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                code = int.from_bytes(frame.payload[:2], "big")
                self._tally.closed[code] = self._tally.closed.get(code, 0) + 1


class Opening(asyncio.Protocol):
    """A connection that shakes hands and, when it is told to, subscribes; then a Reader takes it over."""

    def __init__(self, request: bytes, tally: Tally, sampled: bool) -> None:
        self._request = request
        self._tally = tally
        self._sampled = sampled
        self._data = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.subscribed: asyncio.Future[None] = loop.create_future()

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._upgraded:
            head, found, rest = self._data.partition(HEAD_END)
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                settle(self.opened, ConnectionError(f"refused: {head.decode(errors='replace')[:200]}"))
                return
            self._upgraded, self._data = True, rest
            settle(self.opened)
        self._await_answer()

    def connection_lost(self, fault: Exception | None) -> None:
        waiting = self.subscribed if self.opened.done() else self.opened
        settle(waiting, ConnectionError(f"the connection ended while it was opened: {fault}"))

    def read(self) -> Reader:
        """Counts from here on, without waiting for the answer to a command."""
        reader = Reader(self.transport, self._tally, self._sampled)
        reader.data_received(self.hand_over(reader))
        return reader

    def hand_over(self, protocol: asyncio.Protocol) -> bytes:
        """Lets another protocol have what comes from here on; returns what came already."""
        self.transport.set_protocol(protocol)
        return self._data

    def _await_answer(self) -> None:
        for frame in split(self._data):
            if b"subscription" in frame.payload:
                self._data = self._data[frame.end :]
                self.read()
                settle(self.subscribed)
                return
            if b'"error"' in frame.payload:
                settle(self.subscribed, ConnectionError(f"refused: {frame.payload[:300]!r}"))
                return


def settle(waiting: asyncio.Future[None], fault: Exception | None = None) -> None:
    """Ends a wait, if it goes on: whoever waited may have given up."""
    if not waiting.done():
        if fault is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(fault)
