"""What a client proves, and what it may have and may not."""

import time

import pytest

from feed.access.principal import Credentials, Principal, Why
from feed.core.grant import grant
from feed.gateway.identity import UNPROVEN_MESSAGES
from feed.settings import Auth
from tests.gateway.gateway_stage import (
    AUTH,
    AUTHENTICATED,
    BOTH,
    DEPTHS,
    Doorkeeper,
    error,
    play,
    serving,
    subscription,
    until,
)

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@DEPTHS
@BOTH
def test_who_talks_on_without_saying_who_it_is_is_closed(redis_url: str, depth: int, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage, stage.client(depth, packed) as client:
            for _ in range(UNPROVEN_MESSAGES):
                (answer,) = await client.ask({"action": "subscribe", "trades": ["A"]})
                assert answer["code"] == 401
            await client.send(AUTH)
            assert await client.closed() == (4501, error(401, "not authenticated"))

    play(scene)


def test_commands_that_were_sent_after_credentials_wait_for_the_answer(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper()) as stage, stage.client() as client:
            await client.send(AUTH)
            for _ in range(2 * UNPROVEN_MESSAGES):
                await client.send({"action": "subscribe", "trades": ["A"]})
            assert await client.frame() == AUTHENTICATED
            for _ in range(2 * UNPROVEN_MESSAGES):
                assert await client.frame() == subscription(trades=["A"])

    play(scene)


@DEPTHS
@pytest.mark.parametrize("header", [False, True])
def test_a_feed_that_is_not_granted_ends_the_connection(redis_url: str, depth: int, header: bool) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(feeds=["quiet"]))
        headers = {"Authorization": "Bearer t"} if header else {}
        async with serving(redis_url, doorkeeper) as stage, stage.client(depth, additional_headers=headers) as client:
            if not header:
                await client.send(AUTH)
            code, (last,) = await client.closed()
            assert (code, last["code"], last["msg"]) == (4503, 409, "insufficient subscription")
            assert last.get("detail", "") == ("the feed sim is not granted" if depth == 2 else "")
            await stage.gone()

    play(scene)


def test_one_that_cannot_be_judged_yet_is_told_the_same_and_may_come_again(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.known[Credentials(token="t")] = Why.UNAVAILABLE
        async with serving(redis_url, doorkeeper) as stage, stage.client() as client:
            await client.send(AUTH)
            assert await client.closed() == (1013, error(402, "auth failed"))

    play(scene)


@DEPTHS
def test_connections_beyond_the_grants_are_refused_until_one_leaves(redis_url: str, depth: int) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(max_connections=1))
        async with serving(redis_url, doorkeeper) as stage:
            async with stage.client(depth) as first, stage.client(depth) as second:
                assert await first.ask(AUTH) == AUTHENTICATED
                await second.send(AUTH)
                code, (last,) = await second.closed()
                assert (code, last["code"], last["msg"]) == (4506, 406, "connection limit exceeded")
            await stage.gone()
            async with stage.client(depth) as third:
                assert await third.ask(AUTH) == AUTHENTICATED

    play(scene)


def test_connections_are_counted_over_all_gateways(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(max_connections=2))
        async with serving(redis_url, doorkeeper) as here, serving(redis_url, doorkeeper) as there:
            await until(lambda: not any(stage.gateway._leases.alone for stage in (here, there)))  # type: ignore[union-attr]
            async with here.client() as one, there.client() as two, there.client() as three:
                assert await one.ask(AUTH) == await two.ask(AUTH) == AUTHENTICATED
                await three.send(AUTH)
                assert (await three.closed())[0] == 4506
            for stage in (here, there):
                await stage.gone()

    play(scene)


def test_what_a_grant_says_of_symbols_rates_and_numbers(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(kinds=["trades"], symbols=["A*"], max_rate=4, max_symbols=2))
        async with serving(redis_url, doorkeeper) as stage, stage.client(2) as client, stage.client(1) as old:
            assert await client.ask(AUTH) == await old.ask(AUTH) == AUTHENTICATED
            for wish, detail in (
                ({"quotes": ["A"]}, "quotes:A is not granted: no quotes are"),
                ({"trades": ["A", "B"]}, "trades:B is not granted"),
                ({"trades": ["A"], "rate": 0}, "rate: at most 4 a second, and 0 is every tick"),
            ):
                (answer,) = await client.ask({"action": "subscribe", "id": 3, **wish})
                assert (answer["code"], answer["id"], answer["detail"]) == (409, 3, detail)
            assert await old.ask({"action": "subscribe", "trades": ["B"]}) == error(409, "insufficient subscription")
            (answer,) = await client.ask({"action": "subscribe", "trades": ["A1", "A2", "A3"]})
            assert (answer["code"], answer["detail"]) == (405, "at most 2 streams a connection")
            answer = await client.subscribe(trades=["A1", "A2"])
            assert {state["rate"] for state in answer["streams"].values()} == {4}
            assert await old.ask({"action": "subscribe", "trades": ["A1", "*"]}) == subscription(trades=["*", "A1"])

    play(scene)


@DEPTHS
def test_a_revoked_key_ends_its_connections_and_no_others(redis_url: str, depth: int) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        async with serving(redis_url, doorkeeper) as stage, stage.client(depth) as client, stage.client() as other:
            assert await client.ask({"action": "auth", "key": "k", "secret": "s"}) == AUTHENTICATED
            assert await other.ask(AUTH) == AUTHENTICATED
            doorkeeper.gone["fk_k"] = Why.REVOKED
            assert await client.closed() == (4503, [])  # within seconds, by the gateway's own look
            assert await other.ask({"action": "subscribe", "trades": ["A"]}) == subscription(trades=["A"])

    play(scene)


def test_who_wants_nothing_and_says_nothing_is_closed(redis_url: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url, idle_s=0.2, ping_s=0.4) as stage,
            stage.client() as idle,
            stage.client() as busy,
        ):
            assert await busy.ask({"action": "subscribe", "trades": ["A"]}) == subscription(trades=["A"])
            assert await idle.closed() == (1001, [])
            assert await busy.ask({"action": "unsubscribe", "trades": ["A"]}) == subscription()
            assert await busy.closed() == (1001, [])

    play(scene)


def test_credentials_in_a_cookie_count_with_an_origin_only(redis_url: str) -> None:
    async def scene() -> None:
        cookie = {"Cookie": "theme=dark; session=t"}
        async with serving(
            redis_url, Doorkeeper(), auth=Auth(cookie="session"), origins=("https://desk.example.com",)
        ) as stage:
            async with stage.client(additional_headers=cookie, origin=f"http://{stage.address}") as client:
                assert await client.frame() == AUTHENTICATED
            async with stage.client(additional_headers=cookie) as client:
                assert await client.ask({"action": "subscribe"}) == error(401, "not authenticated")

    play(scene)


def test_a_client_that_goes_while_its_place_is_asked_for_gives_it_back(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.known[Credentials(token="t")] = Principal("jwt:t", grant(max_connections=1), time.time() + 60)
        async with serving(redis_url, doorkeeper) as stage:
            for _ in range(5):
                async with stage.client() as client:
                    await client.send(AUTH)
                    client.ws.transport.abort()
                await stage.gone()
            assert not stage.gateway._guests._places
            async with stage.client() as client:
                assert await client.ask(AUTH) == AUTHENTICATED
            await until(lambda: not stage.gateway._guests._places)

    play(scene)
