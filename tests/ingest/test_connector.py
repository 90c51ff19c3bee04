"""The connector keeps all its connections: several at once, when to retry, when to stop."""

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from feed.ingest.connector import Connector
from feed.ingest.venues.binance import Binance
from tests.ingest.venue_server import (
    Heard,
    Script,
    VenueServer,
    Visit,
    connecting,
    count,
    knobs,
    reconnects,
    refuse,
    sends,
    trade,
    until,
)


async def one_then_close(visit: Visit) -> None:
    await visit.send(trade(1))
    await visit.ws.close()


def test_each_outage_is_told_when_it_begins_and_when_ticks_come_again() -> None:
    async def drop(visit: Visit) -> None:
        visit.abort()

    async def main() -> None:
        async def stay(visit: Visit) -> None:
            await visit.send(trade(2))
            await visit.stay()

        server, heard = VenueServer([refuse, refuse, one_then_close, drop, drop, stay]), Heard()
        async with server.serving(), connecting(server.url, heard, knobs()):
            await until(lambda: heard.ids == [1, 2])

    with capture_logs() as lines:
        asyncio.run(main())
    told = [(line["event"], line.get("reason")) for line in lines if line["log_level"] != "debug"]
    assert told == [
        ("venue_lost", "handshake"),
        ("venue_connected", None),
        ("venue_lost", "closed"),
        ("venue_lost", "lost"),
        ("venue_back", None),
    ]
    assert [line["feed"] for line in lines] == ["binance"] * len(lines)
    assert lines[-1]["away_s"] >= 0


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


def test_what_is_silent_is_known_by_symbol() -> None:
    """600 symbols come over two connections: the first brings C0 to C511."""
    mute = asyncio.Event()

    async def script(visit: Visit) -> None:
        if not mute.is_set():
            await visit.send(trade(len(server.visits), streams_of(visit)[0].split("@")[0].upper()))
        await visit.stay()

    server, heard = VenueServer([script]), Heard()

    async def main() -> None:
        async with server.serving(), connecting(server.url, heard, knobs(stale_after_s=0.5), SYMBOLS) as connector:
            assert connector.silent() is None
            await until(lambda: connector.silent() == frozenset())
            mute.set()
            server.visits[0].abort()
            of_the_first = "c0usdt@trade" in streams_of(server.visits[0])
            lost = frozenset(SYMBOLS[:512] if of_the_first else SYMBOLS[512:])
            await until(lambda: connector.silent() == lost)
            await until(lambda: connector.connected())
            assert connector.silent() == lost, "the venue takes connections, and says nothing"
            await until(lambda: connector.silent() is None)  # the other fell silent as well, in time
            mute.clear()
            await until(lambda: connector.silent() == frozenset())

    asyncio.run(main())


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


def retries(*scripts: Script, ended: int, **changed: float) -> list[float]:
    """The delays that the connector announces, with all jitter at its ceiling, until `ended` connections ended."""

    async def main() -> None:
        server, stop = VenueServer(scripts), asyncio.Event()
        async with server.serving():
            connector = Connector(Binance(["BTC/USDT"]), server.url, knobs(**changed), chance=lambda: 1.0)
            running = asyncio.create_task(connector.run(Heard(), stop))
            await until(lambda: sum(line["event"] == "venue_retry" for line in lines) >= ended)
            stop.set()
            await running

    with capture_logs() as lines:
        asyncio.run(main())
    return [line["retry_in_s"] for line in lines if line["event"] == "venue_retry"][:ended]


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
