"""Tokens of an issuer with a JWKS at a real gateway: renewed over a rotation, ended, and sent by Alpaca's client."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from alpaca.data.live.stock import StockDataStream

from feed.access.authenticator import TOKEN_KEY
from feed.settings import Auth
from tests.access.issuer import auth, jwk, jwks, live
from tests.gateway.gateway_stage import AUTHENTICATED, error, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


def trusting(folder: Path, **knobs: Any) -> Auth:
    (folder / "jwks.json").write_bytes(jwks(jwk("ES256", "old", 0)))
    return auth(jwt_algorithms=["ES256"], jwt_jwks=str(folder / "jwks.json"), **knobs)


def test_a_stream_is_contiguous_over_a_token_of_the_issuers_next_key(redis_url: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(redis_url, auth=trusting(tmp_path, jwks_refresh_s=0.02)) as stage, stage.client(2) as client:
            assert await client.ask({"action": "auth", "token": live(kid="old")}) == AUTHENTICATED
            await client.subscribe(trades=["BTC/USDT"])
            (tmp_path / "jwks.json").write_bytes(jwks(jwk("ES256", "new", 1)))
            new = {"action": "auth", "token": live(number=1, kid="new")}
            async with asyncio.timeout(10.0):
                while True:  # until the gateway has seen the new key
                    async with stage.client(2) as other:
                        if await other.ask(new) == AUTHENTICATED:
                            break
            for _ in range(20):
                stage.trade()
            await client.send(new)
            for _ in range(20):
                stage.trade()
            seqs: list[int] = []
            async with asyncio.timeout(10.0):
                while len(seqs) < 40:
                    seqs += [message["q"] for message in await client.frame() if message["T"] == "t"]
            assert seqs == list(range(1, 41))
            # the old key is gone: nobody gets in with it, and those who did stay
            async with stage.client() as late:
                await late.send({"action": "auth", "token": live(kid="old")})
                assert await late.closed() == (4501, error(402, "auth failed"))

    play(scene)


def test_a_connection_ends_with_its_token(redis_url: str, tmp_path: Path) -> None:
    async def scene() -> None:
        soon = live(kid="old", exp=time.time() + 1.5)
        async with serving(redis_url, auth=trusting(tmp_path, expiring_s=60.0)) as stage, stage.client(2) as client:
            assert await client.ask({"action": "auth", "token": soon}) == AUTHENTICATED
            async with asyncio.timeout(10.0):
                while (found := (await client.frame())[0])["T"] == "heartbeat":
                    continue
            assert (found["T"], found["code"]) == ("notice", "expiring")
            code, _ = await client.closed()
            assert code == 4005

    play(scene)


def test_alpacas_client_presents_a_token_for_a_secret(redis_url: str, tmp_path: Path) -> None:
    async def scene() -> None:
        heard: list[Any] = []

        async def take(tick: Any) -> None:
            heard.append(tick)

        async with serving(redis_url, auth=trusting(tmp_path)) as stage:
            stream = StockDataStream(TOKEN_KEY, live(kid="old"), url_override=f"ws://{stage.address}/v2/sim")
            stream.subscribe_trades(take, "BTC/USDT")
            task = asyncio.create_task(stream._run_forever())
            try:
                await until(lambda: any(key.streams for key in stage.hub.interest.cohorts))
                stage.trade(price=61_709.5)
                await until(lambda: heard)
                assert heard[0].price == 61_709.5
            finally:
                await stream.stop_ws()
                await stream.close()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    play(scene)
