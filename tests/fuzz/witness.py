"""A client with a key that was there before the attacks: whether it misses anything of what it is due."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from feed.wire.closing import Close
from tests.fuzz.target import Target

PATIENCE_S = 10.0
RETRY_S = 0.2


class Witness:
    """Reads every tick of the simulator; `silent_s` is the longest that it heard nothing, since that was last reset."""

    def __init__(self) -> None:
        self.ticks = 0
        self.silent_s = 0.0
        self.faults: list[str] = []
        self._at: dict[str, int] = {}
        self._heard = 0.0

    async def run(self, target: Target, subscribed: asyncio.Event) -> None:
        """Reads until cancelled; a connection that ends is a fault, but where the gateway has not read its keys yet."""
        while not await self._once(target, subscribed):  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(RETRY_S)

    async def _once(self, target: Target, subscribed: asyncio.Event) -> bool:
        """One connection; False where it came too early."""
        url = f"ws://{target.host}:{target.port}/v2/sim"
        headers = {"APCA-API-KEY-ID": target.key, "APCA-API-SECRET-KEY": target.secret}
        async with connect(
            url, subprotocols=[Subprotocol("feed.v1.json")], additional_headers=headers, proxy=None, max_size=None
        ) as ws:
            with contextlib.suppress(ConnectionClosed):  # reading says why
                await ws.send(json.dumps({"action": "subscribe", "trades": ["*"], "quotes": ["*"]}))
            await self._read(ws, subscribed)
        if ws.close_code == Close.OVERLOADED and not self.ticks:
            self.faults.clear()
            return False
        return True

    async def _read(self, ws: ClientConnection, subscribed: asyncio.Event) -> None:
        async for frame in frames(ws):
            now = time.monotonic()
            self.silent_s = max(self.silent_s, now - self._heard) if subscribed.is_set() else 0.0
            self._heard = now
            for message in json.loads(frame):
                self._take(message)
            if self.ticks:
                subscribed.set()
        self.faults.append(f"the connection ended: {ws.close_code} {ws.close_reason}")

    def _take(self, message: dict[str, object]) -> None:
        kind = {"t": "trades", "q": "quotes"}.get(str(message["T"]))
        if kind is None:
            if message["T"] in ("gap", "notice", "error"):
                self.faults.append(str(message))
            return
        stream, seq = f"{kind}:{message['S']}", int(str(message["q"]))
        self.ticks += 1
        if stream in self._at and seq != self._at[stream] + 1:
            self.faults.append(f"{stream}: {seq} after {self._at[stream]}")
        self._at[stream] = seq


async def frames(ws: ClientConnection) -> AsyncIterator[str | bytes]:
    """Frames until the connection ends, however it does."""
    with contextlib.suppress(ConnectionClosed):
        async for frame in ws:
            yield frame


async def still_serves(target: Target) -> bool:
    """Whether a client that comes now gets a tick."""
    witness, subscribed = Witness(), asyncio.Event()
    task = asyncio.create_task(witness.run(target, subscribed))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await subscribed.wait()
        return not witness.faults
    except TimeoutError:
        return False
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
