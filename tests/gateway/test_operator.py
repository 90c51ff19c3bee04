"""What an operator sees by HTTP, and who is one: against a real Redis and a real gateway, and piece by piece."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest

from feed.bus.inquiries import Respondent
from feed.bus.links import Links
from feed.core.grant import grant
from feed.settings import Auth
from tests.bus.test_inquiries import Voice
from tests.gateway.gateway_stage import Doorkeeper, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

PUBLIC = {"auth": Auth(insecure_public=True)}


@asynccontextmanager
async def visiting(redis_url: str, *arguments: Any, **options: Any) -> AsyncIterator[tuple[Stage, "Visitor"]]:
    async with (
        serving(redis_url, *arguments, **options) as stage,
        aiohttp.ClientSession(f"http://{stage.address}") as http,
    ):
        yield stage, Visitor(http)


class Visitor:
    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        async with self._http.get(path, headers=headers) as answer:
            body = await answer.read()
            return answer.status, orjson.loads(body) if answer.content_type == "application/json" else body.decode()


def test_the_numbers_of_a_gateway_and_of_another_process(redis_url: str) -> None:
    async def scene() -> None:
        async with visiting(redis_url) as (stage, visitor), stage.client(2) as client:
            other = asyncio.create_task(Respondent(stage.values.redis, "ingest other", Voice(None)).run())
            voice = Respondent(stage.values.redis, "ingest x", Voice({"not_ready": "", "families": ()}))
            another = asyncio.create_task(voice.run())
            await client.subscribe(trades=["A"])
            stage.trade("A")
            assert (await client.some(1))[0]["S"] == "A"
            status, body = await visitor.get("/operator/metrics")
            assert (status, body["complete"]) == (200, True)
            assert abs(body["t"] - time.time()) < 60
            processes = {one["role"]: one for one in body["processes"]}
            assert processes.keys() == {"gateway", "ingest x"}, "one of the others has nothing to say"
            assert (processes["gateway"]["ready"], processes["gateway"]["connections"]) == (True, 1)
            families = {name: (kind, samples) for name, kind, samples in body["families"]}
            assert all(name.startswith("feed_") for name in families)
            kind, samples = families["feed_gateway_connections"]
            assert kind == "gauge"
            assert ["feed_gateway_connections", {"feed": "sim"}, 1.0] in samples
            assert not [each for _, _, samples in body["families"] for each in samples if each[0].endswith("_created")]
            for task in (other, another):
                task.cancel()

    play(scene)


def test_with_redis_away_this_process_is_told_and_nothing_else(redis_url: str) -> None:
    async def scene() -> None:
        async with visiting(redis_url) as (stage, visitor):
            nowhere = stage.values.redis.model_copy(update={"url": "redis://127.0.0.1:1/0"})
            stage.gateway._inquirer._links = Links(nowhere, "test")
            status, body = await visitor.get("/operator/metrics")
            assert (status, body["complete"]) == (200, False)
            assert [one["role"] for one in body["processes"]] == ["gateway"]

    play(scene)


ON_LOOPBACK = [
    ({}, {}, True),
    ({"hosts": ("localhost", "127.0.0.1")}, {}, True),
    # other names are those of a proxy, behind which everyone looks as if he were here
    ({"hosts": ("127.0.0.1", "feed.example.com")}, {}, False),
    ({"trusted_proxies": ("127.0.0.1",)}, {"X-Forwarded-For": "203.0.113.7"}, False),
    ({"trusted_proxies": ("127.0.0.1",)}, {}, True),
    # a proxy of which nobody told the gateway
    ({}, {"X-Forwarded-For": "203.0.113.7"}, False),
    ({}, {"X-Real-IP": "127.0.0.1"}, False),
    ({}, {"Forwarded": "for=203.0.113.7"}, False),
    ({}, {"Via": "1.1 proxy"}, False),
    (PUBLIC, {}, False),
    (PUBLIC | {"host": "0.0.0.0"}, {}, False),
]


@pytest.mark.parametrize(("options", "headers", "expected"), ON_LOOPBACK)
def test_without_authentication_whoever_is_on_this_machine_is_an_operator(
    redis_url: str, options: dict[str, Any], headers: dict[str, str], expected: bool
) -> None:
    async def scene() -> None:
        async with visiting(redis_url, **options) as (_, visitor):
            assert await visitor.get("/operator", headers) == (200, {"operator": expected})
            status, body = await visitor.get("/operator/metrics", headers)
            assert status == (200 if expected else 403)
            if not expected:
                assert body == {
                    "code": 409, "msg": "insufficient subscription", "detail": "only operators may see this",
                }  # fmt: skip

    play(scene)


WITH_KEYS = [
    ({}, 401),
    ({"Authorization": "Bearer nobody"}, 401),
    ({"Authorization": "Bearer plain"}, 403),
    ({"Authorization": "Bearer operator"}, 200),
    ({"Authorization": "Bearer narrow"}, 200),
    ({"Cookie": "session=operator"}, 401),
    ({"Cookie": "session=operator", "Origin": "https://app.example.com"}, 200),
    ({"Cookie": "session=operator", "Origin": "https://evil.example.com"}, 401),
]


@pytest.mark.parametrize(("headers", "expected"), WITH_KEYS)
def test_with_authentication_those_are_operators_who_are_called_so(
    redis_url: str, headers: dict[str, str], expected: int
) -> None:
    async def scene() -> None:
        door = Doorkeeper()
        door.grant(token="plain")
        door.grant(grant(operator=True), token="operator", id="jwt:ops")
        door.grant(grant(feeds=["quiet"], symbols=["X"], operator=True), token="narrow", id="jwt:narrow")
        auth = Auth(cookie="session")
        origins = ("https://app.example.com",)
        async with visiting(redis_url, door, auth=auth, origins=origins) as (_, visitor):
            assert await visitor.get("/operator", headers) == (200, {"operator": expected == 200})
            status, _ = await visitor.get("/operator/metrics", headers)
            assert status == expected

    play(scene)


def test_who_is_called_by_another_name_gets_nothing(redis_url: str) -> None:
    async def scene() -> None:
        async with visiting(redis_url) as (_, visitor):
            for path in ("/operator", "/operator/metrics"):
                assert (await visitor.get(path, {"Host": "rebound.example.com"}))[0] == 421

    play(scene)


def test_nobody_is_asked_while_nobody_looks(redis_url: str) -> None:
    async def scene() -> None:
        async with visiting(redis_url) as (stage, visitor):
            await visitor.get("/operator")
            assert not stage.gateway._inquirer._links._links
            await visitor.get("/operator/metrics")
            await until(lambda: bool(stage.gateway._inquirer._links._links))

    play(scene)
