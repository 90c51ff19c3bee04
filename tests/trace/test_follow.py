"""A real stream followed through a real Redis and a real gateway: what is told is what independent clients have."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from rich.console import Console

from feed.bus import inquiries
from feed.bus.embedded import EmbeddedServer
from feed.bus.errors import BusRefused
from feed.bus.inquiries import Respondent
from feed.core.delays import Summary
from feed.core.streams import Stream
from feed.gateway.lane import FULL_BYTES
from feed.ingest.view import View
from feed.settings import Redis, Values
from feed.trace import follow as follow_module
from feed.trace.follow import Follower, Shown, follow
from feed.trace.look import Look
from tests.gateway.gateway_stage import PATIENCE_S, Client, Stage, play, serving
from tests.gateway.test_slow_clients import LARGE, fill, stalled
from tests.ingest.worker_stage import FakeSource

A = Stream("sim", "trades", "A")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "LOOK_S", 0.05)
    for name in ("LOOK_S", "SETTLED_S"):
        monkeypatch.setattr(follow_module, name, 0.1)


@asynccontextmanager
async def going_on(*works: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def following(values: Values) -> AsyncIterator[Callable[[Callable[[Look], object]], Awaitable[Look]]]:
    """A trace of A; what is given looks until a look is as it is wanted."""
    follower = Follower(values, A)

    async def until(wanted: Callable[[Look], object]) -> Look:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted(look := await follower.look()):  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.03)
        return look

    try:
        async with going_on(follower.run()):
            yield until
    finally:
        await follower.close()


async def reading(client: Client) -> None:
    while True:
        await client.frame()


def ingest(stage: Stage) -> Respondent:
    """The publisher's process speaks for itself, as `feed ingest` does."""
    source = FakeSource()
    source.feed = "sim"
    return Respondent(stage.values.redis, "ingest sim", View(source, stage.publisher, lambda: ""))


def measured(look: Look, hops: dict[str, Summary]) -> dict[str, Summary]:
    """The gateway's own hops, as far as they were told by now."""
    names = ("publish_to_gateway", "gateway_to_socket")
    found = ((name, getattr(reader, name)) for reader in look.readers for name in names)
    hops.update((name, hop) for name, hop in found if hop is not None)
    return hops


def test_the_position_is_the_one_that_an_independent_client_has(redis_url: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url) as stage,
            stage.client(2) as client,
            following(stage.values) as until,
            going_on(ingest(stage).run()),
        ):
            await client.subscribe(trades=["A"])
            await until(lambda look: look.heard.up and stage.hub.watched.streams)
            for _ in range(50):
                stage.trade("A")
            messages = await client.some(50)
            at = (client.epochs["trades:A"]["epoch"], messages[-1]["q"])
            hops: dict[str, Summary] = {}
            await until(lambda look: len(measured(look, hops)) == 2)
            for hop in hops.values():
                assert 1 <= hop.measured <= 50
                assert hop.least_us > 0
            # each process answers in its own time
            look = await until(
                lambda look: look.readers[0].at.seq == 50 and (look.workers[0].answer or {}).get("seq") == 50
            )
            assert look.standing is not None
            assert look.standing.record is not None
            (reader,) = look.readers
            assert [look.standing.record.position, reader.at, look.heard.at] == [at] * 3
            assert (look.standing.length, reader.behind, reader.clients, reader.tail) == (50, 0, 1, 50)
            assert look.slow == []

    play(scene)


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_a_client_that_stalls_is_shown_as_slow_with_what_it_lacks(redis_url: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url, outbox_bytes=1_000_000, slow_close_s=60.0) as stage,
            stage.client(2, max_size=None) as client,
            following(stage.values) as until,
            stalled(stage, b'{"action":"subscribe","trades":["A"]}'),
        ):
            await client.subscribe(trades=["A"])
            async with going_on(reading(client)):
                await fill(stage, FULL_BYTES)
                for _ in range(30):
                    stage.trade("A", conditions=LARGE)
                await stage.published()
                # the other may have much to read for a moment, and reads it
                look = await until(
                    lambda look: len(look.slow) == 1 and look.slow[0].lag_s > 0.1 and look.slow[0].behind
                )
            (reader,) = look.readers
            assert (reader.clients, reader.lanes, reader.slow_clients) == (2, 1, 1)
            slowest = look.slow[0]
            assert slowest.address == "127.0.0.1"
            assert slowest.waiting_bytes > FULL_BYTES
            assert slowest.behind is not None
            assert 0 < slowest.behind <= 30 + 20
            assert not slowest.resumes

    play(scene)


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_a_worker_that_stops_disappears(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "GONE_S", 0.4)

    async def scene() -> None:
        async with serving(redis_url) as stage, following(stage.values) as until:
            stage.trade("A")
            await stage.published()
            async with going_on(ingest(stage).run()):
                look = await until(lambda look: [worker for worker in look.workers if worker.answer])
                assert [worker.does for worker in look.workers if worker.answer] in (["idle"], ["publishes"])
            look = await until(lambda look: not [worker for worker in look.workers if worker.answer])
            assert look.readers, "the gateway answers on"

    play(scene)


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_nothing_is_measured_once_nobody_asks(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "LASTS_MS", 300)

    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            await client.subscribe(trades=["A"])
            async with following(stage.values) as until:
                await until(lambda _: stage.hub.watched.streams)
            async with asyncio.timeout(PATIENCE_S):
                while stage.hub.watched.streams:  # noqa: ASYNC110 - it sets no event
                    await asyncio.sleep(0.03)

    play(scene)


