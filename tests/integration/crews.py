"""A gateway of several worker processes, seen from outside: its processes, its admin port, its clients."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Self

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from feed.bus.publisher import Publisher
from feed.core.ticks import TRADES, Trade
from feed.settings import Publish, Redis, Values
from tests.integration.service import Service, running

PATIENCE_S = 30.0


def children(pid: int) -> set[int]:
    """The processes that `pid` started and that still run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name_and_rest = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = name_and_rest[:2]
        if int(parent) == pid and state != "Z":
            found.add(int(status.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.02)


class Admin:
    """The admin port of a gateway."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def get(self, path: str) -> tuple[int, str]:
        async with self._http.get(f"{self._url}{path}") as answer:
            return answer.status, (await answer.text()).strip()

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the metric's samples that have these labels."""
        _, text = await self.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def becomes(self, value: float, name: str, **labels: str) -> None:
        """Waits until the metric has this value."""
        end = time.monotonic() + PATIENCE_S
        while (now := await self.metric(name, **labels)) != value:
            if time.monotonic() > end:
                raise TimeoutError(f"{name} is {now} and not {value}")
            await asyncio.sleep(0.02)

    async def answers(self, path: str, status: int, text: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while (now := await self.get(path)) != (status, text):
            if time.monotonic() > end:
                raise TimeoutError(f"{path} answers {now}")
            await asyncio.sleep(0.02)


class Listener:
    """A client that asked for one symbol's trades, and counts them."""

    def __init__(self) -> None:
        self.trades = 0
        self.subscribed = False
        self.close_code: int | None = None
        self.reading: asyncio.Task[None] | None = None

    async def start(self, http: aiohttp.ClientSession, url: str) -> Self:
        socket = await http.ws_connect(f"{url}/v2/sim", max_msg_size=0)
        self.reading = asyncio.create_task(self._read(socket))
        await socket.send_json({"action": "subscribe", "trades": ["AAPL"]})
        await until(lambda: self.subscribed or self.over, "subscribed")
        return self

    @property
    def over(self) -> bool:
        return self.reading is not None and self.reading.done()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            for message in orjson.loads(frame.data):
                self.trades += message["T"] == "t"
                self.subscribed |= message["T"] == "subscription"
        self.close_code = socket.close_code


class Crew:
    """The gateway, and what a test needs to look at it."""

    def __init__(self, service: Service, http: aiohttp.ClientSession, publisher: Publisher) -> None:
        self.service = service
        self.http = http
        self.url = service.url("http")
        self.admin = Admin(http, service.url("http", "admin"))
        self.publisher = publisher
        self._last_id = 0

    @property
    def pids(self) -> set[int]:
        return children(self.service.process.pid)

    async def listeners(self, count: int) -> list[Listener]:
        return [await Listener().start(self.http, self.url) for _ in range(count)]

    def publish(self, ticks: int) -> None:
        for _ in range(ticks):
            self._last_id += 1
            now = time.time_ns()
            self.publisher.offer(Trade("AAPL", self._last_id, 100.0 + self._last_id, 1.0, "B", now, now))

    async def ended(self) -> int:
        return await asyncio.to_thread(self.service.process.wait, PATIENCE_S)


@contextmanager
def gateway(redis_url: str, workers: int, config: Path | None = None) -> Iterator[Service]:
    options = ["--config", config] if config else []
    with running(
        "listening", "gateway", "--workers", str(workers), "--port", "0", "--admin-port", "0", "--feeds", "sim",
        "--redis", redis_url, *options,
    ) as service:  # fmt: skip
        yield service


@asynccontextmanager
async def crew(service: Service, redis_url: str) -> AsyncIterator[Crew]:
    """Around a gateway that listens: from when it is ready."""
    values = Values(redis=Redis(url=redis_url), publish=Publish(window_s=0.0, behind_wait_s=0.0))
    publisher = Publisher(values, "sim", frozenset({TRADES}))
    publishing = asyncio.create_task(publisher.run())
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            stage = Crew(service, http, publisher)
            await stage.admin.answers("/readyz", 200, "ready")
            yield stage
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
