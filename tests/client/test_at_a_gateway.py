"""The client at the real gateway, with real tokens and keys."""

import asyncio
import time

import pytest

from feed.client import Client, CommandError, Lost, Refused, Update
from feed.client.events import Connected, Gap
from feed.settings import Auth
from tests.access.issuer import SECRET, auth, live
from tests.client.reading import DEADLINE_S, one, reading
from tests.gateway.gateway_stage import play, serving, until
from tests.minted import heard, mint, revoke

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


def test_tokens_that_last_two_seconds_are_renewed_in_place_and_no_tick_is_missed(redis_url: str) -> None:
    given: list[str] = []

    def issue() -> str:
        given.append(live("HS256", iat=int(time.time()), exp=int(time.time()) + 3))
        return given[-1]

    async def scene() -> None:
        tokens = auth(jwt_algorithms=("HS256",), jwt_secret=SECRET, expiring_s=2.0, jwt_leeway_s=0.0)
        async with serving(redis_url, auth=tokens) as stage:
            async with Client(f"ws://{stage.address}/v2/sim", token=issue) as client:
                await client.subscribe(trades=["A"])
                async with reading(client) as events:
                    count = 0
                    async with asyncio.timeout(DEADLINE_S):
                        while len(given) < 4:
                            stage.trade("A")
                            count += 1
                            await asyncio.sleep(0.005)
                    await until(lambda: sum(isinstance(event, Update) for event in events) == count)
            assert [event.seq for event in events if isinstance(event, Update)] == [*range(1, count + 1)]
            assert not [event for event in events if isinstance(event, Lost | Gap)]
            assert sum(isinstance(event, Connected) for event in events) == 1

    play(scene)


def test_a_key_reads_what_it_includes_until_it_is_revoked(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, auth=Auth(mode="keys")) as stage:
            minted = await asyncio.to_thread(mint, redis_url, "desk", "--symbols", "BTC/*", "--max-connections", "1")
            await heard(stage, minted)
            url, key = f"ws://{stage.address}/v2/sim", {"key": minted.id, "secret": minted.secret}
            async with Client(url, **key) as client, Client(url, **key) as second:  # type: ignore[arg-type]
                await client.subscribe(trades=["BTC/USDT"])
                with pytest.raises(CommandError, match="409 insufficient subscription: trades:ETH/USDT"):
                    await client.subscribe(trades=["ETH/USDT"])
                with pytest.raises(Refused, match="all connections that this key may have are in use"):
                    await second.subscribe(trades=["BTC/USDT"])
                stage.trade("BTC/USDT")
                assert (await one(client, Update)).seq == 1
                await asyncio.to_thread(revoke, redis_url, "desk")
                with pytest.raises(Refused, match="this key is no longer good"):
                    await one(client, Lost)
            async with Client(url, **key) as client:  # type: ignore[arg-type]
                with pytest.raises(Refused, match="it does not accept this key"):
                    await client.subscribe(trades=["BTC/USDT"])

    play(scene)
