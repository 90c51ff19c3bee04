"""The connection itself, partly against the `websockets` package as another's server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from feed.client import connection as module
from feed.client.client import Client
from feed.client.errors import Refused
from feed.client.events import Connected, Lost, Subscribed
from tests.client.reading import DEADLINE_S, one, prices, until, updates, url
from tests.fakes.gateway import FakeGateway

Serving = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def another(serving: Serving, subprotocol: str = "feed.v1.msgpack") -> AsyncIterator[str]:
    """Another's server; its address."""

    async def guarded(connection: ServerConnection) -> None:
        try:
            await serving(connection)
        except ConnectionClosed:
            return

    async with serve(guarded, "127.0.0.1", 0, subprotocols=[subprotocol], compression=None) as server:  # type: ignore[list-item]
        host, port = next(iter(server.sockets)).getsockname()
        yield f"ws://{host}:{port}/v2/sim"


async def take(connection: ServerConnection) -> None:
    """Answers one subscription to trades."""
    command = msgpack.unpackb(await connection.recv())
    streams = {f"trades:{symbol}": {"epoch": "e1", "seq": 0, "rate": 0} for symbol in command["trades"]}
    await connection.send(msgpack.packb([{"T": "subscription", "id": command["id"], "streams": streams}]))


def trade(seq: int, **more: Any) -> dict[str, Any]:
    fields = {
        "T": "t",
        "S": "AAPL",
        "x": "V",
        "p": float(seq),
        "s": 5,
        "c": [],
        "z": "",
        "t": msgpack.Timestamp(0),
        "q": seq,
    }
    return fields | more


def test_a_consumer_that_is_slow_is_slow_to_the_gateway_and_holds_little() -> None:
    sent, stuck = 0, asyncio.Event()
    long = "." * 2_000  # so that few messages fill the sockets' buffers

    async def serving(connection: ServerConnection) -> None:
        nonlocal sent
        await take(connection)
        while True:
            frame = msgpack.packb([trade(seq, x=long) for seq in range(sent + 1, sent + 21)])
            sending = asyncio.create_task(connection.send(frame))
            if not (await asyncio.wait([sending], timeout=0.3))[0]:
                stuck.set()
            await sending
            sent += 20

    async def main() -> None:
        async with another(serving) as address, Client(address) as client:
            await client.subscribe(trades=["AAPL"])
            assert prices(await updates(client, 1)) == [1]
            await asyncio.wait_for(stuck.wait(), DEADLINE_S)
            # what is under way is in the buffers of sockets: of what was sent the client has taken next to nothing
            assert client.received_bytes < 100_000
            before = sent
            assert 20 <= before < 40_000
            assert prices(await updates(client, before + 40)) == [*range(2, before + 42)]

    asyncio.run(main())


def test_a_consumer_that_is_busy_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PONG_S", 0.02)

    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            await until(lambda: gateway.clients[0].pongs > 3)  # and nobody iterates
            gateway.cut()
            await one(client, Lost)
            await one(client, Subscribed)
            await until(lambda: gateway.clients[0].pongs > 3)
            assert pongers() == 1
        assert pongers() == 0

    def pongers() -> int:
        return sum(task.get_name() == "feed.client pong" for task in asyncio.all_tasks())

    asyncio.run(main())


def test_pings_are_answered_while_iterating() -> None:
    ponged = asyncio.Event()

    async def serving(connection: ServerConnection) -> None:
        await take(connection)
        await (await connection.ping())
        ponged.set()
        await connection.send(msgpack.packb([trade(1)]))
        await connection.wait_closed()

    async def main() -> None:
        async with another(serving) as address, Client(address) as client:
            await client.subscribe(trades=["AAPL"])
            await updates(client, 1)
            assert ponged.is_set()

    asyncio.run(main())


def test_a_gateway_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.1)
    monkeypatch.setattr(module, "TIMEOUT", module.aiohttp.ClientWSTimeout(ws_receive=0.1, ws_close=0.1))

    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            assert (await one(client, Lost)).why.startswith("silent for ")

    asyncio.run(main())


