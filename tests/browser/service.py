"""The real gateway, with a Redis and a publisher behind it, in a thread beside a browser; and pages of other sites."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from feed.access.principal import Authenticator
from feed.settings import Auth
from tests.gateway.gateway_stage import PATIENCE_S, Stage, serving

T = TypeVar("T")


class Service:
    """A gateway under test, steered from another thread than its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stage: Stage) -> None:
        self.loop = loop
        self.stage = stage

    @property
    def port(self) -> int:
        return self.stage.gateway.port

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def trade(self, symbol: str, price: float, **fields: Any) -> None:
        async def publish() -> None:
            self.stage.trade(symbol, price, **fields)
            await self.stage.published()

        self.call(publish())


@contextmanager
def service(
    redis_url: str, authenticator: Authenticator | None = None, auth: Auth | None = None, **knobs: Any
) -> Iterator[Service]:
    """Serves until the block ends; what fails in the thread fails the test."""
    up, stop = threading.Event(), asyncio.Event()
    found: list[Service] = []

    async def run() -> None:
        async with serving(redis_url, authenticator, auth=auth, **knobs) as stage:
            found.append(Service(asyncio.get_running_loop(), stage))
            up.set()
            await stop.wait()

    with ThreadPoolExecutor(1) as pool:
        serves = pool.submit(asyncio.run, run())
        serves.add_done_callback(lambda _: up.set())
        assert up.wait(PATIENCE_S)
        try:
            if found:
                yield found[0]
        finally:
            if not serves.done():
                found[0].loop.call_soon_threadsafe(stop.set)
            serves.result(2 * PATIENCE_S)


class _Page(BaseHTTPRequestHandler):
    def __init__(self, html: str, *rest: Any) -> None:
        self._html = html.encode()
        super().__init__(*rest)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self._html)))
        self.end_headers()
        self.wfile.write(self._html)

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def site(html: str = "<!doctype html><title>another site</title>") -> Iterator[int]:
    """A page of its own at every path of a free port of 127.0.0.1: the port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, html)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
