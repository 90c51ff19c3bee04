"""Connections to a venue that misbehaves: each ends with its reason, and no good frame is lost or doubled."""

import asyncio
import contextlib
import itertools
import random
import socket

import pytest

from tests.ingest.venue_server import (
    Heard,
    Script,
    VenueServer,
    Visit,
    connecting,
    knobs,
    quote,
    reconnects,
    refuse,
    sends,
    story_of,
    trade,
    until,
)


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
    assert reconnects(reason) >= before + 2
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


def test_pings_are_answered_with_their_payload() -> None:
    async def script(visit: Visit) -> None:
        await visit.ws.ping(b"1700000000123")
        await visit.send(trade(1))
        await visit.stay()

    _, server = story_of(script, until_id=1)
    assert server.visits[0].pongs == [b"1700000000123"]


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
