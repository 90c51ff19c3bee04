"""How the server stops, and what it does where Redis, a session or the hub fails."""

import asyncio
import gc
import weakref
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from feed.access.principal import Credentials, Principal
from feed.bus.reading import Batch
from feed.core.streams import Stream
from feed.core.ticks import Trade
from feed.gateway.server import Gateway
from feed.settings import Drain, Redis, Values
from feed.settings import Gateway as GatewayKnobs
from tests.gateway.gateway_stage import PATIENCE_S, Doorkeeper, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_server_that_stops_tells_its_clients_to_come_again(redis_url: str, depth: int) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(depth) as client, stage.client(depth) as idle:
            await client.subscribe(trades=["*"])
            assert stage.gateway.not_ready() == ""
            at_once(stage)
            stage.stop.set()
            assert (await client.closed())[0] == (await idle.closed())[0] == 1012
            assert stage.gateway.not_ready() == "draining"

    play(scene)


@pytest.mark.parametrize("how", ["closed", "broken off"])
def test_what_is_left_of_a_connection_needs_no_garbage_collector(redis_url: str, how: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            gc.collect()
            gc.disable()
            try:
                async with stage.client(2) as client:
                    await client.subscribe(trades=["*"])
                    (session,) = stage.gateway._sessions
                    left = weakref.ref(session)
                    del session
                    if how == "broken off":
                        client.ws.transport.abort()
                await until(lambda: left() is None)
            finally:
                gc.enable()

    play(scene)


def test_a_server_that_stops_does_not_wait_for_a_subscription_that_waits_for_redis(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, subscribe_timeout_s=60.0) as stage, stage.client() as client:
            stage.hub.interest._bus = DeafBus()
            await client.send({"action": "subscribe", "trades": ["A"], "quotes": ["*"]})
            await until(lambda: stage.hub.interest.streams)
            at_once(stage)
            stage.stop.set()
            assert (await client.closed())[0] == 1012
            async with asyncio.timeout(1.5):
                await stage.gone()

    play(scene)


def at_once(stage: Stage) -> None:
    stage.gateway._values = stage.gateway._values.model_copy(update={"drain": Drain(delay_s=0.0, window_s=0.0)})


class DeafBus:
    """A subscriber that never opens anything."""

    def want(self, *_: Any) -> None: ...
    def unwant(self, *_: Any) -> None: ...
    def want_directory(self, *_: Any) -> None: ...


def test_a_bus_that_does_not_answer_is_500_and_changes_nothing(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, subscribe_timeout_s=0.1) as stage, stage.client(2) as client:
            stage.hub.interest._bus = DeafBus()
            for _ in range(3):
                (answer,) = await client.ask({"action": "subscribe", "id": 3, "trades": ["A"], "quotes": ["*"]})
                assert (answer["code"], answer["msg"], answer["id"]) == (500, "internal error", 3)
            assert not stage.hub.interest.streams
            assert not stage.hub.interest._directory_waiting
            assert (await client.ask({"action": "unsubscribe"}))[0]["trades"] == []

    play(scene)


def test_a_client_that_goes_while_its_subscription_waits_leaves_nothing(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, subscribe_timeout_s=0.3) as stage, stage.client() as client:
            stage.hub.interest._bus = DeafBus()
            await client.send({"action": "subscribe", "trades": ["A"]})
            await until(lambda: stage.hub.interest.streams)
            client.ws.transport.abort()
            await stage.gone()

    play(scene)


def test_a_client_that_goes_while_its_credentials_are_looked_at_leaves_nothing(redis_url: str) -> None:
    async def scene() -> None:
        doorkeeper = Doorkeeper()
        doorkeeper.lets_go.clear()
        async with serving(redis_url, doorkeeper) as stage, stage.client() as client:
            await client.send({"action": "auth", "token": "t"})
            await until(lambda: doorkeeper.asked)
            client.ws.transport.abort()
            doorkeeper.lets_go.set()
            await stage.gone()

    play(scene)


def test_a_tick_that_cannot_be_encoded_ends_the_gateway_and_not_in_silence(redis_url: str) -> None:
    async def scene() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        gateway = Gateway(Values(redis=Redis(url=redis_url), gateway=GatewayKnobs(port=0, heartbeat_s=0.1)))
        await gateway.start()
        running = asyncio.create_task(gateway.run(asyncio.Event()))
        await until(lambda: not gateway.not_ready())
        async with connect(f"ws://127.0.0.1:{gateway.port}/v2/sim", proxy=None) as ws:
            await ws.send('{"action":"subscribe","trades":["A"]}')
            assert b"connected" in await ws.recv(decode=False)
            assert b"subscription" in await ws.recv(decode=False)
            broken = Trade("A", 1, 1.0, 1.0, "", "no time", 0)  # type: ignore[arg-type]
            gateway._feeds.batch(Stream("sim", "trades", "A"), Batch("e", 1, 0, 0, [broken]))  # type: ignore[union-attr]
            with pytest.raises(ConnectionClosed) as caught:
                await ws.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
        with pytest.raises(ExceptionGroup) as fault:
            await running
        assert fault.group_contains(TypeError)
        assert [type(complaint["exception"]) for complaint in complaints] == [TypeError]

    asyncio.run(scene())


def test_a_fault_of_one_session_is_1011_for_its_client_and_nobody_else(redis_url: str) -> None:
    class Broken(Doorkeeper):
        async def authenticate(self, credentials: Credentials) -> Principal:
            if credentials.token == "boom":
                raise ZeroDivisionError
            return await super().authenticate(credentials)

    async def scene() -> None:
        async with serving(redis_url, Broken()) as stage, stage.client() as good, stage.client() as client:
            await good.send({"action": "auth", "token": "t"})
            await client.send({"action": "auth", "token": "boom"})
            assert await client.closed() == (1011, [])
            assert (await good.frame())[0]["msg"] == "authenticated"

    with pytest.raises(AssertionError, match="Error handling request"):  # it is logged
        play(scene)


def test_without_redis_the_gateway_serves_and_is_not_ready(redis_url: str) -> None:
    assert redis_url

    async def scene() -> None:
        gateway = Gateway(Values(redis=Redis(url="redis://127.0.0.1:1/0"), gateway=GatewayKnobs(port=0)))
        assert gateway.not_ready() == "the bus is not connected"
        await gateway.start()
        stop = asyncio.Event()
        running = asyncio.create_task(gateway.run(stop))
        url = f"http://127.0.0.1:{gateway.port}/v2/sim/symbols"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, 503)
        assert gateway.not_ready() == "the bus is not connected"
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await running

    play(scene)


def test_a_port_that_is_taken_is_an_oserror(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            other = Gateway(Values(gateway=GatewayKnobs(port=stage.gateway.port)))
            with pytest.raises(OSError, match="in use"):
                await other.start()
            await other.close()

    play(scene)