@pytest.mark.parametrize(
    "frame", [b"\xc1", msgpack.packb([{"T": "t", "S": "AAPL", "q": 1}]), msgpack.packb({"T": "t"}), "not binary"]
)
def test_a_gateway_that_sends_what_is_no_message_is_left(frame: bytes | str) -> None:
    connections = 0

    async def serving(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await take(connection)
        await connection.send(frame if connections == 1 else msgpack.packb([trade(1)]))
        await connection.wait_closed()

    async def main() -> None:
        async with another(serving) as address, Client(address) as client:
            await client.subscribe(trades=["AAPL"])
            assert (await one(client, Lost)).why.startswith(("not a frame of msgpack", "a message that can't be read"))
            assert prices(await updates(client, 1)) == [1]

    asyncio.run(main())


def test_a_connection_that_breaks_off_is_lost() -> None:
    async def serving(connection: ServerConnection) -> None:
        await take(connection)
        connection.transport.abort()

    async def main() -> None:
        async with another(serving) as address, Client(address) as client:
            await client.subscribe(trades=["AAPL"])
            lost = await one(client, Lost)
            assert (lost.why, lost.code) == ("cut off", 1006)
            assert (await one(client, Connected)).url == address

    asyncio.run(main())


def test_who_closes_and_is_gone_at_once_is_heard_nevertheless() -> None:
    asked = asyncio.Event()

    async def serving(connection: ServerConnection) -> None:
        await take(connection)
        await asked.wait()
        connection.transport.write(b"\x88\x02" + (1012).to_bytes(2))
        connection.transport.close()

    async def main() -> None:
        async with another(serving) as address, Client(address) as client:
            await client.subscribe(trades=["AAPL"])
            assert client._connection is not None
            ws = client._connection._ws
            asked.set()
            await until(lambda: ws.get_extra_info("peername") is None)  # nobody is left to answer
            lost = await one(client, Lost)
            assert (lost.why, lost.code) == ("closed with 1012", 1012)

    asyncio.run(main())


def test_headers_go_into_the_handshake() -> None:
    seen: list[str] = []

    async def serving(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers["Authorization"])
        await take(connection)

    async def main() -> None:
        async with another(serving) as address, Client(address, headers={"Authorization": "Bearer x"}) as client:
            await client.subscribe(trades=["AAPL"])
        assert seen == ["Bearer x"]

    asyncio.run(main())


def refusal(address: str) -> str:
    async def main() -> str:
        async with Client(address) as client:
            with pytest.raises(Refused) as caught:
                await asyncio.wait_for(client.subscribe(trades=["AAPL"]), DEADLINE_S)
            return str(caught.value)

    return asyncio.run(main())


def test_a_host_without_an_address_is_named() -> None:
    assert refusal("no.such.host.invalid/v2/sim").startswith("cannot connect to no.such.host.invalid: ")


@pytest.mark.parametrize(("feed", "why"), [("nope", "no feed 'nope' at "), ("sim", "takes no more connections now")])
def test_a_refused_handshake_is_explained(feed: str, why: str) -> None:
    gateway = FakeGateway(["AAPL"])
    gateway.refuse = True
    with gateway.in_thread():
        assert why in refusal(url(gateway, feed))


def test_a_server_of_another_protocol_is_refused() -> None:
    gateway = FakeGateway(["AAPL"])
    gateway.subprotocols = ("feed.v1.json",)
    with gateway.in_thread():
        assert refusal(url(gateway)).endswith("does not speak feed.v1.msgpack")


def test_a_server_that_never_answers_the_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.1)

    async def main(port: int) -> None:
        async with Client(f"127.0.0.1:{port}/v2/sim") as client:
            with pytest.raises(Refused, match="no answer in "):
                await asyncio.wait_for(client.subscribe(trades=["AAPL"]), DEADLINE_S)

    with socket.create_server(("127.0.0.1", 0)) as server:
        asyncio.run(main(server.getsockname()[1]))
