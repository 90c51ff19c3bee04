import asyncio
import json
import socket

import pytest

from feed.client import client as module
from feed.client.client import Client
from feed.client.errors import Refused
from feed.client.events import (
    Connected,
    Gap,
    Lost,
    NewEpoch,
    Subscribed,
)
from feed.core.streams import Position
from tests.client.reading import DEADLINE_S, all_until, kinds, one, prices, reading, until, updates, url
from tests.fakes.gateway import FakeGateway

STREAM = "trades:AAPL"


def test_comes_back_after_a_loss_and_misses_nothing() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client([url(gateway)]) as client:
            await client.subscribe(trades=["AAPL"])
            for price, lose in ((1, gateway.cut), (2, gateway.cut), (3, None)):
                await gateway.trade("AAPL", price)
                assert prices(await updates(client, 1)) == [price]
                if lose:
                    lose()
                    await until(lambda: not gateway.clients)
                    await gateway.trade("AAPL", price + 0.5)
                    assert prices(await updates(client, 1)) == [price + 0.5]
            assert gateway.connections == 3
            assert client.positions == {STREAM: Position("e1", 5)}

    asyncio.run(main())


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4005, 4008, 4029, 4499])
def test_reconnects_after_a_close_that_asks_for_it(code: int) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client([url(gateway)]) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.close(code, "why")
            lost = await one(client, Lost)
            assert (lost.why, lost.code) == (f"closed with {code} why", code)
            assert 0 <= lost.delay_s <= (module.DRAINED_S if code == 1012 else module.RETRY_MIN_S)
            await one(client, Connected)

    asyncio.run(main())


@pytest.mark.parametrize("code", [4500, 4501, 4503, 4506, 1009])
def test_gives_up_after_a_close_for_good(code: int) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client([url(gateway)] * 2) as client:
            await client.subscribe(trades=["AAPL"])
            await gateway.close(code, "no")
            for _ in range(2):  # and it stays so
                with pytest.raises(Refused, match=f"the gateway closed with {code} no") as caught:
                    await one(client, Lost)
                assert caught.value.code == code
            with pytest.raises(Refused):
                await client.subscribe(trades=["MSFT"])
            assert gateway.connections == 1

    asyncio.run(main())


def test_delays_grow_with_failures_in_a_row_and_a_drain_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.random, "random", lambda: 1.0)
    monkeypatch.setattr(module, "RETRY_MIN_S", 0.01)
    monkeypatch.setattr(module, "RETRY_MAX_S", 0.05)
    monkeypatch.setattr(module, "DRAINED_S", 0.002)

    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client([url(gateway)]) as client:
            await client.subscribe(trades=["AAPL"])
            delays = []
            for code in (1012, 1012, 1001, 1001, 1012):
                await gateway.close(code)
                delays.append((await one(client, Lost)).delay_s)
                await one(client, Subscribed)
            # one that drains whoever comes must not be asked ever faster
            assert delays == [0.002, 0.02, 0.04, 0.05, 0.05]
            monkeypatch.setattr(module, "STEADY_S", -1.0)
            await gateway.close(1012)
            assert (await one(client, Lost)).delay_s == 0.002

    asyncio.run(main())


def test_after_a_loss_the_next_gateway_is_tried() -> None:
    async def main() -> None:
        async with (
            FakeGateway(["AAPL"]).serve() as first,
            FakeGateway(["AAPL"]).serve() as second,
            Client([url(first), url(second)]) as client,
        ):
            await client.subscribe(trades=["AAPL"])
            for gateway in (first, second):
                await gateway.trade("AAPL", 1)
            assert [update.seq for update in await updates(client, 1)] == [1]
            await second.trade("AAPL", 2)
            await first.close(1012)
            assert (await one(client, Connected)).url == f"ws://127.0.0.1:{second.port}/v2/sim"
            assert [update.seq for update in await updates(client, 1)] == [2]
            await second.close(1012)
            assert (await one(client, Connected)).url == f"ws://127.0.0.1:{first.port}/v2/sim"

    asyncio.run(main())


def test_another_client_goes_on_where_one_ended() -> None:
    async def main() -> None:
        first, second = FakeGateway(["AAPL"]), FakeGateway(["AAPL"])
        second.log = first.log  # two gateways of one bus
        async with first.serve(), second.serve():
            async with Client(url(first)) as client:
                await client.subscribe(trades=["AAPL"], quotes=["*"])
                await first.trade("AAPL", 1)
                await first.quote("MSFT", 1, 2)
                await updates(client, 2)
                saved = json.dumps(client.positions)
            await first.trade("AAPL", 2)
            await first.quote("MSFT", 2, 3)
            async with Client(url(second), positions=json.loads(saved)) as client:
                granted = await client.subscribe(trades=["AAPL"], quotes=["*"])
                assert {stream: state.recovered for stream, state in granted.items()} == {
                    STREAM: True,
                    "quotes:MSFT": True,
                }
                events = await updates(client, 2)
                assert sorted((event.stream, event.seq) for event in events) == [("quotes:MSFT", 2), (STREAM, 2)]

    asyncio.run(main())


