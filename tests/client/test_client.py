import asyncio
import contextlib

import pytest

from feed.client import client as module
from feed.client.client import Client
from feed.client.decode import Encoding
from feed.client.errors import CommandError, Unanswered
from feed.client.events import (
    Breach,
    Complaint,
    Event,
    Fault,
    Granted,
    Lost,
    Subscribed,
    Update,
)
from feed.core.streams import Position
from tests.client.reading import DEADLINE_S, all_until, collect, kinds, one, prices, reading, until, updates, url
from tests.fakes.gateway import FakeGateway

STREAM = "trades:AAPL"


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_subscribes_and_gives_values(encoding: Encoding) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway), encoding=encoding) as client:
            await gateway.trade("AAPL", 190)
            granted = await client.subscribe(trades=["AAPL"], snapshot=True, stamps=True)
            assert granted == {STREAM: Granted("e1", 1)}
            await gateway.trade("AAPL", 191)
            events = await all_until(client, lambda event: prices([event]) == [191])
            assert kinds(events) == ["Connected", "Subscribed", "Update", "Update"]
            snapshot, update = [event for event in events if isinstance(event, Update)]
            assert (snapshot.snapshot, snapshot.seq, update.snapshot, update.seq) == (True, 1, False, 2)
            assert update.stamps is not None
            assert update.stamps.ts_out - update.stamps.ts_recv == 900_000
            assert client.positions == {STREAM: Position("e1", 2)}
            assert client.received_bytes > 200
            await client.unsubscribe(trades=["AAPL"])
            assert kinds([await anext(client)]) == ["Unsubscribed"]
            assert client.positions == {}

    asyncio.run(main())


def test_a_loss_that_nobody_named_is_an_event() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.skip("AAPL")
            await gateway.trade("AAPL", 1)
            assert await one(client, Fault) == Fault(Breach.HOLE, STREAM, None, 1, 1)
            assert prices(await updates(client, 1)) == [1]
            await gateway.say({"T": "heartbeat", "t": "2026-11-22T09:05:08Z", "seq": {STREAM: 3}})
            assert (await one(client, Fault)).breach is Breach.BEHIND

    asyncio.run(main())


@pytest.mark.parametrize("code", [400, 405, 410, 500])
def test_a_refused_command_fails_for_its_caller(code: int) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            gateway.errors.append(lambda asked: {"code": code, "msg": "no", "detail": "why", "id": asked["id"]})
            with pytest.raises(CommandError, match=f"{code} no: why") as caught:
                await client.subscribe(trades=["AAPL"])
            assert (caught.value.code, caught.value.detail) == (code, "why")
            await client.subscribe(trades=["MSFT"])
            gateway.cut()
            await one(client, Lost)
            await one(client, Subscribed)
            assert gateway.commands[-1]["trades"] == ["MSFT"]  # what was refused is not wanted

    asyncio.run(main())


def test_an_error_that_answers_nothing_is_an_event() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.say({"T": "error", "code": 407, "msg": "slow client"})
            assert await one(client, Complaint) == Complaint(407, "slow client")

    asyncio.run(main())


def test_many_commands_keep_to_what_the_gateway_takes() -> None:
    async def main() -> None:
        async with FakeGateway([]).serve() as gateway, Client(url(gateway)) as client:
            for number in range(70):
                await client.subscribe(trades=[f"S{number}"])
            assert len(gateway.commands) == 70

    asyncio.run(main())


def test_subscribing_beside_an_iteration() -> None:
    async def main() -> None:
        async with (
            FakeGateway(["AAPL"]).serve() as gateway,
            Client(url(gateway)) as client,
            reading(client) as events,
            asyncio.TaskGroup() as tasks,
        ):
            await client.subscribe(trades=["AAPL"])
            subscribing = [tasks.create_task(client.subscribe(trades=[symbol])) for symbol in "ABCDE"]
            await asyncio.wait(subscribing, timeout=DEADLINE_S)
            assert set(gateway.clients[0].streams) == {STREAM, *(f"trades:{symbol}" for symbol in "ABCDE")}
            await gateway.trade("E", 5)
            await until(lambda: prices(events) == [5])

    asyncio.run(main())


def test_subscribing_within_an_iteration_keeps_the_order_of_events() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            for price in (1, 2, 3):
                await gateway.trade("AAPL", price)
            assert prices(await updates(client, 1)) == [1]
            await client.subscribe(trades=["MSFT"])
            assert client.positions == {STREAM: Position("e1", 1)}
            await gateway.trade("MSFT", 4)
            events = await all_until(client, lambda event: prices([event]) == [4])
            assert kinds(events) == ["Update", "Update", "Subscribed", "NewEpoch", "Update"]

    asyncio.run(main())


def test_what_waits_for_an_answer_is_bounded() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway), max_unread_bytes=5_000) as client:
            await client.subscribe(trades=["AAPL"])
            gateway.mute = True
            for price in range(200):
                await gateway.trade("AAPL", price)
            with pytest.raises(Unanswered, match="bytes came before the answer"):
                await asyncio.wait_for(client.subscribe(trades=["MSFT"]), DEADLINE_S)
            assert prices(await updates(client, 200)) == [*range(200)]

    asyncio.run(main())


def test_a_caller_that_gives_up_waiting_leaves_the_connection_whole() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            for price in range(20):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await one(client, Lost)
                await gateway.trade("AAPL", price)
                assert prices(await updates(client, 1)) == [price]
            assert gateway.connections == 1

    asyncio.run(main())


@pytest.mark.parametrize("last", ["Connected", "Lost"])
def test_closing_ends_an_iteration_elsewhere_even_one_that_waits_to_reconnect(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_MIN_S", 60.0)
    monkeypatch.setattr(module, "RETRY_MAX_S", 60.0)
    monkeypatch.setattr(module.random, "random", lambda: 1.0)

    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            events: list[Event] = []
            ending = asyncio.create_task(collect(client, events))
            await until(lambda: "Connected" in kinds(events))
            if last == "Lost":
                gateway.cut()
                await until(lambda: "Lost" in kinds(events))
            await client.close()
            await asyncio.wait_for(ending, DEADLINE_S)
            assert await anext(client, None) is None

    asyncio.run(main())


def test_is_used_as_a_context_manager_and_once() -> None:
    async def main() -> None:
        client = Client("127.0.0.1:1/v2/sim")
        with pytest.raises(RuntimeError, match="async with"):
            await client.subscribe(trades=["AAPL"])
        async with client:
            with pytest.raises(RuntimeError, match="once"):
                await client.__aenter__()
        with pytest.raises(RuntimeError, match="closed"):
            await client.subscribe(trades=["AAPL"])

    asyncio.run(main())


@pytest.mark.parametrize(
    ("urls", "why"),
    [([], "name at least one gateway"), (["h/v2/a", "h/v2/b"], "of one feed only"), (["h/v1/a"], "the path is not")],
)
def test_says_what_is_wrong_with_its_gateways(urls: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Client(urls)


@pytest.mark.parametrize("symbols", ["AAPL", ["a b"], [""], ["X" * 65]])
def test_says_what_is_no_symbol(symbols: list[str]) -> None:
    async def main() -> None:
        async with Client("127.0.0.1:1/v2/sim") as client:
            with pytest.raises(ValueError, match="quotes: "):
                await client.subscribe(quotes=symbols)

    asyncio.run(main())
