"""A token that is renewed on a connection: what the client gets meanwhile, gains and loses, and when it ends."""

import asyncio
import time
from typing import Any

import pytest

from feed.core.grant import EVERYTHING, grant
from feed.core.ticks import KINDS
from feed.settings import Auth
from tests.gateway.gateway_stage import (
    AUTH,
    AUTHENTICATED,
    BOTH,
    DEPTHS,
    Client,
    Doorkeeper,
    error,
    play,
    serving,
)

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@pytest.mark.parametrize("token", ["other", "unknown"])
def test_a_token_of_somebody_else_ends_the_connection(redis_url: str, token: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(token="other", id="jwt:other")
        async with serving(redis_url, doorkeeper) as stage, stage.client(2) as client:
            assert await client.ask(AUTH) == AUTHENTICATED
            await client.send({"action": "auth", "token": token})
            assert await client.closed() == (4501, error(402, "auth failed"))
            await stage.gone()

    play(scene)


@BOTH
def test_a_narrower_token_takes_away_what_it_does_not_grant(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(kinds=["trades"], symbols=["A*"]), "narrow")
        async with serving(redis_url, doorkeeper) as stage, stage.client(2, packed) as client:
            for symbol in ("A", "B", "C"):
                stage.trade(symbol)
            await stage.published()
            assert await client.ask(AUTH) == AUTHENTICATED
            await client.subscribe(trades=["*", "C"], quotes=["A"])
            assert await client.ask({"action": "auth", "token": "narrow"}) == AUTHENTICATED
            (answer,), (fault,) = await client.frame(), await client.frame()
            assert {kind: answer[kind] for kind in KINDS} == {"trades": ["*"], "quotes": [], "bars": [], "bars1s": []}
            assert set(answer["streams"]) == {"trades:B", "trades:C", "quotes:A"}
            assert (fault["code"], fault["detail"]) == (409, "quotes:A is not granted any more")
            for symbol in ("B", "C", "D", "A", "AB"):
                stage.trade(symbol)
            found = await client.some(2)
            assert [(message["S"], message["q"]) for message in found] == [("A", 2), ("AB", 1)]
            assert set(stage.hub.interest.streams) == {("sim", "trades", "A"), ("sim", "trades", "AB")}
        await stage.gone()

    play(scene)


def test_a_wider_token_lets_wildcards_reach_more_and_says_where_that_stands(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(symbols=["A"]))
        doorkeeper.grant(EVERYTHING, "wide")
        async with serving(redis_url, doorkeeper) as stage, stage.client(2) as client:
            for symbol in ("A", "B"):
                stage.trade(symbol)
            await stage.published()
            assert await client.ask(AUTH) == AUTHENTICATED
            assert set((await client.subscribe(trades=["*"]))["streams"]) == {"trades:A"}
            stage.trade("B")
            stage.trade("A")
            assert [(message["S"], message["q"]) for message in await client.some(1)] == [("A", 2)]
            assert await client.ask({"action": "auth", "token": "wide"}) == AUTHENTICATED
            (answer,) = await client.frame()
            assert (set(answer["streams"]), answer["streams"]["trades:B"]["seq"]) == ({"trades:B"}, 2)
            for symbol in ("B", "A", "C"):
                stage.trade(symbol)
            found = await client.some(3)
            assert sorted((message["S"], message["q"]) for message in found) == [("A", 3), ("B", 3), ("C", 1)]

    play(scene)


def test_no_tick_is_lost_over_refreshes_while_they_come(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        grants = [EVERYTHING, grant(symbols=["A", "C"]), grant(symbols=["A", "B"]), grant(kinds=["trades"])]
        for number, each in enumerate(grants):
            doorkeeper.grant(each, f"t{number}")
        async with serving(redis_url, doorkeeper) as stage, stage.client(2) as named, stage.client(2) as wild:
            for client in (named, wild):
                assert await client.ask({"action": "auth", "token": "t0"}) == AUTHENTICATED
            await named.subscribe(trades=["A"])
            await wild.subscribe(trades=["*"])
            publishing = asyncio.create_task(ticking(stage))
            for number in range(40):
                for client in (named, wild):
                    await client.send({"action": "auth", "token": f"t{number % len(grants)}"})
                await asyncio.sleep(0.01)
            publishing.cancel()
            await asyncio.wait({publishing})
            await stage.published()
            for client in (named, wild):
                await client.send({"action": "ping", "id": "end"})
            for client in (named, wild):
                seen = await contiguous(client)
                assert len(seen["A"]) > 40

    async def ticking(stage: Any) -> None:
        while True:
            for symbol in ("A", "B", "C"):
                stage.trade(symbol)
            await asyncio.sleep(0.001)

    async def contiguous(client: Client) -> dict[str, list[int]]:
        """Every number of the streams that a client had, by symbol; each follows the one before, or the answer that
        named the stream anew."""
        at: dict[str, int] = {}
        seen: dict[str, list[int]] = {"A": []}
        while True:
            for message in await client.frame():
                if message["T"] == "pong":
                    return seen
                if message["T"] == "subscription":
                    for key, state in message["streams"].items():
                        at[key.partition(":")[2]] = state["seq"]
                elif message["T"] == "t":
                    symbol = message["S"]
                    assert message["q"] == at.get(symbol, message["q"] - 1) + 1, message
                    at[symbol] = message["q"]
                    seen.setdefault(symbol, []).append(message["q"])

    play(scene)


@DEPTHS
def test_a_token_that_ends_is_told_of_before_and_may_be_renewed(redis_url: str, depth: int) -> None:
    async def scene() -> None:
        doorkeeper, start = Doorkeeper(), time.time()
        doorkeeper.grant(lasts_s=100.0)
        doorkeeper.grant(token="next", lasts_s=1_000.0)
        async with (
            serving(redis_url, doorkeeper, auth=Auth(expiring_s=30.0)) as stage,
            stage.client(depth) as client,
            stage.client(depth) as lazy,
        ):
            for each in (client, lazy):
                assert await each.ask(AUTH) == AUTHENTICATED
            await stage.gateway._guests.look(start + 80.0)
            if depth == 2:
                for each in (client, lazy):
                    (notice,) = await each.frame()
                    assert (notice["T"], notice["code"]) == ("notice", "expiring")
                assert await client.ask({"action": "auth", "token": "next"}) == AUTHENTICATED
            else:
                assert await client.ask({"action": "auth", "token": "next"}) == error(403, "already authenticated")
            await stage.gateway._guests.look(start + 101.0)
            assert (await lazy.closed())[0] == 4005
            if depth == 2:
                assert (await client.ask({"action": "ping", "id": 1}))[0]["T"] == "pong"
            else:
                assert (await client.closed())[0] == 4005

    play(scene)


def test_a_refresh_that_the_bus_does_not_answer_ends_the_connection(redis_url: str) -> None:
    class DeafBus:
        def want(self, *_: Any) -> None: ...
        def unwant(self, *_: Any) -> None: ...
        def want_directory(self, *_: Any) -> None: ...

    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.grant(grant(symbols=["A"]))
        doorkeeper.grant(EVERYTHING, "wide")
        async with (
            serving(redis_url, doorkeeper, subscribe_timeout_s=0.2) as stage,
            stage.client(2) as client,
        ):
            stage.trade("B")
            await stage.published()
            assert await client.ask(AUTH) == AUTHENTICATED
            await client.subscribe(trades=["*"])
            stage.hub.interest._bus = DeafBus()
            await client.send({"action": "auth", "token": "wide"})
            code, (last,) = await client.closed()
            assert (code, last["code"]) == (1011, 500)
            await stage.gone()

    play(scene)
