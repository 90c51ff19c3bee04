"""A real server that publishes an issuer's keys, as the test wants them or broken."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.access.issuer import jwks


class Publisher:
    """A server that answers with `body`, and counts."""

    def __init__(self, *keys: Any) -> None:
        self.body = jwks(*keys)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def answer(self, _: web.Request) -> web.Response:
        self.requests += 1
        await self.go_on.wait()
        return web.Response(body=self.body, status=self.status, headers=self.headers)

    @asynccontextmanager
    async def serving(self, trust: ssl.SSLContext | None = None) -> Any:
        """Its URL."""
        app = web.Application()
        app.router.add_get("/keys", self.answer)
        app.router.add_get("/elsewhere", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust)
            await site.start()
            yield f"{'https' if trust else 'http'}://127.0.0.1:{runner.addresses[0][1]}/keys"
        finally:
            await runner.cleanup()
