"""A gateway that a test steers: it speaks the protocol at depth two, and says and forgets what it is told to."""

import asyncio
import json
import re
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
from aiohttp import WSMsgType, web

import feed
from feed.core.rate import TokenBucket

WEB = Path(feed.__file__).parent / "web"
SUBPROTOCOLS = ("feed.v1.json", "feed.v1.msgpack")
KIND = {"t": "trades", "q": "quotes", "b": "bars"}
KINDS = ("trades", "quotes", "bars", "bars1s")
MAX_MESSAGE_BYTES = 65_536
COMMANDS_PER_S = 50
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
Message = dict[str, Any]


def now_us() -> int:
    return time.time_ns() // 1000


@dataclass(eq=False)
class Client:
    """One connection: its streams, and every command that it sent."""

    ws: web.WebSocketResponse
    transport: asyncio.Transport | None
    streams: set[str] = field(default_factory=set)
    packed: bool = False
    pongs: int = 0
    bucket: TokenBucket = field(default_factory=lambda: TokenBucket(COMMANDS_PER_S, COMMANDS_PER_S, time.monotonic()))

    def __contains__(self, stream: str) -> bool:
        return stream in self.streams or f"{stream.split(':')[0]}:*" in self.streams

    async def send(self, *messages: Message) -> None:
        if not self.packed:
            await self.ws.send_str(json.dumps(messages))
            return
        for message in messages:
            if isinstance(message.get("t"), str):
                message["t"] = msgpack.Timestamp.from_datetime(datetime.fromisoformat(message["t"]))
        await self.ws.send_bytes(msgpack.packb(messages))


