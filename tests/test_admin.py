"""The admin port over real HTTP, and its metrics as Prometheus' own parsers read them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry, Counter, Info, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from feed.admin import Admin, words
from feed.tally import Mark, Spreads, Tallies

Visit = Callable[[ClientSession], Awaitable[None]]


def served(
    visit: Visit,
    not_ready: Callable[[], str] = str,
    registry: CollectorRegistry | None = None,
    refresh: Callable[[], Awaitable[None]] | None = None,
) -> None:
    async def main() -> None:
        async with (
            Admin("127.0.0.1", 0, not_ready, registry or CollectorRegistry(), refresh) as admin,
            ClientSession(f"http://127.0.0.1:{admin.port}") as session,
        ):
            await visit(session)

    asyncio.run(main())


def test_alive_even_when_not_ready() -> None:
    async def visit(session: ClientSession) -> None:
        async with session.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")

    served(visit, not_ready=lambda: "draining")


def test_ready_is_asked_each_time_and_says_why_not() -> None:
    reason = ""

    async def visit(session: ClientSession) -> None:
        nonlocal reason
        for now, status, text in [("", 200, "ready\n"), ("draining", 503, "draining\n"), ("", 200, "ready\n")]:
            reason = now
            async with session.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (status, text)

    served(visit, not_ready=lambda: reason)


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("*/*", "text/plain", parse_text),
        (
            "application/openmetrics-text; version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text",
            parse_openmetrics,
        ),
    ],
)
def test_metrics_in_the_format_that_was_asked_for(accept: str, content_type: str, parse: Callable) -> None:
    registry = CollectorRegistry()
    Counter("feed_test_ticks", "Ticks.", registry=registry).inc(3)

    async def visit(session: ClientSession) -> None:
        async with session.get("/metrics", headers={"Accept": accept}) as answer:
            assert answer.content_type == content_type
            families = parse(await answer.text())
            samples = {sample.name: sample.value for family in families for sample in family.samples}
            assert samples["feed_test_ticks_total"] == 3

    served(visit, registry=registry)


ENCODERS = pytest.mark.parametrize("encode", [generate_latest, generate_openmetrics], ids=["text", "openmetrics"])


def many(feeds: int) -> CollectorRegistry:
    """What a gateway of so many feeds may have, with exemplars, counters of both kinds and a label to be escaped."""
    registry = CollectorRegistry()
    spreads = Spreads("some_seconds", "Some.", ["feed"], [0.001 * n for n in range(40)], registry=registry)
    tallies = Tallies("some_ticks", "Some\nticks.", ["feed"], registry=registry)
    counter = Counter("other_ticks", "Others.", ["feed"], registry=registry)
    for n in range(feeds):
        name = f'feed "{n}"\n# HELP'
        spreads.labels(name).marks[spreads.labels(name).observe(0.0125)] = Mark("feed:trades:A", n, 0.0125, 1.5e9)
        tallies.labels(name).inc(n)
        counter.labels(name).inc()
    return registry


@ENCODERS
@pytest.mark.parametrize("feeds", [0, 1, 99, 100, 101])
def test_words_with_pauses_are_the_same_words(encode: Callable[[Collector], bytes], feeds: int) -> None:
    registry = many(feeds)
    assert asyncio.run(words(registry, encode)) == encode(registry)


@ENCODERS
def test_the_loop_turns_between_a_metrics_parts(encode: Callable[[Collector], bytes]) -> None:
    turns = 0

    async def main() -> None:
        nonlocal turns
        telling = asyncio.create_task(words(many(100), encode))
        while not telling.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    assert turns > 40  # of 4,100 samples and more


def test_what_is_scraped_was_refreshed_for_it() -> None:
    registry = CollectorRegistry()
    counter = Counter("feed_test_ticks", "Ticks.", registry=registry)

    async def refresh() -> None:
        await asyncio.sleep(0)
        counter.inc()

    async def visit(session: ClientSession) -> None:
        for scrapes in (1, 2):
            async with session.get("/metrics") as answer:
                assert f"feed_test_ticks_total {scrapes}.0\n" in await answer.text()

    served(visit, registry=registry, refresh=refresh)


def test_there_is_nothing_else() -> None:
    async def visit(session: ClientSession) -> None:
        async with session.get("/") as answer:
            assert answer.status == 404
        async with session.post("/readyz") as answer:
            assert answer.status == 405

    served(visit)


def test_a_port_that_is_taken_is_an_oserror() -> None:
    async def main(port: int) -> None:
        with pytest.raises(OSError, match="address already in use"):
            async with Admin("127.0.0.1", port, str):
                pass

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        asyncio.run(main(other.getsockname()[1]))


def test_a_scrape_that_nobody_reads_does_not_hold_up_the_end() -> None:
    registry = CollectorRegistry()
    Info("feed_test", "More than socket buffers hold.", registry=registry).info({"text": "x" * 30_000_000})

    async def main() -> None:
        async with asyncio.timeout(10):
            async with Admin("127.0.0.1", 0, str, registry) as admin:
                reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(main())
