"""A venue that does what each test tells it to: one script per connection, the last one for all that follow."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web
from prometheus_client import REGISTRY

from feed.core.ticks import Tick
from feed.ingest.connector import Connector
from feed.ingest.source import Sink
from feed.ingest.venues.binance import Binance
from feed.settings import Ingest

DEADLINE_S = 10.0
Script = Callable[["Visit"], Awaitable[None]]


def knobs(**changed: float) -> Ingest:
    return Ingest(**{"backoff_min_s": 0.001, "backoff_max_s": 0.002, **changed})


def trade(id_: int, symbol: str = "BTCUSDT") -> str:
    payload = {"e": "trade", "E": 2, "s": symbol, "t": id_, "p": "1.5", "q": "2", "T": 1, "m": True, "M": True}
    return json.dumps({"stream": f"{symbol.lower()}@trade", "data": payload})


def quote(id_: int, symbol: str = "BTCUSDT") -> str:
    return json.dumps({"u": id_, "s": symbol, "b": "1.5", "B": "2", "a": "1.6", "A": "3"})


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition, and fails the test if it doesn't come true."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


class Visit:
    """One connection, from the venue's side."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse) -> None:
        self.request = request
        self.ws = ws
        self.heard: list[str] = []
        self.pongs: list[bytes] = []
        self.closed = False

    async def send(self, *frames: str) -> None:
        for frame in frames:
            await self.ws.send_str(frame)

    def send_at_once(self, *frames: str) -> None:
        """All frames in one write, so that they arrive together."""
        assert self.request.transport is not None
        bodies = [frame.encode() for frame in frames]
        heads = [bytes([0x81, 126]) + len(body).to_bytes(2, "big") for body in bodies]
        assert all(126 <= len(body) < 65_536 for body in bodies)
        self.request.transport.write(b"".join(head + body for head, body in zip(heads, bodies, strict=True)))

    def abort(self) -> None:
        assert self.request.transport is not None
        self.request.transport.abort()

    async def stay(self) -> None:
        """Listens until the client goes."""
        async for message in self.ws:
            if message.type is WSMsgType.PONG:
                self.pongs.append(message.data)
            elif message.type is WSMsgType.TEXT:
                self.heard.append(message.data)
        self.closed = True


class VenueServer:
    def __init__(self, scripts: Sequence[Script]) -> None:
        self.scripts = scripts
        self.visits: list[Visit] = []
        self.requests: list[web.Request] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def visit(self, request: web.Request) -> web.StreamResponse:
        script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
        self.requests.append(request)
        if script is refuse:
            raise web.HTTPServiceUnavailable
        ws = web.WebSocketResponse(compress=False, autoping=False)
        await ws.prepare(request)
        visit = Visit(request, ws)
        self.visits.append(visit)
        await script(visit)
        return ws

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["VenueServer"]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.visit)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()


async def refuse(visit: Visit) -> None:
    """Answers the handshake with 503."""
    raise AssertionError(f"{visit} was not refused")


class Heard:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.calls: list[list[Tick] | None] = []

    def ticks(self, ticks: Sequence[Tick]) -> None:
        self.calls.append(list(ticks))

    def reconnected(self, symbols: Collection[str]) -> None:
        assert symbols
        self.calls.append(None)

    @property
    def ids(self) -> list[int | None]:
        """Ids of all ticks, in order."""
        return [tick.id for call in self.calls if call is not None for tick in call]

    @property
    def story(self) -> list[int | str | None]:
        """Ids of all ticks, with the reconnects between them."""
        story: list[int | str | None] = []
        for call in self.calls:
            story += ["reconnected"] if call is None else [tick.id for tick in call]
        return story


@asynccontextmanager
async def connecting(
    url: str, sink: Sink, settings: Ingest, symbols: Sequence[str] = ("BTC/USDT",)
) -> AsyncIterator[Connector]:
    connector = Connector(Binance(symbols), url, settings)
    stop = asyncio.Event()
    running = asyncio.create_task(connector.run(sink, stop))
    try:
        yield connector
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await running


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"feed": "binance", **labels}) or 0.0


def reconnects(reason: str) -> float:
    return count("feed_ingest_reconnects_total", reason=reason)


def story_of(
    *scripts: Script,
    until_id: int,
    symbols: tuple[str, ...] = ("BTC/USDT",),
    **changed: float,
) -> tuple[list[int | str | None], VenueServer]:
    """What the sink is told, until it has the tick `until_id`, by a venue that plays these scripts."""
    heard, server = Heard(), VenueServer(scripts)

    async def main() -> None:
        async with server.serving(), connecting(server.url, heard, knobs(**changed), symbols):
            await until(lambda: until_id in heard.ids)

    asyncio.run(main())
    return heard.story, server


def sends(*frames: str) -> Script:
    async def script(visit: Visit) -> None:
        await visit.send(*frames)
        await visit.stay()

    return script
