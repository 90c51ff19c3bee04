"""Handshakes that are accepted, and such that are not."""

import asyncio
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from tests.gateway.gateway_stage import Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


async def refusal(stage: Stage, **options: Any) -> Any:
    """The HTTP answer to a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with stage.open(**options):
            pass
    return caught.value.response


def handshakes(result: str) -> float:
    return REGISTRY.get_sample_value("feed_gateway_handshakes_total", {"result": result}) or 0.0


def test_an_unknown_feed_is_404_and_the_known_ones_are_named(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            before = handshakes("unknown_feed")
            answer = await refusal(stage, path="/v2/nope")
            assert (answer.status_code, b"sim, quiet" in answer.body) == (404, True)
            assert handshakes("unknown_feed") == before + 1
            assert (await refusal(stage, path="/v2/nope/")).status_code == 404

    play(scene)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(None, True), ("http://{}", True), ("https://evil.example", False), ("null", False), ("http://[", False)],
)
def test_only_this_gateways_own_pages_may_connect(redis_url: str, origin: str | None, allowed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            headers = {} if origin is None else {"Origin": origin.format(stage.address)}
            if not allowed:
                assert (await refusal(stage, additional_headers=headers)).status_code == 403
                return
            async with stage.client(additional_headers=headers) as client:
                await client.subscribe()

    play(scene)


@pytest.mark.parametrize(
    ("offered", "chosen", "packed"),
    [
        (["feed.v1.json"], "feed.v1.json", False),
        (["feed.v1.msgpack"], "feed.v1.msgpack", True),
        (["feed.v2.json", "feed.v1.msgpack", "feed.v1.json"], "feed.v1.msgpack", True),
        (["feed.v1.json", "feed.v1.msgpack"], "feed.v1.json", False),
    ],
)
def test_the_first_subprotocol_that_is_known_is_spoken(
    redis_url: str, offered: list[str], chosen: str, packed: bool
) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.open(protocols=offered) as ws:
            assert ws.subprotocol == chosen
            assert isinstance(await ws.recv(), bytes) == packed

    play(scene)


def test_other_subprotocols_are_400(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            answer = await refusal(stage, protocols=["graphql-ws", "feed.v9.json"])
            assert (answer.status_code, b"feed.v1.json, feed.v1.msgpack" in answer.body) == (400, True)

    play(scene)


@pytest.mark.parametrize(
    ("content_type", "packed"),
    [
        ("application/msgpack", True),
        ("Application/MsgPack; charset=x", True),
        ("application/json", False),
        ("application/msgpackx", False),
    ],
)
def test_the_content_type_chooses_the_encoding_at_depth_one(redis_url: str, content_type: str, packed: bool) -> None:
    async def scene() -> None:
        headers = {"Content-Type": content_type}
        async with serving(redis_url) as stage, stage.open(additional_headers=headers) as ws:
            assert ws.subprotocol is None
            assert isinstance(await ws.recv(), bytes) == packed

    play(scene)


def test_no_extension_is_ever_agreed_on(redis_url: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url) as stage,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://{stage.address}/v2/sim", compress=15) as ws,
        ):
            assert not ws.compress

    play(scene)


def test_more_connections_than_allowed_are_503_until_one_leaves(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_connections=2) as stage, stage.client(), stage.client() as second:
            answer = await refusal(stage)
            assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
            await second.ws.close()
            await until(lambda: len(stage.gateway._sessions) == 1)
            async with stage.client():
                pass

    play(scene)


def test_handshakes_at_once_do_not_pass_the_limit_together(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_connections=3) as stage:
            outcomes = await asyncio.gather(*(stage.open() for _ in range(12)), return_exceptions=True)
            opened = [outcome for outcome in outcomes if isinstance(outcome, ClientConnection)]
            for ws in opened:
                await ws.close()
            assert len(opened) == 3

    play(scene)


def test_who_wants_no_websocket_is_told_what_this_is(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, aiohttp.ClientSession(f"http://{stage.address}") as session:
            async with session.get("/v2/sim") as answer:
                assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")
            async with session.post("/v2/sim") as answer:
                assert answer.status == 405
            async with session.get("/") as answer:
                assert (answer.status, answer.content_type) == (200, "text/html")

    play(scene)


@pytest.mark.parametrize(
    "change",
    [{"Sec-WebSocket-Version": "12"}, {"Sec-WebSocket-Key": "short"}, {"Connection": "close"}],
    ids=["version", "key", "connection"],
)
def test_malformed_handshakes_are_400(redis_url: str, change: dict[str, str]) -> None:
    good = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip

    async def scene() -> None:
        async with serving(redis_url) as stage, aiohttp.ClientSession(f"http://{stage.address}") as session:
            async with session.get("/v2/sim", headers=good | change) as answer:
                assert answer.status == 400
            assert not stage.gateway._sessions

    play(scene)
