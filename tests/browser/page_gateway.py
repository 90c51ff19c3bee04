"""A gateway that a test steers, with all that the live page asks of one beside the stream: history, and who runs it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.fakes.gateway import WEB, Client, FakeGateway, Message, now_us


class PageGateway(FakeGateway):
    """`operator` is what it says to who asks whether he is one; `echoes` are the stamps that came back."""

    def __init__(self, symbols: list[str], feeds: tuple[str, ...] = ("sim", "binance")) -> None:
        super().__init__(symbols, feeds)
        self.operator = False
        self.echoes: list[int] = []
        self.histories: list[str] = []
        self.history_fails = False

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["PageGateway"]:
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/web/{name}", self._file)
        app.router.add_get("/operator", self._whether)
        app.router.add_get("/v2/{feed}/symbols", self._symbols)
        app.router.add_get("/v2/{feed}/history", self._history)
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

    async def bar(self, symbol: str, kind: str, start: str, **values: Any) -> None:
        """Publishes a bar of kind `bars` or `bars1s` that began at `start`, RFC 3339."""
        log = self.log.setdefault(f"{kind}:{symbol}", [])
        whole = {"o": 10, "h": 12, "l": 9, "c": 11, "v": 100, "n": 5, "vw": 10.5, **values}
        marked = {"kind": kind} if kind == "bars1s" else {}
        here = now_us()
        stamps = {"ti": here - 900, "tp": here - 700, "tg": here - 400, "tw": here}
        log.append({"T": "b", "S": symbol, **whole, "t": start, "q": len(log) + 1, **marked, **stamps})
        for client in list(self.clients):
            if f"{kind}:{symbol}" in client and not client.ws.closed:
                await client.send(dict(log[-1]))

    async def _file(self, request: web.Request) -> web.FileResponse:
        name = request.match_info["name"]
        if not re.fullmatch(r"[a-z-]+\.(js|css|svg)", name):
            raise web.HTTPNotFound
        return web.FileResponse(WEB / name, headers={"Cache-Control": "no-store"})

    async def _whether(self, _: web.Request) -> web.Response:
        return web.json_response({"operator": self.operator})

    async def _history(self, request: web.Request) -> web.Response:
        stream = request.query["stream"]
        self.histories.append(stream)
        if self.history_fails:
            return web.json_response({"code": 500, "msg": "internal error"}, status=503)
        stamps = ("ti", "tp", "tg", "tw")
        log = [{name: value for name, value in tick.items() if name not in stamps} for tick in self.log.get(stream, [])]
        return web.json_response([{**tick, "epoch": self.epoch} for tick in log])

    async def _command(self, client: Client, command: Message) -> None:
        if command["action"] == "echo":
            self.echoes.append(command["tw"])
        else:
            await super()._command(client, command)
