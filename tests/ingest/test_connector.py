"""The connector against a venue that misbehaves: it always comes back, and no good frame is lost or doubled."""

import asyncio
import contextlib
import itertools
import json
import random
import socket

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from feed.ingest.connector import Connector
from feed.ingest.venues.binance import Binance
from tests.ingest.venue_server import Heard, Script, VenueServer, Visit, connecting, knobs, quote, refuse, trade, until


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


async def close_at_once(visit: Visit) -> None:
    await visit.ws.close(code=1001, message=b"moving")


async def drop_at_once(visit: Visit) -> None:
    visit.abort()


async def mute(visit: Visit) -> None:
    await visit.send('{"result":null,"id":1}')
    await visit.stay()


async def only_garbage(visit: Visit) -> None:
    with contextlib.suppress(ConnectionError):
        while not visit.ws.closed:
            await visit.send("{]", '{"e":"kline"}')
            await asyncio.sleep(0.01)


async def reserved_bits(visit: Visit) -> None:
    assert visit.request.transport is not None
    visit.request.transport.write(b"\xf1\x00")
    await visit.stay()


@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (refuse, "handshake"),
        (close_at_once, "closed"),
        (drop_at_once, "lost"),
        (mute, "stale"),
        (only_garbage, "stale"),
        (sends(trade(0) + " " * 5_000), "frame_too_big"),
        (reserved_bits, "protocol"),
        (sends('{"e":"serverShutdown","E":1}'), "shutdown"),
        (sends('{"code":2,"msg":"Invalid request: too many parameters"}'), "refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_comes_back(misbehaves: Script, reason: str) -> None:
    before = reconnects(reason)
    story, server = story_of(
        misbehaves, misbehaves, sends(trade(1), trade(2)), until_id=2, stale_after_s=0.15, max_frame_bytes=4_096
    )
    assert story == [1, 2]  # nothing was lost: the venue had sent nothing before
    assert reconnects(reason) == before + 2
    assert {request.path_qs for request in server.requests} == {server.requests[0].path_qs}
    assert "btcusdt@trade/btcusdt@bookTicker" in server.requests[0].path_qs


async def one_then_close(visit: Visit) -> None:
    await visit.send(trade(1))
    await visit.ws.close()


async def one_then_drop(visit: Visit) -> None:
    await visit.send(trade(1))
    visit.request.transport.close()


async def one_then_half_open(visit: Visit) -> None:
    await visit.send(trade(1))
    visit.request.transport.pause_reading()
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("misbehaves", "reason"),
    [
        (one_then_close, "closed"),
        (one_then_drop, "lost"),
        (one_then_half_open, "stale"),
        (sends(trade(1), quote(1) + " " * 5_000, trade(9)), "frame_too_big"),
        (sends(trade(1), '{"e":"serverShutdown","E":1}'), "shutdown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sink_hears_of_a_loss_before_new_ticks(misbehaves: Script, reason: str) -> None:
    before = reconnects(reason)
    story, _ = story_of(
        misbehaves, close_at_once, sends(trade(4)), until_id=4, stale_after_s=0.3, max_frame_bytes=4_096
    )
    assert story == [1, "reconnected", 4]
    assert reconnects(reason) > before


def test_no_good_frame_is_lost_or_doubled_whatever_ends_a_connection() -> None:
    numbers, ends = itertools.count(1), itertools.cycle(["close", "tcp", "shutdown", "too big", "protocol"])
    chance = random.Random(7)

    async def script(visit: Visit) -> None:
        for _ in range(chance.randrange(40)):
            await visit.send(*chance.choices(["{]", "[]", '{"result":null,"id":1}'], k=chance.randrange(3)))
            await visit.send(trade(next(numbers)))
        match next(ends):
            case "close":
                await visit.ws.close()
            case "tcp":
                visit.request.transport.close()
            case "shutdown":
                await visit.send('{"e":"serverShutdown","E":1}')
            case "too big":
                await visit.send(" " * 5_000)
            case "protocol":
                await reserved_bits(visit)
        await visit.stay()

    story, _ = story_of(script, until_id=400, max_frame_bytes=4_096)
    ids = [number for number in story if number != "reconnected"]
    assert ids == list(range(1, len(ids) + 1))


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
    said = [line for line in lines if line["event"] == "venue frame not understood"]
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

    names = ["feed_ingest_frames_total", "feed_ingest_bytes_total", "feed_ingest_ticks_total"]
    before = [count(name, **({"kind": "trades"} if "ticks" in name else {})) for name in names]
    asyncio.run(main())
    assert heard.ids == list(range(50))
    assert len(heard.calls) == 1
    stamps = [tick.ts_recv for tick in heard.calls[0] or []]
    assert stamps == sorted(stamps)
    after = [count(name, **({"kind": "trades"} if "ticks" in name else {})) for name in names]
    size = sum(len(trade(number)) for number in range(50))
    assert [now - then for now, then in zip(after, before, strict=True)] == [50, size, 50]


@pytest.mark.parametrize(("frames", "observed"), [((quote(1),), 0), ((quote(1), trade(2)), 1)])
def test_delay_is_measured_only_where_the_venue_gave_a_time(frames: tuple[str, ...], observed: int) -> None:
    before = count("feed_hop_delay_seconds_count", hop="venue_to_ingest")
    story_of(sends(*frames), until_id=len(frames))
    assert count("feed_hop_delay_seconds_count", hop="venue_to_ingest") == before + observed


def test_numbers_that_float64_does_not_hold_are_counted() -> None:
    before = count("feed_ingest_inexact_total")
    story_of(sends(trade(1).replace("1.5", "12345678.123456789012"), trade(2)), until_id=2)
    assert count("feed_ingest_inexact_total") == before + 1


def test_pings_are_answered_with_their_payload() -> None:
    async def script(visit: Visit) -> None:
        await visit.ws.ping(b"1700000000123")
        await visit.send(trade(1))
        await visit.stay()

    _, server = story_of(script, until_id=1)
    assert server.visits[0].pongs == [b"1700000000123"]


SYMBOLS = tuple(f"C{number}/USDT" for number in range(600))


def streams_of(visit: Visit) -> list[str]:
    in_url = visit.request.query["streams"].split("/")
    return in_url + [stream for command in visit.heard for stream in json.loads(command)["params"]]


def test_more_symbols_than_a_connection_holds() -> None:
    async def main() -> None:
        async def stay(visit: Visit) -> None:
            await visit.stay()

        server, heard = VenueServer([stay]), Heard()
        async with server.serving(), connecting(server.url, heard, knobs(), SYMBOLS) as connector:

            def asked() -> list[list[str]]:
                return sorted(streams_of(visit) for visit in server.visits if not visit.closed)

            await until(lambda: [len(streams) for streams in asked()] == [1_024, 176])
            first = asked()
            assert len({stream for streams in first for stream in streams}) == 1_200
            assert connector.connected()
            lost = next(visit for visit in server.visits if len(streams_of(visit)) == 176)
            lost.abort()
            await until(lambda: len(server.visits) == 3)
            await until(lambda: asked() == first)  # it asks for the same again, and the other was left alone

    asyncio.run(main())


def test_the_two_connections_fail_apart() -> None:
    async def script(visit: Visit) -> None:
        await visit.send(trade(len(server.visits), "C0USDT"))
        await visit.stay()

    server, heard = VenueServer([script]), Heard()

    async def main() -> None:
        async with server.serving(), connecting(server.url, heard, knobs(), SYMBOLS):
            await until(lambda: heard.ids == [1, 2])
            server.visits[0].abort()
            await until(lambda: 3 in heard.ids)

    asyncio.run(main())
    assert heard.story == [1, 2, "reconnected", 3]


def test_connected_says_whether_ticks_can_come() -> None:
    async def main() -> None:
        server = VenueServer([sends(trade(1))])
        rare = knobs(backoff_min_s=3_600, backoff_max_s=3_600)
        async with server.serving(), connecting(server.url, Heard(), rare) as connector:
            assert not connector.connected()
            await until(connector.connected)
            assert count("feed_ingest_connected") == 1
            server.visits[0].abort()
            await until(lambda: not connector.connected())
            assert count("feed_ingest_connected") == 0

    asyncio.run(main())


def test_stop_says_goodbye_and_ends_even_while_it_waits_to_retry() -> None:
    async def main() -> None:
        server = VenueServer([sends(trade(1))])
        async with server.serving():
            async with connecting(server.url, Heard(), knobs()) as connector:
                await until(connector.connected)
            assert not connector.connected()
            await until(lambda: server.visits[0].closed)
            assert server.visits[0].ws.close_code == 1000
        before = reconnects("connect")
        async with connecting(server.url, Heard(), knobs(backoff_min_s=3_600, backoff_max_s=3_600)):
            await until(lambda: reconnects("connect") > before)

    asyncio.run(main())


def test_a_venue_that_is_not_there_yet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def main() -> None:
        heard, server = Heard(), VenueServer([sends(trade(1))])
        before = reconnects("connect")
        async with connecting(f"ws://127.0.0.1:{port}", heard, knobs()):
            await until(lambda: reconnects("connect") >= before + 3)
            async with server.serving(port):
                await until(lambda: heard.ids == [1])

    asyncio.run(main())


def test_a_venue_that_never_answers_the_handshake() -> None:
    async def main() -> None:
        before = reconnects("connect_timeout")
        # the kernel accepts for a listener that nobody serves
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
            async with connecting(url, Heard(), knobs(connect_timeout_s=0.05)):
                await until(lambda: reconnects("connect_timeout") >= before + 2)

    asyncio.run(main())


def retries(*scripts: Script, ended: int, **changed: float) -> list[float]:
    """The delays that the connector announces, with all jitter at its ceiling, until `ended` connections ended."""

    async def main() -> None:
        server, stop = VenueServer(scripts), asyncio.Event()
        async with server.serving():
            connector = Connector(Binance(["BTC/USDT"]), server.url, knobs(**changed), chance=lambda: 1.0)
            running = asyncio.create_task(connector.run(Heard(), stop))
            await until(lambda: sum(line["event"] == "venue connection ended" for line in lines) >= ended)
            stop.set()
            await running

    with capture_logs() as lines:
        asyncio.run(main())
    return [line["retry_in_s"] for line in lines if line["event"] == "venue connection ended"][:ended]


def test_delays_grow_while_connections_prove_nothing() -> None:
    # each brings a tick, and none lasts for the longest delay
    assert retries(one_then_close, ended=5, backoff_max_s=3_600) == [0.001, 0.002, 0.004, 0.008, 0.016]
    assert retries(refuse, ended=5, backoff_max_s=0.004) == [0.001, 0.002, 0.004, 0.004, 0.004]


def test_delays_start_anew_after_a_connection_that_lasted() -> None:
    async def lasts(visit: Visit) -> None:
        began = asyncio.get_running_loop().time()
        await visit.send(trade(1))
        await until(lambda: asyncio.get_running_loop().time() - began > 0.01)
        await visit.ws.close()

    async def lasts_mute(visit: Visit) -> None:
        began = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() - began > 0.01)
        await visit.ws.close()

    assert retries(refuse, refuse, lasts, refuse, ended=4, backoff_max_s=0.008) == [0.001, 0.002, 0.001, 0.002]
    assert retries(refuse, refuse, lasts_mute, refuse, ended=4, backoff_max_s=0.008) == [0.001, 0.002, 0.004, 0.008]


@pytest.mark.parametrize(
    "url", ["", "nonsense://venue", "data-stream.binance.vision", "wss://", "https://venue", "wss:venue"]
)
def test_a_url_that_can_never_work(url: str) -> None:
    with pytest.raises(ValueError, match="is not ws://HOST or wss://HOST"):
        Connector(Binance(["BTC/USDT"]), url, knobs())


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
