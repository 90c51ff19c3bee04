"""Depth one, step by step, over real connections."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed

from feed.gateway import session
from tests.gateway.gateway_stage import (
    AUTHENTICATED,
    BOTH,
    T0,
    bar,
    error,
    play,
    quote,
    serving,
    subscription,
)

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@BOTH
def test_the_whole_way(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(packed=packed) as client:
            assert await client.ask({"action": "auth", "key": "k", "secret": "s"}) == AUTHENTICATED
            more = {"trades": ["ETH/USDT", "BTC/USDT"], "quotes": ["BTC/USDT"], "bars": ["*"]}
            assert await client.ask({"action": "subscribe", **more}) == subscription(
                trades=["BTC/USDT", "ETH/USDT"], quotes=["BTC/USDT"], bars=["*"]
            )
            trade = stage.trade(ts_event=T0 + 123_456_789, conditions=("@",), exchange="V", tape="C")
            (message,) = await client.some(1)
            when = message.pop("t")
            assert when == (msgpack.Timestamp.from_unix_nano(trade.ts_event) if packed else _text(trade.ts_event))
            assert message == {
                "T": "t", "S": "BTC/USDT", "i": 1, "x": "V", "p": 100.5, "s": 1, "c": ["@"], "z": "C",
            }  # fmt: skip
            stage.offer(quote())
            (message,) = await client.some(1)
            assert list(message)[:2] == ["T", "S"]
            assert (message["bp"], message["as"], "q" in message, "tw" in message) == (99.5, 0.25, False, False)
            stage.offer(bar())
            (message,) = await client.some(1)
            assert (message["T"], message["v"], message["n"], message["vw"]) == ("b", 1234, 42, 2.125)
            assert await client.ask({"action": "unsubscribe", "trades": ["BTC/USDT"], "bars": ["*"]}) == subscription(
                trades=["ETH/USDT"], quotes=["BTC/USDT"]
            )
            stage.trade("BTC/USDT")
            stage.trade("ETH/USDT")
            assert [message["S"] for message in await client.some(1)] == ["ETH/USDT"]
            await client.ws.close()
            await stage.gone()

    play(scene)


def _text(ns: int) -> str:
    seconds, fraction = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}".rstrip("0") + "Z"


@BOTH
def test_the_limit_of_symbols_leaves_the_subscription_as_it_was(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_streams=3) as stage, stage.client(packed=packed) as client:
            held = subscription(trades=["A", "B"])
            assert await client.ask({"action": "subscribe", "trades": ["A", "B"]}) == held
            refusal = error(405, "symbol limit exceeded")
            assert await client.ask({"action": "subscribe", "trades": ["C"], "quotes": ["A"]}) == refusal
            assert await client.ask({"action": "subscribe"}) == held
            assert set(stage.hub.interest.streams) == {("sim", "trades", "A"), ("sim", "trades", "B")}
            assert await client.ask({"action": "subscribe", "trades": ["A", "B", "C"]}) == subscription(
                trades=["A", "B", "C"]
            )

    play(scene)


@BOTH
@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ({"action": "subscribe", "lulds": ["*"]}, 410, "invalid subscribe action for this feed"),
        ({"action": "subscribe", "bars1s": ["A"]}, 410, "invalid subscribe action for this feed"),
        ({"action": "subscribe", "trades": ["A B"]}, 400, "invalid syntax"),
        ({"action": "subscribe", "trades": ["x" * 65]}, 400, "invalid syntax"),
        ({"action": "ping"}, 400, "invalid syntax"),
        (["subscribe"], 400, "invalid syntax"),
        (None, 400, "invalid syntax"),
    ],
)
def test_bad_messages_are_answered_and_survived(
    redis_url: str, packed: bool, command: Any, code: int, text: str
) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(packed=packed) as client:
            assert await client.ask(command) == error(code, text)
            assert await client.ask({"action": "subscribe"}) == subscription()

    play(scene)


@BOTH
def test_the_wrong_kind_of_frame_is_answered_in_the_right_one(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(packed=packed) as client:
            await client.ws.send('{"action":"subscribe"}' if packed else msgpack.packb({"action": "subscribe"}))
            assert await client.frame() == error(400, "invalid syntax")
            assert await client.ask({"action": "subscribe"}) == subscription()

    play(scene)


@BOTH
def test_fragments_make_a_message(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(packed=packed) as client:
            command = {"action": "subscribe", "trades": ["A"]}
            if packed:
                data = msgpack.packb(command)
                await client.ws.send([data[i : i + 3] for i in range(0, len(data), 3)])
            else:
                text = json.dumps(command)
                await client.ws.send([text[i : i + 3] for i in range(0, len(text), 3)])
            assert await client.frame() == subscription(trades=["A"])

    play(scene)


@pytest.mark.parametrize("fragments", [1, 2])
def test_a_message_of_64_kib_is_taken_and_a_larger_one_is_1009(redis_url: str, fragments: int) -> None:
    def pieces(size: int) -> Any:
        text = '{"action":"subscribe"}'.ljust(size)
        return text if fragments == 1 else [text[: size // 2], text[size // 2 :]]

    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as client:
            await client.ws.send(pieces(65_536))
            assert await client.frame() == subscription()
            await client.ws.send(pieces(65_537))
            assert await client.closed() == (1009, [])
            await stage.gone()

    play(scene)


def test_text_that_is_no_utf_8_is_1007(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as client:
            await client.ws.send(b'{"action":"\xff"}', text=True)
            assert await client.closed() == (1007, [])

    play(scene)


@BOTH
def test_too_many_commands_are_429_and_those_who_go_on_are_closed(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, commands_per_s=0.01) as stage, stage.client(packed=packed) as client:
            assert await client.ask({"action": "subscribe"}) == subscription()
            refusal = error(429, "too many commands")
            for _ in range(session.EXCESS_COMMANDS):
                assert await client.ask({"action": "subscribe"}) == refusal
            await client.send({"action": "subscribe"})
            assert await client.closed() == (4029, refusal)
            await stage.gone()

    play(scene)


def test_who_slows_down_in_time_is_not_closed(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, commands_per_s=20.0) as stage, stage.client() as client:
            refused = 0
            while refused < 2 * session.EXCESS_COMMANDS:
                in_a_row = 0
                while in_a_row < session.EXCESS_COMMANDS - 1:
                    (answer,) = await client.ask({"action": "subscribe"})
                    in_a_row += answer["T"] == "error"
                refused += in_a_row
                await asyncio.sleep(0.1)  # two more commands become due
                assert await client.ask({"action": "subscribe"}) == subscription()

    play(scene)


def test_commands_that_are_ready_together_are_answered_in_order(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as client:
            for symbol in "ABC":
                await client.send({"action": "subscribe", "trades": [symbol]})
            await client.send({"action": "unsubscribe", "trades": ["A"]})
            held = [(await client.frame())[0]["trades"] for _ in range(4)]
            assert held == [["A"], ["A", "B"], ["A", "B", "C"], ["B", "C"]]

    play(scene)


def test_a_client_that_vanishes_leaves_nothing(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as client:
            await client.subscribe(trades=["*", "A"], quotes=["B"])
            client.ws.transport.abort()
            with pytest.raises(ConnectionClosed):
                await client.frame()
            await stage.gone()

    play(scene)


def test_pings_of_the_protocol_are_answered(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as client:
            async with asyncio.timeout(5):
                await (await client.ws.ping(b"x" * 125))
                await (await client.ws.ping(b""))

    play(scene)
