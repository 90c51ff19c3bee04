import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from feed.client.address import Address, parse_address
from feed.client.stream import Refused, follow
from tests.fakes.gateway import FakeGateway

SUBSCRIBE = {"action": "subscribe", "id": 1, "trades": ["AAPL"], "snapshot": True, "stamps": True}


class Heard:
    """A reader that remembers, and lets a test wait for what it hears."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    def connecting(self) -> None:
        self._tell("connecting")

    def connected(self) -> None:
        self._tell("connected")

    def lost(self, why: str, delay_s: float) -> None:
        assert delay_s >= 0
        self._tell(why)

    def frame(self, messages: Sequence[dict[str, Any]], size: int) -> None:
        assert size > 0
        self.messages += messages
        self._news.set()

    def _tell(self, what: str) -> None:
        self.told.append(what)
        self._news.set()

    async def until(self, condition: Callable[["Heard"], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    def types(self) -> list[str]:
        return [message["T"] for message in self.messages]


@contextlib.asynccontextmanager
async def following(gateway: FakeGateway) -> AsyncIterator[tuple[Heard, "asyncio.Task[None]"]]:
    heard = Heard()
    task = asyncio.create_task(follow(parse_address(f"{gateway.url}/v2/sim"), SUBSCRIBE, heard))
    try:
        yield heard, task
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_subscribes_and_hands_on_what_comes() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            await gateway.trade("AAPL", 190)
            async with following(gateway) as (heard, _):
                await heard.until(lambda heard: "t" in heard.types())
                await gateway.trade("AAPL", 191)
                await heard.until(lambda heard: heard.types().count("t") == 2)
                assert heard.told == ["connecting", "connected"]
                assert heard.types() == ["success", "subscription", "t", "t"]
                assert [message["q"] for message in heard.messages if message["T"] == "t"] == [1, 2]
                assert isinstance(heard.messages[-1]["t"], int)
                assert gateway.commands == [SUBSCRIBE]

    asyncio.run(main())


def test_comes_back_after_a_close_that_asks_for_it() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, following(gateway) as (heard, _):
            await heard.until(lambda heard: "subscription" in heard.types())
            await gateway.close(1012, "drain")
            await heard.until(lambda heard: heard.types().count("subscription") == 2)
            assert heard.told == ["connecting", "connected", "closed with 1012 drain", "connecting", "connected"]

    asyncio.run(main())


def test_waits_for_a_gateway_that_was_there_before() -> None:
    async def main() -> None:
        gateway = FakeGateway(["AAPL"])
        async with contextlib.AsyncExitStack() as stack:
            async with gateway.serve():
                heard, _ = await stack.enter_async_context(following(gateway))
                await heard.until(lambda heard: "subscription" in heard.types())
            await heard.until(lambda heard: any("connection refused" in told for told in heard.told))
            async with gateway.serve():  # on the same port
                await heard.until(lambda heard: heard.types().count("subscription") == 2)

    asyncio.run(main())


@pytest.mark.parametrize("code", [4503, 4501, 4506, 1009])
def test_gives_up_after_a_close_for_good(code: int) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, following(gateway) as (heard, task):
            await heard.until(lambda heard: "subscription" in heard.types())
            await gateway.close(code, "no")
            with pytest.raises(Refused, match=f"the gateway closed with {code} no"):
                await asyncio.wait_for(task, 10)

    asyncio.run(main())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def refusal(address: Address) -> str:
    async def main() -> str:
        with pytest.raises(Refused) as caught:
            await asyncio.wait_for(follow(address, SUBSCRIBE, Heard()), 10)
        return str(caught.value)

    return asyncio.run(main())


def test_a_gateway_that_was_never_there_is_no_reason_to_wait() -> None:
    port = free_port()
    assert (
        refusal(parse_address(f"127.0.0.1:{port}/v2/sim")) == f"cannot connect to 127.0.0.1:{port}: connection refused"
    )


def test_a_host_without_an_address_is_named() -> None:
    assert refusal(parse_address("no.such.host.invalid/v2/sim")).startswith("cannot connect to no.such.host.invalid: ")


@pytest.mark.parametrize(("feed", "why"), [("nope", "no feed 'nope' at "), ("sim", "takes no more connections now")])
def test_a_refused_handshake_is_explained(feed: str, why: str) -> None:
    gateway = FakeGateway(["AAPL"])
    gateway.refuse = True
    with gateway.in_thread():
        assert why in refusal(parse_address(f"{gateway.url}/v2/{feed}"))


def test_a_server_of_another_protocol_is_refused() -> None:
    gateway = FakeGateway(["AAPL"])
    gateway.subprotocols = ("feed.v1.json",)
    with gateway.in_thread():
        assert refusal(parse_address(f"{gateway.url}/v2/sim")).endswith("does not speak feed.v1.msgpack")
