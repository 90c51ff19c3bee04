"""What is read becomes ticks, all that came together at once; what makes no sense is counted and logged."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from feed.ingest.connector import Connector
from feed.ingest.intake import Intake
from feed.ingest.venues.binance import Binance
from feed.ingest.worker import Worker
from feed.settings import Values
from tests.ingest.venue_server import (
    Heard,
    VenueServer,
    Visit,
    connecting,
    count,
    knobs,
    quote,
    sends,
    story_of,
    trade,
    until,
)
from tests.ingest.worker_stage import FakePublisher


def test_frames_after_a_shutdown_notice_still_count() -> None:
    async def goodbye(visit: Visit) -> None:
        visit.send_at_once(trade(1), json.dumps({"e": "serverShutdown", "E": 1, "pad": "x" * 200}), trade(2))
        await visit.stay()

    story, _ = story_of(goodbye, sends(trade(3)), until_id=3)
    assert story == [1, 2, "reconnected", 3]


@pytest.mark.parametrize("garbage", ["{]", '{"e":"kline"}', "[]", "", trade(2)[:-5], trade(2, "XRPUSDT")])
def test_garbage_never_stops_the_stream(garbage: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(trade(1), garbage)
        await visit.ws.send_bytes(b"\x00\xff" * 300)
        await visit.send(garbage, trade(3))
        await visit.stay()

    story, _ = story_of(script, until_id=3)
    assert story == [1, 3]


def test_garbage_is_counted_and_logged_once_per_kind() -> None:
    bad = trade(2).replace('"1.5"', '"' + "x" * 500 + '"')
    counts = [count("feed_ingest_parse_errors_total", what=what) for what in ("trade", "json")]
    with capture_logs() as lines:
        story_of(sends(bad, "{]", bad, "{]", bad, trade(3)), until_id=3)
    said = [line for line in lines if line["event"] == "venue_frame_refused"]
    assert [line["what"] for line in said] == ["trade", "json"]
    assert said[0]["frame"] == bad[:200]
    assert count("feed_ingest_parse_errors_total", what="trade") == counts[0] + 3
    assert count("feed_ingest_parse_errors_total", what="json") == counts[1] + 2


def test_frames_that_come_together_go_on_together() -> None:
    heard = Heard()

    async def script(visit: Visit) -> None:
        visit.send_at_once(*[trade(number) for number in range(50)])
        await visit.stay()

    async def main() -> None:
        server = VenueServer([script])
        async with server.serving(), connecting(server.url, heard, knobs()):
            await until(lambda: len(heard.ids) == 50)

    names = ["feed_ingest_frames_total", "feed_ingest_bytes_total"]
    before = [count(name) for name in names]
    asyncio.run(main())
    assert heard.ids == list(range(50))
    assert len(heard.calls) == 1
    stamps = [tick.ts_recv for tick in heard.calls[0] or []]
    assert stamps == sorted(stamps)
    after = [count(name) for name in names]
    size = sum(len(trade(number)) for number in range(50))
    assert [now - then for now, then in zip(after, before, strict=True)] == [50, size]


def test_a_tick_is_counted_once_between_its_venue_and_the_publisher() -> None:
    venue = Binance(["BTC/USDT"])
    publisher = FakePublisher()
    worker = Worker(Values(), Connector(venue, "ws://127.0.0.1", knobs()), publisher)
    before = count("feed_ingest_ticks_total", kind="trades")
    assert Intake(venue, ("BTC/USDT",), worker).take([(1, trade(number).encode()) for number in range(50)])
    assert len(publisher.offered) == 50
    assert count("feed_ingest_ticks_total", kind="trades") == before + 50


@pytest.mark.parametrize(("frames", "observed"), [((quote(1),), 0), ((quote(1), trade(2)), 1)])
def test_delay_is_measured_only_where_the_venue_gave_a_time(frames: tuple[str, ...], observed: int) -> None:
    before = count("feed_hop_delay_seconds_count", hop="venue_to_ingest")
    story_of(sends(*frames), until_id=len(frames))
    assert count("feed_hop_delay_seconds_count", hop="venue_to_ingest") == before + observed


def test_numbers_that_float64_does_not_hold_are_counted() -> None:
    before = count("feed_ingest_inexact_total")
    story_of(sends(trade(1).replace("1.5", "12345678.123456789012"), trade(2)), until_id=2)
    assert count("feed_ingest_inexact_total") == before + 1


def test_a_sink_that_breaks_its_word_is_a_fault() -> None:
    class Broken(Heard):
        def ticks(self, ticks: object) -> None:
            raise ZeroDivisionError(ticks)

    async def main() -> None:
        server = VenueServer([sends(trade(1))])
        async with server.serving():
            connector = Connector(Binance(["BTC/USDT"]), server.url, knobs())
            with pytest.raises(ExceptionGroup) as group:
                await connector.run(Broken(), asyncio.Event())
            assert group.group_contains(ZeroDivisionError)

    asyncio.run(main())
