"""The floor: what the same writes cost a bare process, and nothing else.

In its round it writes, F times a second, W/F frames of B bytes to its connections in turn, with one `transport.write`
each: F, W and B are the flushes a second, frames a second and bytes a frame that the gateway had in the round just
before. A flush's frames are one bytes object, made in advance but for its stamp: the time at which it was due. If it
falls behind it leaves nothing out, and says how late it was.

    python -m feed.bench.floor '{"certificate": null, "kind": "trades"}'
"""

import asyncio
import ssl
import sys
import time
from typing import Any, Final

import orjson

from feed.bench.control import Json, child, serve
from feed.bench.load import MARKERS
from feed.wire.frames import TEXT, frame

UPGRADED: Final = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
STAMP_DIGITS: Final = 19
# uvloop's timers have the milliseconds of libuv: so much lateness is the timer's, not the load's, and is not counted.
TIMER_NS: Final = 1_000_000


class Bare(asyncio.Protocol):
    """A connection that is upgraded without a look, and then only written to."""

    def __init__(self, transports: list[asyncio.Transport]) -> None:
        self._transports = transports
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(UPGRADED)
            self._transports.append(self._transport)


class Flushes:
    """A schedule of flushes over the connections, from its making until `stop`."""

    def __init__(
        self,
        transports: list[asyncio.Transport],
        flushes_per_s: float,
        writes_per_s: float,
        frame_bytes: int,
        tag: bytes,
    ) -> None:
        self._transports = transports
        self._period_s = 1 / flushes_per_s
        self._writes_a_flush = writes_per_s / flushes_per_s
        self._head, self._tail = stamped_frame(frame_bytes, tag)
        self._loop = asyncio.get_running_loop()
        self._began, self._began_ns = self._loop.time(), time.time_ns()
        self.done = 0
        self.writes = 0
        self.latest_ns = 0
        self._timer = self._loop.call_at(self._began, self._flush)

    def _flush(self) -> None:
        due_ns = self._began_ns + int(self.done * self._period_s * 1e9)
        now_ns = time.time_ns()
        late_ns = now_ns - due_ns
        self.latest_ns = max(self.latest_ns, late_ns)
        data = b"%s%019d%s" % (self._head, now_ns if late_ns < TIMER_NS else due_ns, self._tail)
        self.done += 1
        transports, many = self._transports, len(self._transports)
        until = int(self.done * self._writes_a_flush)
        for number in range(self.writes, until):
            transports[number % many].write(data)
        self.writes = until
        self._timer = self._loop.call_at(self._began + self.done * self._period_s, self._flush)

    def stop(self) -> Json:
        self._timer.cancel()
        return {"flushes": self.done, "writes": self.writes, "late_ms": self.latest_ns / 1e6}


def stamped_frame(size: int, tag: bytes) -> tuple[bytes, bytes]:
    """A text frame of about `size` bytes, header included: what comes before and after its stamp of 19 digits."""
    head, tail = b'[%s,"ts_pub":' % tag, b',"p":"%s"}]'
    bare = len(frame(TEXT, bytes(max(0, size - 8)))) - max(0, size - 8)  # bytes of its header
    pad = size - bare - len(head) - STAMP_DIGITS - len(tail % b"")
    whole = frame(TEXT, head + b"0" * STAMP_DIGITS + tail % (b"." * max(0, pad)))
    at = whole.index(head) + len(head)
    return whole[:at], whole[at + STAMP_DIGITS :]


class Floor:
    """Its connections, and the flushes that go on."""

    def __init__(self, kind: str) -> None:
        self.transports: list[asyncio.Transport] = []
        self._tag = MARKERS[kind]
        self._flushes: Flushes | None = None

    async def play(self, flushes_per_s: float, writes_per_s: float, frame_bytes: int) -> Json:
        """Writes at this cadence until `stop`."""
        self._flushes = Flushes(self.transports, flushes_per_s, writes_per_s, frame_bytes, self._tag)
        return {}

    async def stop(self) -> Json:
        """Ends, and says what was written."""
        assert self._flushes is not None
        return self._flushes.stop()


async def main() -> None:
    told = orjson.loads(sys.argv[1])
    floor = Floor(told["kind"])
    context = None
    if told["certificate"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*told["certificate"])
    server = await asyncio.get_running_loop().create_server(
        lambda: Bare(floor.transports), "127.0.0.1", 0, backlog=4096, ssl=context
    )
    await serve({"play": floor.play, "stop": floor.stop}, {"port": server.sockets[0].getsockname()[1]})


if __name__ == "__main__":
    child(main)
