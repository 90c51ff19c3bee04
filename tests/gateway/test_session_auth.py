"""Who a client is, step by step: in the handshake, in a message, too late, or never."""

import asyncio
import json

import pytest
from prometheus_client import REGISTRY

from tests.gateway.gateway_stage import (
    AUTHENTICATED,
    BOTH,
    CONNECTED,
    Doorkeeper,
    error,
    play,
    serving,
    subscription,
    until,
)

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


def test_auth_may_come_before_the_greeting_is_read_and_every_step_is_one_frame(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage, stage.open() as ws:
            await ws.send('{"action":"auth","key":"k","secret":"s"}')
            await ws.send('{"action":"subscribe","trades":["A"]}')
            frames = [json.loads(await ws.recv()) for _ in range(3)]
            assert frames == [CONNECTED, AUTHENTICATED, subscription(trades=["A"])]

    play(scene)


@BOTH
@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer t"}, {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}],
    ids=["bearer", "alpaca"],
)
def test_credentials_in_the_handshake(redis_url: str, packed: bool, headers: dict[str, str]) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url, Doorkeeper()) as stage,
            stage.client(packed=packed, additional_headers=dict(headers)) as client,
        ):
            assert await client.frame() == AUTHENTICATED
            assert await client.ask({"action": "subscribe", "trades": ["A"]}) == subscription(trades=["A"])
            assert await client.ask({"action": "auth", "token": "t"}) == error(403, "already authenticated")

    play(scene)


def test_wrong_credentials_in_the_handshake_end_it(redis_url: str) -> None:
    async def scene() -> None:
        wrong = {"Authorization": "Bearer nope"}
        async with serving(redis_url, Doorkeeper()) as stage, stage.client(additional_headers=wrong) as client:
            assert await client.closed() == (4501, error(402, "auth failed"))

    play(scene)


@BOTH
def test_nothing_is_told_to_who_is_not_authenticated(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage, stage.client(packed=packed) as client:
            for action in ("subscribe", "unsubscribe"):
                assert await client.ask({"action": action, "trades": ["A"]}) == error(401, "not authenticated")
            assert await client.ask({"action": "auth", "token": "t"}) == AUTHENTICATED
            assert await client.ask({"action": "auth", "token": "t"}) == error(403, "already authenticated")
            assert await client.ask({"action": "subscribe", "trades": ["A"]}) == subscription(trades=["A"])

    play(scene)


@BOTH
def test_wrong_credentials_end_the_connection(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage, stage.client(packed=packed) as client:
            await client.send({"action": "auth", "key": "k", "secret": "wrong"})
            assert await client.closed() == (4501, error(402, "auth failed"))
            await stage.gone()

    play(scene)


@BOTH
def test_who_does_not_authenticate_in_time_is_closed(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper(), auth_timeout_s=0.1) as stage:
            async with stage.client(packed=packed) as client:
                assert await client.closed() == (4501, error(404, "auth timeout"))
            async with stage.client(packed=packed, additional_headers={"Authorization": "Bearer t"}) as client:
                assert await client.frame() == AUTHENTICATED
                await asyncio.sleep(0.15)  # past the time that others have
                assert await client.ask({"action": "subscribe"}) == subscription()

    play(scene)


def test_who_left_before_the_time_was_up_is_not_counted(redis_url: str) -> None:
    def timeouts() -> float:
        return REGISTRY.get_sample_value("feed_gateway_errors_total", {"code": "404"}) or 0.0

    async def scene() -> None:
        before = timeouts()
        async with serving(redis_url, Doorkeeper(), auth_timeout_s=0.05) as stage:
            async with stage.client():
                pass
            await stage.gone()
            await asyncio.sleep(0.1)  # past the time
        assert timeouts() == before

    play(scene)


@pytest.mark.parametrize("header", [False, True])
def test_an_answer_of_the_authenticator_that_comes_too_late_is_not_told(redis_url: str, header: bool) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.lets_go.clear()
        headers = {"Authorization": "Bearer t"} if header else {}
        async with (
            serving(redis_url, doorkeeper, auth_timeout_s=0.1) as stage,
            stage.client(additional_headers=headers) as client,
        ):
            if not header:
                await client.send({"action": "auth", "token": "t"})
            await until(lambda: doorkeeper.asked)
            assert await client.frame() == error(404, "auth timeout")
            doorkeeper.lets_go.set()
            assert await client.closed() == (4501, [])
            await stage.gone()

    play(scene)
