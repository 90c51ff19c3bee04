"""One WebSocket connection to a venue, from its handshake to the reason for its end."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import WSMsgType

from feed.ingest.intake import Received
from feed.ingest.venues import ANNOUNCED, ConnectionEnds, Subscription
from feed.settings import Ingest

# How long a venue has to answer our close: by then nobody waits for its data.
CLOSE_TIMEOUT_S: Final = 1.0


# It never came up; it ended by the venue, without a goodbye, or by us; the venue said that it ends.
ENDS: Final = (
    "connect", "connect_timeout", "handshake", "closed", "lost", "stale", "frame_too_big", "protocol", *ANNOUNCED
)  # fmt: skip


class Ended(NamedTuple):
    """Why a connection ended: one of ENDS for the metric, and the details for the log."""

    reason: str
    detail: str


class Connection:
    """Connects, subscribes, and hands over frames as they come, all that came together in one call."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        subscription: Subscription,
        knobs: Ingest,
        take: Callable[[Sequence[Received]], bool],
        changed: Callable[[], None],
    ) -> None:
        """`take` says whether at least one frame made sense; `changed` is told when `up` changes."""
        self.up = False
        self.hears = False
        """Up, and something that made sense came: a venue that takes connections may still be mute."""
        self._session = session
        self._subscription = subscription
        self._knobs = knobs
        self._take = take
        self._changed = changed
        # Unbounded in form only: it is emptied on every turn of the loop, and one turn can't bring more than aiohttp
        # reads ahead (128 KiB and one frame).
        self._received: list[Received] = []
        self._arrived = asyncio.Event()

    async def run(self) -> Ended:
        """Reads until the connection ends, and says why it did."""
        try:
            ws = await self._connect()
        except TimeoutError:
            return Ended("connect_timeout", f"no connection within {self._knobs.connect_timeout_s:g} s")
        except aiohttp.WSServerHandshakeError as error:
            return Ended("handshake", f"HTTP {error.status}: {error.message}")
        except (aiohttp.ClientError, OSError) as error:
            return Ended("connect", str(error))
        try:
            self._set_up(True)
            return await self._read(ws)
        finally:
            self._set_up(False)
            await ws.close()

    def _set_up(self, up: bool) -> None:
        self.up = up
        self.hears = False
        self._changed()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse[bool]:
        async with asyncio.timeout(self._knobs.connect_timeout_s):
            return await self._session.ws_connect(
                self._subscription.url,
                compress=0,
                max_msg_size=self._knobs.max_frame_bytes,
                decode_text=False,  # the parser reads bytes: decoding first would cost twice
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
            )

    async def _read(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> Ended:
        async with asyncio.TaskGroup() as tasks:
            subscribing = tasks.create_task(self._subscribe(ws))
            receiving = tasks.create_task(self._receive(ws))
            ended = await self._hand_over(receiving)
            receiving.cancel()
            subscribing.cancel()
        return ended

    async def _subscribe(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
        for frame in self._subscription.frames:
            try:
                await ws.send_str(frame)
            except ConnectionError:
                return  # who receives sees the same loss, and knows more about it
            await asyncio.sleep(self._subscription.interval_s)

    async def _receive(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> Ended:
        # Apart from parsing, so that a frame's stamp doesn't wait for those before it. receive() answers pings too, and
        # returns without a pause while it has frames: all of them are stamped before any of them is parsed.
        try:
            while True:
                message = await ws.receive()
                if message.type is not WSMsgType.TEXT and message.type is not WSMsgType.BINARY:
                    return _ended(message)
                self._received.append((time.time_ns(), message.data))
                self._arrived.set()
        finally:
            self._arrived.set()

    async def _hand_over(self, receiving: asyncio.Task[Ended]) -> Ended:
        clock = asyncio.get_running_loop().time
        stale_after_s = self._knobs.stale_after_s
        try:
            async with asyncio.timeout(stale_after_s) as deadline:
                while True:
                    await self._arrived.wait()
                    self._arrived.clear()
                    received, self._received = self._received, []
                    if self._take(received):
                        self.hears = True
                        deadline.reschedule(clock() + stale_after_s)
                    if receiving.done():
                        return receiving.result()
        except TimeoutError:
            return Ended("stale", f"nothing that made sense for {stale_after_s:g} s")
        except ConnectionEnds as ends:
            return Ended(ends.reason, ends.detail)


def _ended(message: Any) -> Ended:
    if message.type is WSMsgType.CLOSE:
        # the frame's own code: aiohttp's is 1006 where a venue was gone before it was answered
        return Ended("closed", f"close code {message.data} {message.extra or ''}".rstrip())
    if message.type is not WSMsgType.ERROR:
        return Ended("lost", "the connection broke without a close frame")
    error = message.data
    if isinstance(error, aiohttp.WebSocketError):
        too_big = error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
        return Ended("frame_too_big" if too_big else "protocol", str(error))
    return Ended("lost", str(error))
