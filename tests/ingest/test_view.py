"""What an ingest worker says of one stream: what the venue brings, what Redis has taken, what waits."""

import asyncio
import time
from typing import Any

import pytest

from feed.bus.answer import Who, pack, unpack
from feed.bus.publisher import Publisher
from feed.core.streams import Stream
from feed.core.ticks import NS_PER_S, TRADES, Trade
from feed.ingest.view import View
from feed.settings import Ingest, Publish, Redis, Values
from tests.ingest.worker_stage import FEED, FakeSource

A = Stream(FEED, TRADES, "A")
DOWN = "redis://127.0.0.1:1/0"
PATIENCE_S = 10.0


def stage(url: str, source: FakeSource | None = None) -> tuple[Publisher, View]:
    values = Values(redis=Redis(url=url), ingest=Ingest(worker_id="w1"), publish=Publish(window_s=0.0))
    publisher = Publisher(values, FEED, frozenset({TRADES}))
    return publisher, View(source or FakeSource(), publisher, lambda: "no connection")


def said(view: View, of: Stream = A) -> dict[str, Any]:
    data: dict[str, Any] = unpack(pack(Who("n", "r", "v"), 0, view.stream(of, None)), 0).data
    return data


def trade(number: int, ago_s: float = 0.0) -> Trade:
    now = time.time_ns() - round(ago_s * NS_PER_S)
    return Trade("A", number, 1.0, 1.0, "B", now, now)


def test_another_feed_s_stream_is_not_its_own() -> None:
    _, view = stage(DOWN)
    assert view.stream(A._replace(feed="other"), None) is None


def test_a_stream_of_which_nothing_came() -> None:
    _, view = stage(DOWN)
    assert said(view) == {
        "worker": "w1", "not_ready": "no connection", "venue_up": True, "bus_up": False, "silent": False,
        "buffered_bytes": 0, "epoch": None, "seq": 0, "unpublished": 0, "oldest_s": 0.0, "waits_for_peer": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("up", "silent", "expected"),
    [(True, frozenset(), False), (True, frozenset({"A"}), True), (True, frozenset({"B"}), False), (False, None, True)],
)
def test_whether_the_venue_brings_the_symbol(up: bool, silent: frozenset[str] | None, expected: bool) -> None:
    source = FakeSource()
    source.up, source.quiet = up, silent
    found = said(stage(DOWN, source)[1])
    assert (found["venue_up"], found["silent"]) == (up, expected)


def test_what_waits_while_redis_is_away() -> None:
    publisher, view = stage(DOWN)
    publisher.offer(trade(1, ago_s=5.0))
    publisher.offer(trade(2))
    found = said(view)
    assert (found["unpublished"], found["bus_up"]) == (2, False)
    assert found["buffered_bytes"] > 100
    assert found["oldest_s"] == pytest.approx(5.0, abs=2.0)


def test_where_the_stream_stood_when_redis_answered(redis_url: str) -> None:
    async def main() -> None:
        publisher, view = stage(redis_url)
        running = asyncio.create_task(publisher.run())
        for number in range(1, 4):
            publisher.offer(trade(number))
        assert await publisher.drain(PATIENCE_S)
        found = said(view)
        assert (found["seq"], found["unpublished"], found["oldest_s"], found["bus_up"]) == (3, 0, 0.0, True)
        assert found["epoch"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
