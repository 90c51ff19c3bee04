"""A gateway of another's making (the `websockets` package), which looks at what clients present."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgpack
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

Message = dict[str, Any]
SHOWN = ("Authorization", "APCA-API-KEY-ID", "APCA-API-SECRET-KEY")


class Bouncer:
    """Lets in who presents one of `good`, and ends the others as the protocol says. Serves any symbol's trades."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.presented: list[str] = []  # of each connection, then of each message that renews
        self.open: list[ServerConnection] = []
        self.refusal = (402, 4501)
        self.silent = False  # never says whether it lets anyone in
        self.seq = 0
        self.url = ""
        self._closing: list[asyncio.Task[None]] = []

    async def say(self, *messages: Message) -> None:
        for connection in self.open:
            await connection.send(msgpack.packb(messages))

    async def trade(self) -> None:
        self.seq += 1
        fields = {"x": "V", "p": float(self.seq), "s": 5, "c": [], "z": "", "t": msgpack.Timestamp(0), "q": self.seq}
        await self.say({"T": "t", "S": "AAPL", **fields})

    async def end(self, code: int, *messages: Message) -> None:
        if messages:
            await self.say(*messages)
        # a peer that nobody reads now answers the close only later
        self._closing = [asyncio.create_task(connection.close(code)) for connection in self.open]

    async def expire(self) -> None:
        await self.say({"T": "notice", "code": "expiring", "msg": "the token ends soon"})

    @asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None, redirect: str = "") -> AsyncIterator["Bouncer"]:
        async def elsewhere(connection: ServerConnection, _: Request) -> Response | None:
            if not redirect:
                return None
            response = connection.respond(302, "")
            response.headers["Location"] = redirect
            return response

        subprotocols: Any = ["feed.v1.msgpack"]
        async with serve(
            self._serve, "127.0.0.1", 0, subprotocols=subprotocols, compression=None, ssl=tls, process_request=elsewhere
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}/v2/sim"
            yield self
            await asyncio.gather(*self._closing)

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        headers = connection.request.headers
        shown = " ".join(headers[name] for name in SHOWN if name in headers)
        self.open.append(connection)
        try:
            with suppress(ConnectionClosed):
                await self._judge(connection, shown)
                async for frame in connection:
                    await self._command(connection, msgpack.unpackb(frame), shown)
        finally:
            self.open.remove(connection)

    async def _judge(self, connection: ServerConnection, shown: str) -> None:
        self.presented.append(shown)
        if shown in self.good:
            await connection.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
        elif shown and not self.silent:
            error, close = self.refusal
            await connection.send(msgpack.packb([{"T": "error", "code": error, "msg": "no"}]))
            await connection.close(close)

    async def _command(self, connection: ServerConnection, command: Message, shown: str) -> None:
        if command["action"] == "auth":
            await self._judge(connection, f"Bearer {command['token']}")
            return
        if shown not in self.good:
            error = {"T": "error", "code": 401, "msg": "not authenticated", "id": command["id"]}
            await connection.send(msgpack.packb([error]))
            return
        since = command.get("since", {})
        state = {"epoch": "e1", "seq": self.seq, "rate": 0}
        streams = {
            f"trades:{symbol}": {**state, "recovered": True} if f"trades:{symbol}" in since else state
            for symbol in command["trades"]
        }
        await connection.send(msgpack.packb([{"T": "subscription", "id": command["id"], "streams": streams}]))


class Issuer:
    """A source of tokens: t1, t2, ... It may take its time, or fail once."""

    def __init__(self) -> None:
        self.asked = 0
        self.fault: Exception | None = None
        self.lets_go = asyncio.Event()
        self.lets_go.set()

    async def __call__(self) -> str:
        self.asked += 1
        await self.lets_go.wait()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return f"t{self.asked}"
