"""Depth two over real connections: gaps, epochs, wildcards, and what all clients see alike."""

import asyncio
from typing import Any

import pytest

from feed.core.ticks import BARS_1S
from tests.gateway.gateway_stage import (
    BOTH,
    START,
    Client,
    bar,
    play,
    quote,
    serving,
)

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@BOTH
def test_a_gap_in_the_log_is_told_in_its_place(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client, stage.client() as plain:
            await client.subscribe(trades=["A"])
            await plain.subscribe(trades=["A"])
            stage.trade("A", id=1)
            stage.trade("A", id=5)
            first, gap, second = await client.some(3)
            epoch = gap["epoch"]
            assert gap == {
                "T": "gap", "stream": "trades:A", "epoch": epoch, "from": 2, "to": 2,
                "next": {"epoch": epoch, "seq": 3}, "cause": "venue", "q": 2, "ids": [2, 4],
            }  # fmt: skip
            assert (first["q"], second["q"], second["i"]) == (1, 3, 5)
            assert [message["i"] for message in await plain.some(2, skip=())] == [1, 5]

    play(scene)


@BOTH
def test_a_wildcard_covers_what_is_there_and_what_comes(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            stage.trade("A")
            stage.offer(quote("A"))
            await stage.published()
            answer = await client.subscribe(trades=["*"])
            assert answer["streams"].keys() == {"trades:A"}
            stage.trade("A")
            stage.trade("NEW")
            stage.offer(quote("NEW"))
            stage.trade("NEW")
            messages = await client.some(3)
            assert sorted((message["S"], message["q"]) for message in messages) == [("A", 2), ("NEW", 1), ("NEW", 2)]

    play(scene)


def test_a_streams_first_epoch_is_announced_before_its_first_tick(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            assert (await client.subscribe(trades=["A"]))["streams"] == {"trades:A": START}
            stage.trade("A")
            (first, *_) = await client.frame()
            async with stage.client(2) as late:
                epoch = (await late.subscribe(trades=["A"]))["streams"]["trades:A"]["epoch"]
            assert first == {"T": "epoch", "stream": "trades:A", "epoch": epoch, "seq": 1}
            stage.trade("A")
            await client.some(1)
            assert not client.epochs, "once"

    play(scene)


def test_an_unknown_symbol_is_silent_until_it_trades(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            assert (await client.subscribe(trades=["LATER"]))["streams"] == {"trades:LATER": START}
            stage.trade("OTHER")
            stage.trade("LATER")
            assert [(message["S"], message["q"]) for message in await client.some(1)] == [("LATER", 1)]

    play(scene)


@BOTH
def test_second_bars_say_that_they_are(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as client:
            await client.subscribe(bars=["A"], bars1s=["A"])
            stage.offer(bar("A"))
            stage.offer(bar("A", kind=BARS_1S))
            messages = await client.some(2)
            assert sorted(message.get("kind", "") for message in messages) == ["", "bars1s"]

    play(scene)


def test_many_clients_in_all_forms_see_the_same_stream(redis_url: str) -> None:
    async def reader(client: Client, count: int, seen: list[Any]) -> None:
        seen += [(message["S"], message["i"], message["p"]) for message in await client.some(count)]

    async def scene() -> None:
        async with serving(redis_url) as stage:
            async with (
                stage.client() as one, stage.client(packed=True) as two, stage.client(2) as three,
                stage.client(2, True) as four, stage.client(2, True) as five,
            ):  # fmt: skip
                clients = [one, two, three, four, five]
                for client in clients[:4]:
                    await client.subscribe(trades=["A", "B"])
                await five.subscribe(trades=["*"], stamps=True)
                seen: list[list[Any]] = [[] for _ in clients]
                async with asyncio.TaskGroup() as group:
                    for client, own in zip(clients, seen, strict=True):
                        group.create_task(reader(client, 600, own))
                    for n in range(300):
                        stage.trade("A", price=n + 0.5)
                        stage.trade("B", price=n + 0.25)
                        if n % 7 == 0:
                            await asyncio.sleep(0)
                for own in seen:
                    for symbol in "AB":
                        numbers = [number for name, number, _ in own if name == symbol]
                        assert numbers == list(range(1, 301))
                assert all(sorted(own) == sorted(seen[0]) for own in seen)
            await stage.gone()

    play(scene)