class FakeGateway:
    """Serves the page, `/v2/{feed}/symbols` and the stream. Nothing ticks by itself but what `tick` is told."""

    def __init__(self, symbols: list[str], feeds: tuple[str, ...] = ("sim", "binance")) -> None:
        self.symbols = symbols
        self.feeds = feeds
        self.epoch = "e1"
        self.log: dict[str, list[Message]] = {}
        self.clients: list[Client] = []
        self.commands: list[Message] = []
        self.connections = 0
        self.refuse = False
        self.resumes = True
        self.mute = False  # takes commands and does not answer
        self.errors: deque[Callable[[Message], Message]] = deque()  # the next commands' answers
        self.forgotten = 0  # positions before this one can't be resumed
        self.subprotocols = SUBPROTOCOLS
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def tick(self, kind: str, symbol: str, **fields: Any) -> None:
        """Publishes one tick: `kind` is t, q or b."""
        stream = f"{fields.get('kind', KIND[kind])}:{symbol}"
        log = self.log.setdefault(stream, [])
        here = now_us()
        message = {"T": kind, "S": symbol, "t": datetime.now(UTC).isoformat().replace("+00:00", "Z"), **fields}
        log.append({**message, "q": len(log) + 1, "ti": here - 900, "tp": here - 700, "tg": here - 400, "tw": here})
        for client in list(self.clients):
            if stream not in client or client.ws.closed:
                continue
            if len(log) == 1:
                await client.send({"T": "epoch", "stream": stream, "epoch": self.epoch, "seq": 1})
            await client.send(dict(log[-1]))

    async def trade(self, symbol: str, price: float, size: float = 10, side: str = "B") -> None:
        await self.tick("t", symbol, i=1, x="V", p=price, s=size, c=[], z="", tks=side)

    async def quote(self, symbol: str, bid: float, ask: float) -> None:
        await self.tick("q", symbol, bx="V", bp=bid, bs=3, ax="V", ap=ask, **{"as": 4}, c=[], z="")

    async def say(self, *messages: Message) -> None:
        """Sends messages as they are to every client."""
        for client in list(self.clients):
            await client.send(*(dict(message) for message in messages))

    async def skip(self, symbol: str) -> None:
        """Takes the next sequence number of a symbol's trades without sending it: a loss in silence."""
        log = self.log.setdefault(f"trades:{symbol}", [])
        log.append({"T": "t", "S": symbol, "q": len(log) + 1})

    async def change_epoch(self, epoch: str) -> None:
        """Streams go on in another epoch; their numbers go on rising."""
        self.epoch = epoch
        for client in list(self.clients):
            for stream in sorted(self._held(client)):
                following = len(self.log.get(stream, [])) + 1
                await client.send({"T": "epoch", "stream": stream, "epoch": epoch, "seq": following})

    def cut(self) -> None:
        """Resets every connection."""
        for client in list(self.clients):
            assert client.transport is not None
            client.transport.abort()

    async def close(self, code: int, reason: str = "") -> None:
        for client in list(self.clients):
            await client.ws.close(code=code, message=reason.encode())

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs one of the above from a test outside the gateway's thread, and waits for it."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["FakeGateway"]:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/web/{name}", self._file)
        app.router.add_get("/v2/{feed}/symbols", self._symbols)
        app.router.add_get("/v2/{feed}", self._stream)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            self._loop = asyncio.get_running_loop()
            yield self
        finally:
            await self.close(1001)
            await runner.cleanup()

    @contextmanager
    def in_thread(self, beside: Callable[[], Awaitable[None]] | None = None) -> Iterator["FakeGateway"]:
        """Serves from a thread of its own, for tests that wait for a browser; `beside` runs as a task next to it."""
        up, stop = threading.Event(), asyncio.Event()

        async def run() -> None:
            async with self.serve():
                up.set()
                task = asyncio.ensure_future(beside()) if beside else None
                await stop.wait()
                if task:
                    task.cancel()

        thread = threading.Thread(target=asyncio.run, args=(run(),))
        thread.start()
        try:
            assert up.wait(10), "the fake gateway did not start"
            yield self
        finally:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(stop.set)
            thread.join(10)

    async def _page(self, _: web.Request) -> web.Response:
        text = (WEB / "index.html").read_text().replace("{{feeds}}", ",".join(self.feeds))
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def _file(self, request: web.Request) -> web.FileResponse:
        name = request.match_info["name"]
        if not re.fullmatch(r"[a-z-]+\.(js|css|svg)", name):
            raise web.HTTPNotFound
        return web.FileResponse(WEB / name, headers={"Cache-Control": "no-store"})

    async def _symbols(self, request: web.Request) -> web.Response:
        if request.match_info["feed"] not in self.feeds:
            raise web.HTTPNotFound
        return web.json_response({"feed": request.match_info["feed"], "symbols": sorted(self.symbols), "streams": {}})

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        if request.match_info["feed"] not in self.feeds:
            raise web.HTTPNotFound
        if self.refuse:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse(
            protocols=self.subprotocols, compress=False, max_msg_size=MAX_MESSAGE_BYTES, autoping=False
        )
        await ws.prepare(request)
        client = Client(ws, request.transport, packed=ws.ws_protocol == "feed.v1.msgpack")
        self.connections += 1
        await client.send({"T": "success", "msg": "connected"})
        self.clients.append(client)
        try:
            async for frame in ws:
                if frame.type is WSMsgType.PING:
                    await ws.pong(frame.data)
                elif frame.type is WSMsgType.PONG:
                    client.pongs += 1
                elif frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    packed = frame.type is WSMsgType.BINARY
                    await self._command(client, msgpack.unpackb(frame.data) if packed else json.loads(frame.data))
        finally:
            self.clients.remove(client)
        return ws

    async def _command(self, client: Client, command: Message) -> None:
        if command["action"] == "ping":
            t = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            await client.send({"T": "pong", "id": command["id"], "t": t})
            return
        if not client.bucket.take(time.monotonic()):
            await client.send({"T": "error", "code": 429, "msg": "too many commands"})
            return
        self.commands.append(command)
        if self.mute:
            return
        if self.errors:
            await client.send({"T": "error", **self.errors.popleft()(command)})
            return
        named = [f"{kind}:{symbol}" for kind in KINDS for symbol in command.get(kind, [])]
        if command["action"] == "unsubscribe":
            held = self._held(client)
            client.streams.difference_update(named)
            dropped = {stream: self._position(stream, {}) for stream in held - self._held(client)}
            await client.send(self._subscription(client, command, dropped))
        elif "since" in command and not self.resumes:
            detail = "since: Extra inputs are not permitted"
            error = {"T": "error", "code": 400, "msg": "invalid syntax", "id": command["id"], "detail": detail}
            await client.send(error)
        else:
            await self._subscribe(client, command, named)

    async def _subscribe(self, client: Client, command: Message, named: list[str]) -> None:
        held = self._held(client)
        client.streams.update(named)
        added = sorted({*named, *self._held(client)} - held - {f"{kind}:*" for kind in KINDS})
        since = command.get("since", {})
        positions = {stream: self._position(stream, since) for stream in added}
        await client.send(self._subscription(client, command, positions))
        for stream in added:
            log = self.log.get(stream, [])
            if positions[stream].get("recovered"):
                late = [dict(tick) for tick in log[since[stream]["seq"] :]]
            elif stream in since:
                late = [self._gap(stream, since[stream]), *({**tick, "snap": True} for tick in log[-1:])]
            else:
                late = [{**tick, "snap": True} for tick in log[-1:]] if command.get("snapshot") else []
            if late:
                await client.send(*late)

    def _held(self, client: Client) -> set[str]:
        return {stream for stream in {*self.log, *client.streams} if stream in client and not stream.endswith(":*")}

    def _gap(self, stream: str, at: Message) -> Message:
        last = len(self.log.get(stream, []))
        to = last - 1 if at["epoch"] == self.epoch else None
        after = {"epoch": self.epoch, "seq": last}
        return {"T": "gap", "stream": stream, "epoch": at["epoch"], "from": at["seq"] + 1, "to": to, "next": after,
                "cause": "history"}  # fmt: skip

    def _position(self, stream: str, since: Message) -> Message:
        log = self.log.get(stream, [])
        position = {"epoch": self.epoch if log else None, "seq": len(log), "rate": 0}
        if stream not in since:
            return position
        at = since[stream]
        there = at["epoch"] in (None, self.epoch) and self.forgotten <= at["seq"] <= len(log)
        return {**position, "recovered": there}

    def _subscription(self, client: Client, command: Message, positions: Message) -> Message:
        kinds = {k: sorted(s.split(":", 1)[1] for s in client.streams if s.startswith(k + ":")) for k in KINDS}
        return {"T": "subscription", "id": command.get("id"), **kinds, "streams": positions}
