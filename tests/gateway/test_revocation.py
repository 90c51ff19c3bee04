"""Keys that are revoked, rotated or made while clients are connected, kept in a real Redis."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from feed.bus.keys import RedisKeys
from feed.core.grant import EVERYTHING
from feed.core.keys import Kept, KeyRecord, digest, from_json, rotated, to_json
from feed.settings import Auth, Redis
from tests.gateway.gateway_stage import AUTHENTICATED, DEPTHS, Stage, error, play, serving, subscription, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
DESK = KeyRecord("fk_" + "a" * 16, "desk", EVERYTHING, (Kept(digest("old")),), created=0.0)
OTHER = DESK._replace(id="fk_" + "b" * 16, name="other")
AUTH = {"action": "auth", "key": DESK.id, "secret": "old"}


class Keys:
    """What `feed key` does."""

    def __init__(self, store: RedisKeys) -> None:
        self.store = store

    async def make(self, record: KeyRecord) -> None:
        await self.store.change(lambda _: (record.id, to_json(record)))

    async def edit(self, change: Callable[[KeyRecord], KeyRecord]) -> None:
        await self.store.change(lambda keys: (DESK.id, to_json(change(from_json(DESK.id, keys[DESK.id])))))


@asynccontextmanager
async def keyed(redis_url: str) -> AsyncIterator[tuple[Stage, Keys]]:
    keys = Keys(RedisKeys(Redis(url=redis_url)))
    await keys.make(DESK)
    await keys.make(OTHER)
    async with serving(redis_url, auth=Auth(mode="keys")) as stage:
        keyring: Any = stage.gateway._authenticator
        await until(lambda: keyring._keys.ready)
        yield stage, keys
    await keys.store.close()


@DEPTHS
def test_a_revoked_key_ends_its_connections_and_lets_nobody_in_again(redis_url: str, depth: int) -> None:
    async def scene() -> None:
        async with (
            keyed(redis_url) as (stage, keys),
            stage.client(depth) as client,
            stage.client(depth) as other,
        ):
            assert await client.ask(AUTH) == AUTHENTICATED
            assert await other.ask(AUTH | {"key": OTHER.id}) == AUTHENTICATED
            began = time.monotonic()
            await keys.edit(lambda record: record._replace(revoked=time.time()))
            assert (await client.closed())[0] == 4503
            print(f"ended {time.monotonic() - began:.1f} s after the key was revoked")
            async with stage.client(depth) as again:
                await again.send(AUTH)
                assert await again.closed() == (4501, error(402, "auth failed"))
            (answer,) = await other.ask({"action": "subscribe", "trades": ["A"]})
            assert answer["T"] == "subscription"

    play(scene)


def test_a_rotated_out_secret_ends_its_own_connections_alone(redis_url: str) -> None:
    async def scene() -> None:
        async with keyed(redis_url) as (stage, keys), stage.client() as old, stage.client() as new:
            assert await old.ask(AUTH) == AUTHENTICATED
            await keys.edit(lambda record: rotated(record, digest("new"), 60.0, time.time()))
            # the gateway hears of it within a second, and refuses what it does not know: who comes early comes again
            while True:
                async with stage.client() as early:
                    await early.send(AUTH | {"secret": "new"})
                    if await early.frame() == AUTHENTICATED:
                        break
            assert await new.ask(AUTH | {"secret": "new"}) == AUTHENTICATED
            assert await old.ask({"action": "subscribe", "trades": ["A"]}) == subscription(trades=["A"])
            await keys.edit(lambda record: record._replace(secrets=record.secrets[:1]))
            assert (await old.closed())[0] == 4503
            assert await new.ask({"action": "subscribe", "trades": ["A"]}) == subscription(trades=["A"])

    play(scene)