def test_what_history_has_no_more_is_a_gap_and_the_last_tick() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"], snapshot=True)
            await gateway.trade("AAPL", 1)
            await updates(client, 1)
            gateway.cut()
            await until(lambda: not gateway.clients)
            for price in (2, 3, 4):
                await gateway.trade("AAPL", price)
            gateway.forgotten = 2
            assert await one(client, Gap) == Gap(STREAM, "e1", 2, 3, Position("e1", 4), "history")
            await gateway.trade("AAPL", 5)
            assert [(event.seq, event.snapshot) for event in await updates(client, 2)] == [(4, True), (5, False)]

    asyncio.run(main())


def test_streams_of_a_wildcard_that_came_later_are_resumed_too() -> None:
    async def main() -> None:
        async with FakeGateway([]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["*"])
            await gateway.trade("NEW", 1)
            assert await one(client, NewEpoch) == NewEpoch("trades:NEW", "e1", 1)
            await updates(client, 1)
            gateway.cut()
            await until(lambda: not gateway.clients)
            await gateway.trade("NEW", 2)
            assert prices(await updates(client, 1)) == [2]
            assert gateway.commands[-1]["since"] == {"trades:NEW": {"epoch": "e1", "seq": 1}}

    asyncio.run(main())


def test_very_many_streams_resume_in_commands_that_the_gateway_takes() -> None:
    async def main() -> None:
        gateway = FakeGateway([])
        symbols = [f"{'S' * 55}{number}" for number in range(1200)]
        for symbol in symbols:
            await gateway.trade(symbol, 1)
        async with gateway.serve(), Client(url(gateway), encoding="json") as client:
            await client.subscribe(trades=["*"], bars=symbols)
            gateway.cut()
            await until(lambda: not gateway.clients)
            for symbol in symbols:
                await gateway.trade(symbol, 2)
            wanted = {"trades:*", *(f"bars:{name}" for name in symbols)}
            async with reading(client) as events:
                await until(lambda: len(prices(events)) == 1200 and gateway.clients[0].streams == wanted)
            assert set(prices(events)) == {2}
            assert "Fault" not in kinds(events)

    asyncio.run(main())


@pytest.mark.parametrize(("code", "back"), [(500, True), (429, True), (405, False), (400, False)])
def test_a_gateway_that_will_not_resume(code: int, back: bool) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            gateway.errors.append(lambda asked: {"code": code, "msg": "no", "id": asked["id"]})
            gateway.cut()
            await one(client, Lost)
            if back:
                assert (await one(client, Lost)).why == f"cannot resume: {code} no"
                assert STREAM in (await one(client, Subscribed)).streams
            else:
                with pytest.raises(Refused, match=f"cannot resume: {code} no"):
                    await one(client, Subscribed)

    asyncio.run(main())


def test_a_connection_that_is_lost_while_subscribing_loses_nothing_unread() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway, Client(url(gateway)) as client:
            await client.subscribe(trades=["AAPL"])
            for price in (1, 2):
                await gateway.trade("AAPL", price)
            assert prices(await updates(client, 1)) == [1]
            gateway.mute = True
            subscribing = asyncio.create_task(client.subscribe(trades=["MSFT"]))
            await until(lambda: len(gateway.commands) == 2)
            await gateway.trade("AAPL", 3)  # read, and not given before the loss
            gateway.mute = False
            gateway.cut()
            await asyncio.wait_for(subscribing, DEADLINE_S)
            assert gateway.connections == 2
            await gateway.trade("AAPL", 4)
            events = await all_until(client, lambda event: prices([event]) == [4])
            assert prices(events) == [2, 3, 4]
            assert "Fault" not in kinds(events)

    asyncio.run(main())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_gateways_that_were_never_there_are_no_reason_to_wait() -> None:
    async def main() -> None:
        ports = [free_port(), free_port()]
        async with Client([f"127.0.0.1:{port}/v2/sim" for port in ports]) as client:
            with pytest.raises(Refused, match=f"cannot connect to 127.0.0.1:{ports[1]}: connection refused"):
                await asyncio.wait_for(client.subscribe(trades=["AAPL"]), DEADLINE_S)

    asyncio.run(main())


def test_one_gateway_of_several_is_enough() -> None:
    async def main() -> None:
        gateway = FakeGateway(["AAPL"])
        async with gateway.serve(), Client([f"127.0.0.1:{free_port()}/v2/sim", url(gateway)]) as client:
            await client.subscribe(trades=["AAPL"])
            first = await anext(client)
            assert isinstance(first, Lost)
            assert first.delay_s == 0

    asyncio.run(main())


def test_a_patient_client_waits_for_its_first_gateway() -> None:
    async def main() -> None:
        gateway = FakeGateway(["AAPL"])
        gateway.port = free_port()
        async with Client(url(gateway), patient=True) as client:
            assert "connection refused" in (await one(client, Lost)).why
            async with gateway.serve():
                await client.subscribe(trades=["AAPL"])

    asyncio.run(main())


def test_waits_for_a_gateway_that_was_there_before() -> None:
    async def main() -> None:
        gateway = FakeGateway(["AAPL"])
        async with Client(url_of_later(gateway)) as client:
            async with gateway.serve():
                await client.subscribe(trades=["AAPL"])
            await all_until(client, lambda event: isinstance(event, Lost) and "connection refused" in event.why)
            async with gateway.serve():  # on the same port
                await one(client, Subscribed)

    asyncio.run(main())


def url_of_later(gateway: FakeGateway) -> str:
    gateway.port = free_port()
    return url(gateway)
