"""What the log tells of one connection, by the id that its client knows too."""

import logging
from typing import Any

import pytest
from structlog.testing import capture_logs

from feed.access.principal import Credentials, Why
from feed.gateway.connection_ids import HEADER
from tests.gateway.gateway_stage import AUTH, AUTHENTICATED, Client, Doorkeeper, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
SESSIONS = "feed.gateway.session"


def id_of(client: Client) -> str:
    assert client.ws.response is not None
    return client.ws.response.headers[HEADER]


@pytest.fixture
def debug() -> Any:
    logger = logging.getLogger(SESSIONS)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)


def test_each_handshake_is_answered_with_another_id_of_this_process(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as one, stage.client(1) as other:
            ids = [id_of(one), id_of(other)]
            assert len(set(ids)) == 2
            assert all(each.startswith(f"{stage.gateway.life}-") for each in ids)
            assert sorted(session.peer.connection for session in stage.gateway._sessions) == sorted(ids)

    play(scene)


@pytest.mark.usefixtures("debug")
def test_it_is_told_when_it_opens_and_closes_and_what_it_was_sent(redis_url: str) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.client(2) as client:
            told = {"connection": id_of(client), "address": "127.0.0.1", "feed": "sim", "log_level": "debug"}
            await client.send(AUTH)
            assert await client.frame() == AUTHENTICATED
            await client.ask({"action": "subscribe", "trades": ["A"]})
            stage.trade("A")
            await client.some(1)
        await stage.gone()
        opened, closed = (line for line in lines if line["event"].startswith("connection_"))
        assert opened == told | {"event": "connection_opened", "depth": 2, "encoding": "json"}
        assert closed.items() >= (told | {"event": "connection_closed", "key": "jwt:t", "code": 1000}).items()
        assert closed["frames"] == 1
        assert closed["bytes"] > 100
        assert closed["lived_s"] >= 0

    async def main() -> None:
        async with serving(redis_url, Doorkeeper()) as stage:
            await scene(stage)

    with capture_logs() as lines:
        play(main)


def test_a_refusal_names_the_connection_and_nothing_else_is_told_below_debug(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.known[Credentials(token="t")] = Why.BAD_TOKEN
        async with serving(redis_url, doorkeeper) as stage, stage.client() as client:
            known = id_of(client)
            await client.send(AUTH)
            await client.closed()
            await until(lambda: not stage.gateway._sessions)
        about = [line for line in lines if "connection" in line]
        assert [(line["event"], line["connection"], line["reason"]) for line in about] == [
            ("auth_refused", known, "bad_token")
        ]

    with capture_logs() as lines:
        play(scene)


def test_who_is_turned_away_for_want_of_room_is_told_to_the_operator(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_connections=1) as stage, stage.client():
            with pytest.raises(Exception, match="503"):
                async with stage.client():
                    pass
        (line,) = [line for line in lines if line["event"] == "gateway_full"]
        assert (line["log_level"], line["limit"], line["feed"]) == ("warning", 1, "sim")

    with capture_logs() as lines:
        play(scene)