# As a command


async def told(
    values: Values, stream: Stream = A, stop: asyncio.Event | None = None, **options: Any
) -> tuple[int, str]:
    """The exit code, and what was printed."""
    out = io.StringIO()
    console = Console(file=out, width=120)
    async with asyncio.timeout(PATIENCE_S):
        code = await follow(stream, values, console=console, stop=stop or asyncio.Event(), **options)
    return code, out.getvalue()


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_once_ends_with_what_it_found(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            stage.trade("A")
            await stage.published()
            code, text = await told(stage.values, shown=Shown.JSON, once=True)
            (look,) = map(json.loads, text.splitlines())
            assert (code, look["redis"]["seq"], look["gateways"][0]["reads"]) == (0, 1, False)
            code, text = await told(stage.values, A._replace(symbol="NEVER"), shown=Shown.LINES, once=True)
            assert code == 1
            assert "Redis knows nothing of sim:trades:NEVER: waiting for its first tick" in text
            code, text = await told(stage.values, shown=Shown.SCREEN, once=True)
            assert (code, "Redis    epoch" in text) == (0, True)

    play(scene)


@pytest.mark.parametrize("shown", Shown)
@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_ends_when_its_seconds_are_over_or_when_it_is_told_to(redis_url: str, shown: Shown) -> None:
    async def scene() -> None:
        values = Values(redis=Redis(url=redis_url))
        code, text = await told(values, shown=shown, seconds=0.5)
        assert (code, "sim:trades:A" in text) == (1, True)
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        assert (await told(values, stop=stop, shown=shown))[0] == 1

    play(scene)


def test_with_redis_away_it_says_so_and_goes_on() -> None:
    async def main() -> None:
        with EmbeddedServer(appendonly="yes") as server:
            values = Values(redis=Redis(url=server.url, timeout_s=1.0, connect_timeout_s=1.0))
            async with following(values) as until:
                await until(lambda look: look.standing is not None and look.heard.up)
                server.kill()
                look = await until(lambda look: look.fault)
                assert look.standing is None
                server.start()
                await until(lambda look: look.standing is not None and look.heard.up)

    asyncio.run(main())


def test_a_redis_that_refuses_us_for_good_ends_it() -> None:
    async def main() -> None:
        with EmbeddedServer() as server:
            values = Values(redis=Redis(url=server.url.replace("/0", "/99")))
            with pytest.raises(BusRefused, match="DB index is out of range"):
                await told(values, shown=Shown.LINES)

    asyncio.run(main())
