"""The two kinds of clients: the project's own library, and the `websockets` package with a resume by hand."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import orjson
import websockets
from websockets.asyncio.client import ClientConnection, connect

from feed.client import Client, Connected, Gap, Heartbeat, Lost, Notice, Status, Subscribed, Update
from tests.integration.rollout.journey import Journey, Place

DRAINED = 1012
CONNECT_S = 20.0
RETRY_S = 0.5


async def own(journey: Journey, url: str, symbols: Sequence[str]) -> None:
    """`feed.client`, which reconnects and resumes by itself."""
    connected = False
    async with Client(url, patient=True) as client:
        await client.subscribe(trades=symbols)
        async for event in client:
            now = time.monotonic()
            if isinstance(event, Update):
                journey.tick(event.stream, event.seq, now, event.merged is not None)
            elif isinstance(event, Subscribed):
                journey.answered(
                    {stream: Place(g.epoch, g.seq, g.recovered) for stream, g in event.streams.items()}, now
                )
            elif isinstance(event, Connected):
                connected = True
            elif isinstance(event, Lost):
                if connected:
                    journey.lost(event.code, now)
                else:
                    journey.refused += 1
                connected = False
            elif isinstance(event, Notice):
                journey.noticed += event.code == "drain"
            elif isinstance(event, Gap):
                journey.missed += (event.next.seq - 1) - event.first + 1
                journey.fault(str(event))
            elif not isinstance(event, Heartbeat | Status):
                journey.fault(str(event))


class Raw:
    """What anybody writes who has read the protocol: places by stream, and `since` after a reconnect."""

    def __init__(
        self, journey: Journey, url: str, symbols: Sequence[str], chance: random.Random, *, resumes: bool = True
    ) -> None:
        """One that does not resume begins anew each time: a fault that must be found."""
        self._resumes = resumes
        self._journey = journey
        self._url = url
        self._symbols = list(symbols)
        self._chance = chance

    async def run(self) -> None:
        while True:
            try:
                connection = await connect(
                    self._url, subprotocols=[websockets.Subprotocol("feed.v1.json")], compression=None,
                    open_timeout=CONNECT_S, ping_interval=None,
                )  # fmt: skip
            except (OSError, TimeoutError, websockets.InvalidHandshake, websockets.InvalidMessage):
                self._journey.refused += 1
                await asyncio.sleep(RETRY_S * (1 + self._chance.random()))
                continue
            await self._visit(connection)
            await asyncio.sleep(0.1 * self._chance.random())

    async def _visit(self, connection: ClientConnection) -> None:
        at = {stream: {"epoch": epoch, "seq": seq} for stream, (epoch, seq) in self._journey.at.items()}
        command = {"action": "subscribe", "trades": self._symbols} | ({"since": at} if at and self._resumes else {})
        try:
            await connection.send(orjson.dumps(command).decode())
            async for frame in connection:
                now = time.monotonic()
                for message in orjson.loads(frame):
                    self._take(message, now)
            closed = connection.close_code
        except websockets.ConnectionClosed as ended:
            closed = ended.rcvd.code if ended.rcvd else None
        self._journey.lost(closed, time.monotonic())

    def _take(self, message: dict[str, Any], now: float) -> None:
        kind = message["T"]
        if kind == "t":
            self._journey.tick(f"trades:{message['S']}", message["q"], now, "m" in message)
        elif kind == "subscription":
            streams = message["streams"].items()
            self._journey.answered({key: Place(s["epoch"], s["seq"], s.get("recovered")) for key, s in streams}, now)
        elif kind == "notice":
            self._journey.noticed += message["code"] == "drain"
        elif kind == "gap":
            self._journey.missed += message["next"]["seq"] - message["from"]
            self._journey.fault(str(message))
        elif kind not in ("success", "heartbeat", "status"):
            self._journey.fault(str(message))
