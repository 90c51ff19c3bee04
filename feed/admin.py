"""The admin port: metrics for Prometheus, liveness and readiness for whoever runs the process."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

SHUTDOWN_S: Final = 0.5  # a scrape takes milliseconds; whoever holds a connection open doesn't hold up the exit
# Samples that are put into words at a stretch, between which ticks go on: a gateway of 15 feeds has thousands, and all
# at once would hold up every client for 40 ms.
AT_ONCE: Final = 100
HEAD: Final = re.compile(rb"\A(?:#.*\n)+")
OM_END: Final = b"# EOF\n"

Encode = Callable[[Collector], bytes]


class Admin:
    """Serves while its context is open. Port 0 takes a free one; `.port` says which.

    `not_ready()` is asked at each probe: why the process should get no clients now, or "" when it should. Liveness is
    not its business: a draining or waiting process is alive. `refresh` is awaited before each scrape. Entering raises
    OSError where the port can't be had.
    """

    def __init__(
        self,
        host: str,
        port: int,
        not_ready: Callable[[], str],
        registry: CollectorRegistry = REGISTRY,
        refresh: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._not_ready = not_ready
        self._registry = registry
        self._refresh = refresh
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._refresh is not None:
            await self._refresh()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=await words(self._registry, encode), headers={"Content-Type": content_type})

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._not_ready()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ready'}\n")


class _Part(Collector):
    """Some samples of one metric, for an encoder to take for all there is."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


async def words(registry: Collector, encode: Encode) -> bytes:
    """What `encode` makes of a registry, byte for byte, with pauses for the rest of the process. What a metric says is
    of one moment; two may be of different ones."""
    told, end, since = [], b"", 0
    for metric in registry.collect():
        for first, part in _parts(metric):
            data = encode(_Part(part))
            if data.endswith(OM_END):
                data, end = data[: -len(OM_END)], OM_END
            told.append(data if first else HEAD.sub(b"", data))
            since += len(part.samples)
            if since >= AT_ONCE:
                since = 0
                await asyncio.sleep(0)
    return b"".join(told) + end


def _parts(metric: Metric) -> Iterator[tuple[bool, Metric]]:
    """The metric in parts, and which is its first. One whose samples the text format puts elsewhere stays whole."""
    if len(metric.samples) <= AT_ONCE or any(sample.name.endswith("_created") for sample in metric.samples):
        yield True, metric
        return
    for start in range(0, len(metric.samples), AT_ONCE):
        part = Metric(metric.name, metric.documentation, metric.type, metric.unit)
        part.samples = metric.samples[start : start + AT_ONCE]
        yield start == 0, part
