"""Depth two over real connections: numbers, snapshots, stamps, gaps, heartbeats."""

import time

import msgpack
import pytest
from prometheus_client import REGISTRY

from tests.gateway.gateway_stage import (
    AUTHENTICATED,
    BOTH,
    PATIENCE_S,
    START,
    Doorkeeper,
    play,
    quote,
    serving,
    until,
)

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@BOTH
def test_numbers_rise_by_one_from_the_position_in_the_answer(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            answer = await client.subscribe(id=7, trades=["A"], quotes=["A"])
            assert (answer["id"], answer["trades"], answer["bars1s"]) == (7, ["A"], [])
            assert answer["streams"] == {"trades:A": START, "quotes:A": START}
            for _ in range(5):
                stage.trade("A")
            assert [message["q"] for message in await client.some(5)] == [1, 2, 3, 4, 5]
            async with stage.client(2, packed) as late:
                state = (await late.subscribe(trades=["A", "B"]))["streams"]
                assert (state["trades:A"]["seq"], state["trades:B"]) == (5, START)
                assert state["trades:A"]["epoch"]
                stage.trade("A")
                (own,), (others,) = await client.some(1), await late.some(1)
                assert own == others
                assert (own["q"], own["tks"], own["i"]) == (6, "B", 6)

    play(scene)


@BOTH
def test_the_answer_lists_what_the_command_changed(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            stage.trade("A")
            stage.trade("B")
            await stage.published()
            assert (await client.subscribe(trades=["A"]))["streams"].keys() == {"trades:A"}
            assert (await client.subscribe(trades=["A"]))["streams"] == {}
            answer = await client.subscribe(id="x", trades=["*"])
            assert (answer["id"], answer["trades"], answer["streams"].keys()) == ("x", ["*", "A"], {"trades:B"})
            (answer,) = await client.ask({"action": "unsubscribe", "id": 0, "trades": ["*"]})
            assert (answer["id"], answer["trades"], answer["streams"].keys()) == (0, ["A"], {"trades:B"})
            (answer,) = await client.ask({"action": "unsubscribe", "trades": ["A", "NOPE"]})
            assert ("id" in answer, answer["streams"].keys()) == (False, {"trades:A"})
            await until(lambda: not stage.hub.interest.streams)

    play(scene)


def test_what_was_pending_comes_before_the_answer_that_ends_it(redis_url: str) -> None:
    async def scene() -> None:
        window = {"window_min_s": 1.0, "window_max_s": 1.0}
        async with serving(redis_url, flush=window) as stage, stage.client(2) as client:
            await client.subscribe(trades=["A"])
            stage.trade("A")
            await client.some(1)
            stage.trade("A")
            (live,) = stage.hub.interest.streams.values()
            await until(lambda: live.at.seq == 2)
            (message,) = await client.ask({"action": "unsubscribe", "trades": ["A"]})
            assert (message["T"], message["q"]) == ("t", 2)
            (answer,) = await client.frame()
            assert answer["streams"]["trades:A"]["seq"] == 2

    play(scene)


@BOTH
def test_a_snapshot_comes_after_the_answer_and_before_what_is_live(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            for _ in range(3):
                stage.trade("A")
            stage.offer(quote("A"))
            await stage.published()
            answer = await client.subscribe(trades=["A", "NOPE"], quotes=["A"], snapshot=True)
            assert answer["streams"]["trades:A"]["seq"] == 3
            stage.trade("A")
            messages = await client.some(3)
            assert [(message["T"], message["q"], message.get("snap")) for message in messages] == [
                ("q", 1, True), ("t", 3, True), ("t", 4, None),
            ]  # fmt: skip

    play(scene)


def test_a_snapshot_is_of_what_is_new_only(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            stage.trade("A")
            stage.trade("B")
            await stage.published()
            await client.subscribe(trades=["A"])
            await client.subscribe(trades=["A", "B"], snapshot=True)
            assert [message["S"] for message in await client.some(1)] == ["B"]
            await client.subscribe(trades=["A", "B"], snapshot=True)
            stage.trade("A")
            assert [message.get("snap") for message in await client.some(1)] == [None]

    play(scene)


@BOTH
def test_stamps_are_microseconds_in_the_order_of_the_hops(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            await client.subscribe(trades=["A"], stamps=True)
            before = time.time_ns() // 1000
            stage.trade("A")
            (message,) = await client.some(1)
            after = time.time_ns() // 1000
            assert before <= message["ti"] <= message["tp"] <= message["tg"] <= message["tw"] <= after
            await client.subscribe(stamps=False)
            stage.trade("A")
            (message,) = await client.some(1)
            assert (message["q"], "tw" in message) == (2, False)
            await client.subscribe(quotes=["A"], stamps=True)
            await client.subscribe(quotes=["B"])
            stage.trade("A")
            (message,) = await client.some(1)
            assert (message["q"], "tw" in message) == (3, True)

    play(scene)


@BOTH
def test_an_idle_connection_hears_a_heartbeat_that_names_its_positions(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, heartbeat_s=0.2) as stage, stage.client(2, packed) as client:
            stage.trade("A")
            await stage.published()
            await client.subscribe(trades=["A", "NOPE"])
            (message,) = await client.frame()
            assert (message["T"], message["seq"]) == ("heartbeat", {"trades:A": 1, "trades:NOPE": 0})
            now, sent = time.time_ns(), message["t"]
            assert not packed or abs(now - sent.to_unix_nano()) < PATIENCE_S * 10**9
            stage.trade("A")
            (message,) = await client.some(1, skip=["heartbeat"])
            (message,) = await client.frame()
            assert message["seq"] == {"trades:A": 2, "trades:NOPE": 0}

    play(scene)


@BOTH
def test_pings_are_answered_and_echoes_are_measured(redis_url: str, packed: bool) -> None:
    def echoes() -> float:
        return REGISTRY.get_sample_value("feed_hop_delay_seconds_count", {"feed": "sim", "hop": "client_echo"}) or 0.0

    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            (pong,) = await client.ask({"action": "ping", "id": 9})
            assert (pong["T"], pong["id"], isinstance(pong["t"], msgpack.Timestamp)) == ("pong", 9, packed)
            assert "id" not in (await client.ask({"action": "ping"}))[0]
            before = echoes()
            await client.send({"action": "echo", "tw": time.time_ns() // 1000})
            await client.ask({"action": "ping"})
            assert echoes() == before + 1
            for wrong in (0, -(2**62), 2**62):
                (answer,) = await client.ask({"action": "echo", "id": 1, "tw": wrong})
                assert (answer["code"], answer["id"]) == (400, 1)
            assert echoes() == before + 1

    play(scene)


@BOTH
def test_a_second_auth_is_welcome(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage, stage.client(2, packed) as client:
            for _ in range(2):
                assert await client.ask({"action": "auth", "id": 1, "token": "t"}) == AUTHENTICATED
            await client.send({"action": "auth", "token": "expired"})
            code, last = await client.closed()
            assert (code, last[0]["code"]) == (4501, 402)

    play(scene)


@BOTH
def test_errors_name_the_command_and_what_is_wrong_with_it(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_streams=1) as stage, stage.client(2, packed) as client:
            for command, code, word in (
                ({"action": "subscribe", "trades": ["A B"]}, 400, "A B"),
                ({"action": "subscribe", "trades": ["A", "B"]}, 405, "1"),
                ({"action": "subscribe", "news": ["*"]}, 410, "news"),
                ({"action": "subscribe", "sncpshot": True}, 400, "sncpshot"),
                ({"action": "jump"}, 400, "jump"),
            ):
                (answer,) = await client.ask({**command, "id": code})
                assert (answer["T"], answer["code"], answer["id"]) == ("error", code, code)
                assert word in answer["detail"]

    play(scene)
