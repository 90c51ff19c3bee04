"""Compressed connections as other people's clients see them: negotiated, right whatever came before, bounded."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgpack
import pytest
from alpaca.data.live.stock import StockDataStream
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame

from feed import client as library
from feed.core.ticks import Trade
from tests.gateway.gateway_stage import BOTH, CONNECTED, Client, Message, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

TRADES = 60
SYMBOL = "BTC/USDT"


class Deflate(ClientPerMessageDeflateFactory):
    """Offers compression as `websockets` does, and notes whether what comes is compressed."""

    def __init__(self, **offer: Any) -> None:
        super().__init__(**offer)
        self.agreed = False
        self.frames: list[bool] = []

    def process_response_params(self, *answer: Any) -> PerMessageDeflate:
        extension = super().process_response_params(*answer)
        self.agreed = True
        decode = extension.decode

        def noted(frame: Frame, **options: Any) -> Frame:
            if frame.opcode < 8:
                self.frames.append(frame.rsv1)
            return decode(frame, **options)

        extension.decode = noted  # type: ignore[method-assign]
        return extension


@asynccontextmanager
async def connected(
    stage: Stage, deflate: Deflate | None = None, depth: int = 1, packed: bool = False
) -> AsyncIterator[Client]:
    """A client that offers compression, or does not."""
    async with stage.client(depth, packed, extensions=[deflate] if deflate else None) as client:
        yield client


async def published(stage: Stage, count: int = TRADES) -> list[Trade]:
    trades = [stage.trade(SYMBOL, price=100.5 + n, size=n + 1.0) for n in range(count)]
    await stage.published()
    return trades


def told(messages: list[Message]) -> list[tuple[int, float, float]]:
    return [(message["i"], message["p"], message["s"]) for message in messages]


def meant(trades: list[Trade]) -> list[tuple[Any, float, float]]:
    return [(trade.id, trade.price, trade.size) for trade in trades]


OFFERS: list[dict[str, Any]] = [
    {},
    {"client_max_window_bits": True},  # Chromium's
    {"server_max_window_bits": 12, "client_max_window_bits": 12},  # what websockets asks for by itself
    {"server_max_window_bits": 15, "client_max_window_bits": 9},
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True, "server_max_window_bits": 13},
]


@BOTH
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("offer", OFFERS, ids=str)
def test_what_is_published_is_read_compressed(redis_url: str, offer: dict[str, Any], depth: int, packed: bool) -> None:
    async def scene() -> None:
        deflate = Deflate(**offer)
        async with serving(redis_url, compression=True) as stage, connected(stage, deflate, depth, packed) as client:
            await client.subscribe(trades=[SYMBOL])
            trades = await published(stage)
            assert told(await client.some(TRADES)) == meant(trades)
            assert deflate.agreed
            assert any(deflate.frames)
            assert not all(deflate.frames), "answers come as they are"

    play(scene)


@pytest.mark.parametrize(
    ("configured", "offer"),
    [(False, {}), (True, None), (True, {"server_max_window_bits": 9}), (True, {"server_max_window_bits": 8})],
)
def test_without_an_agreement_nothing_is_compressed(
    redis_url: str, configured: bool, offer: dict[str, Any] | None
) -> None:
    async def scene() -> None:
        deflate = None if offer is None else Deflate(**offer)
        async with serving(redis_url, compression=configured) as stage, connected(stage, deflate, 2) as client:
            assert client.ws.response is not None
            assert "Sec-WebSocket-Extensions" not in client.ws.response.headers
            await client.subscribe(trades=[SYMBOL], stamps=True)
            # a frame that is marked as compressed would be a fault of the protocol here
            trades = await published(stage)
            assert told(await client.some(TRADES)) == meant(trades)

    play(scene)


def test_a_malformed_offer_is_passed_over_and_the_next_one_taken(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, compression=True) as stage, aiohttp.ClientSession() as session:
            for offered, answer in [
                ("permessage-deflate; nonsense", None),
                ("permessage-deflate; server_max_window_bits=99, permessage-deflate", "permessage-deflate"),
            ]:
                headers = {"Sec-WebSocket-Extensions": offered}
                async with session.ws_connect(f"ws://{stage.address}/v2/sim", headers=headers) as ws:
                    assert ws._response.headers.get("Sec-WebSocket-Extensions") == answer
                    assert await ws.receive_json() == CONNECTED

    play(scene)


@pytest.mark.parametrize("window_bits", [15, 12])
def test_aiohttps_client(redis_url: str, window_bits: int) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url, compression=True) as stage,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://{stage.address}/v2/sim", compress=window_bits) as ws,
        ):
            assert ws.compress
            assert await ws.receive_json() == CONNECTED
            await ws.send_json({"action": "subscribe", "trades": [SYMBOL]})
            await ws.receive_json()
            trades, got = await published(stage), list[Message]()
            async with asyncio.timeout(10):
                while len(got) < TRADES:
                    got += await ws.receive_json()
            assert told(got) == meant(trades)

    play(scene)


def test_alpaca_py_asks_for_it_by_itself(redis_url: str) -> None:
    got: list[Any] = []

    async def take(trade: Any) -> None:
        got.append(trade)

    async def scene() -> None:
        async with serving(redis_url, compression=True) as stage:
            stream = StockDataStream("k", "s", url_override=f"ws://{stage.address}/v2/sim")
            stream.subscribe_trades(take, SYMBOL)
            task = asyncio.create_task(stream._run_forever())
            try:
                await until(lambda: [cohort for cohort in stage.hub.interest.cohorts if cohort.streams])
                assert [cohort.form.deflate for cohort in stage.hub.interest.cohorts] == [True]
                trades = await published(stage)
                await until(lambda: len(got) == TRADES)
            finally:
                await stream.stop_ws()
                await stream.close()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert [(trade.id, trade.price, trade.size) for trade in got] == meant(trades)

    play(scene)


def test_this_projects_own_client(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, compression=True) as stage:
            async with library.Client([f"ws://{stage.address}/v2/sim"]) as client:
                await client.subscribe(trades=[SYMBOL])
                trades, got = await published(stage), list[Any]()
                async with asyncio.timeout(10):
                    async for event in client:
                        got += [event.tick] if isinstance(event, library.Update) else []
                        if len(got) == TRADES:
                            break
            assert [(trade.id, trade.price, trade.size) for trade in got] == meant(trades)

    play(scene)


def test_members_of_a_cohort_share_the_bytes_whatever_they_got_before(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, compression=True) as stage, connected(stage, Deflate(), 2) as first:
            await first.subscribe(trades=[SYMBOL], snapshot=True)
            early = await published(stage)
            assert told(await first.some(TRADES)) == meant(early)
            async with (
                connected(stage, Deflate(server_max_window_bits=12), 2) as second,
                connected(stage, Deflate(server_no_context_takeover=True), 2) as third,
                connected(stage, None, 2) as plain,
            ):
                for client in (second, third, plain):
                    await client.subscribe(trades=[SYMBOL])
                assert sorted(len(cohort.members) for cohort in stage.hub.interest.cohorts.values()) == [1, 3]
                late = await published(stage)
                for client in (first, second, third, plain):
                    assert told(await client.some(TRADES)) == meant(late)

    play(scene)


@BOTH
def test_rates_and_those_who_resume(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, compression=True) as stage:
            async with connected(stage, Deflate(), 2, packed) as client:
                await client.subscribe(trades=[SYMBOL])
                trades = await published(stage)
                await client.some(TRADES)
                epoch = client.epochs[f"trades:{SYMBOL}"]["epoch"]
            deflate = Deflate()
            async with connected(stage, deflate, 2, packed) as back:
                since = {f"trades:{SYMBOL}": {"epoch": epoch, "seq": 10}}
                await back.subscribe(trades=[SYMBOL], since=since)
                assert told(await back.some(TRADES - 10)) == meant(trades[10:])
                assert any(deflate.frames)
                await back.subscribe(trades=[SYMBOL], rate=50)
                await published(stage)
                counted = 0
                while counted < TRADES:
                    (message,) = await back.some(1, skip=("heartbeat", "subscription"))
                    counted += message.get("m", {"n": 1})["n"]
                assert counted == TRADES

    play(scene)


# What clients send


@BOTH
def test_compressed_commands_are_read_whole_and_in_fragments(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, compression=True) as stage, connected(stage, Deflate(), 1, packed) as client:
            symbols = [f"SYM{n}" for n in range(500)]
            answer = await client.subscribe(trades=symbols)
            assert answer["trades"] == sorted(symbols)
            command = {"action": "unsubscribe", "trades": symbols[1:]}
            data = msgpack.packb(command) if packed else json.dumps(command)
            await client.ws.send([data[:10], data[10:1_000], data[1_000:]])
            assert (await client.frame())[0]["trades"] == symbols[:1]

    play(scene)


@pytest.mark.parametrize(("limit", "size"), [(1_024, 2_000), (65_536, 50 << 20)])
def test_what_is_too_big_when_it_is_inflated_closes_1009(redis_url: str, limit: int, size: int) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url, compression=True, max_message_bytes=limit) as stage,
            connected(stage, Deflate()) as client,
        ):
            packer = zlib.compressobj(9, wbits=-15)
            bomb = (packer.compress(bytes(size)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
            assert len(bomb) < limit
            (extension,) = client.ws.protocol.extensions
            extension.encode = lambda frame: Frame(frame.opcode, bomb, rsv1=True)  # type: ignore[method-assign]
            await client.ws.send("as above")
            assert (await client.closed())[0] == 1009

    play(scene)


# aiohttp's part


def test_aiohttps_own_writer_never_compresses(redis_url: str) -> None:
    async def scene() -> None:
        deflate = Deflate()
        async with serving(redis_url, compression=True) as stage, connected(stage, deflate) as client:
            (session,) = stage.gateway._sessions
            await session._socket.send_json([{"T": "test", "text": "x" * 5_000}])
            await session._socket.send_bytes(b"y" * 20_000)
            assert (await client.frame())[0]["T"] == "test"
            assert await client.ws.recv() == b"y" * 20_000
            assert deflate.frames == [False, False, False]

    play(scene)
