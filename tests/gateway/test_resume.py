"""`since`: what was missed comes first, from tail or log, then what is live; or a gap says what does not come."""

import asyncio
from typing import Any

import pytest

from feed.core.streams import Position
from tests.gateway.gateway_stage import BOTH, Client, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
KEY = "trades:BTC/USDT"


def since(at: Position | dict[str, Any]) -> dict[str, Any]:
    if isinstance(at, Position):
        at = {"epoch": at.epoch, "seq": at.seq}
    return {KEY: {"epoch": at["epoch"], "seq": at["seq"]}}


async def publish(stage: Stage, count: int) -> None:
    for _ in range(count):
        stage.trade()
    await stage.published()


async def position(client: Client) -> dict[str, Any]:
    answer = await client.subscribe(trades=["BTC/USDT"])
    state: dict[str, Any] = answer["streams"][KEY]
    return state


async def missed(stage: Stage, count: int, before: int = 3) -> dict[str, Any]:
    """Where a client stood that left, after `before` trades and with nobody else there; `count` more came since."""
    async with stage.client(2) as first:
        await publish(stage, before)
        at = await position(first)
    await stage.gone()
    await publish(stage, count)
    return at


@BOTH
def test_what_was_missed_comes_first_from_the_tail(redis_url: str, packed: bool) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2, packed) as keeper:
            await publish(stage, 3)
            at = await position(keeper)
            await publish(stage, 5)
            await keeper.some(5)
            async with stage.client(2, packed) as client:
                answer = await client.subscribe(trades=["BTC/USDT"], since=since(at))
                assert answer["streams"] == {KEY: {"epoch": at["epoch"], "seq": 8, "rate": 0, "recovered": True}}
                await publish(stage, 2)
                assert [message["q"] for message in await client.some(7)] == [4, 5, 6, 7, 8, 9, 10]
                await until(lambda: not stage.hub.members.lanes.all())

    play(scene)


def test_what_was_missed_comes_from_the_log_where_nobody_kept_it(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            at = await missed(stage, 900)
            async with stage.client(2) as client:
                answer = await client.subscribe(trades=["BTC/USDT"], since=since(at))
                assert answer["streams"][KEY]["recovered"] is True
                await publish(stage, 2)
                assert [message["q"] for message in await client.some(902)] == list(range(4, 906))

    play(scene)


def test_what_history_does_not_reach_is_a_gap_and_a_snapshot(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            at = await missed(stage, 3_000)
            async with stage.client(2) as client:
                answer = await client.subscribe(trades=["BTC/USDT"], since=since(at))
                state = answer["streams"][KEY]
                assert (state["recovered"], state["seq"]) == (False, 3_003)
                await publish(stage, 1)
                gap, snap, live = await client.some(3)
                assert (gap["from"], gap["to"], gap["cause"]) == (4, 3_002, "history")
                assert gap["next"] == {"epoch": at["epoch"], "seq": 3_003}
                assert (snap["q"], snap["snap"], live["q"]) == (3_003, True, 3_004)

    play(scene)


def test_a_position_from_before_the_first_tick_is_one_to_resume_from(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            at = await missed(stage, 4, before=0)
            assert at == {"epoch": None, "seq": 0, "rate": 0}
            async with stage.client(2) as client:
                answer = await client.subscribe(trades=["BTC/USDT"], since=since(at))
                assert answer["streams"][KEY]["recovered"] is True
                assert [message["q"] for message in await client.some(4)] == [1, 2, 3, 4]
                assert client.epochs[KEY]["seq"] == 1

    play(scene)


def test_a_position_that_nobody_ever_gave_out_is_not_waited_for(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            await publish(stage, 4)
            at = await position(client)
            ahead = {"epoch": at["epoch"], "seq": 1_000_000}
            answer = await client.subscribe(trades=["BTC/USDT"], since=since(ahead))
            assert answer["streams"][KEY]["recovered"] is False
            await publish(stage, 1)
            gap, snap, live = await client.some(3)
            assert (gap["from"], gap["to"], gap["next"]["seq"]) == (1_000_001, None, 4)
            assert (snap["q"], live["q"]) == (4, 5)

    play(scene)


def test_resuming_again_replays(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            await publish(stage, 2)
            at = await position(client)
            await publish(stage, 3)
            await client.some(3)
            await client.subscribe(trades=["BTC/USDT"], since=since(at))
            assert [message["q"] for message in await client.some(3)] == [3, 4, 5]

    play(scene)


def test_many_who_resume_the_same_read_the_log_once(redis_url: str) -> None:
    from prometheus_client import REGISTRY

    def reads() -> float:
        return REGISTRY.get_sample_value("feed_gateway_log_reads_total") or 0.0

    async def scene() -> None:
        async with serving(redis_url) as stage:
            at = await missed(stage, 50)
            before = reads()

            async def resume(n: int) -> list[int]:
                async with stage.client(2) as client:
                    await client.subscribe(trades=["BTC/USDT"], since=since({"epoch": at["epoch"], "seq": 3 + n % 7}))
                    found = [message["q"] for message in await client.some(50 - n % 7)]
                    assert found == list(range(4 + n % 7, 54))
                    return found

            await asyncio.gather(*(resume(n) for n in range(40)))
            assert reads() - before <= 3

    play(scene)


def test_rates(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as client:
            answer = await client.subscribe(trades=["BTC/USDT"], rate=2)
            assert answer["streams"][KEY]["rate"] == 2
            await publish(stage, 1)
            (first,) = await client.some(1)
            assert "m" not in first
            for n in range(10):
                stage.trade(price=100.0 + n * (-1) ** n, size=0.1)
            await stage.published()
            (second,) = await client.some(1)
            assert (second["q"], second["p"]) == (11, 91.0)
            assert second["m"] == {"n": 10, "q0": 2, "v": 1, "h": 108.0, "l": 91.0}
            answer = await client.subscribe(trades=["BTC/USDT"])
            assert answer["streams"][KEY]["rate"] == 0
            await publish(stage, 3)
            assert [message["q"] for message in await client.some(3)] == [12, 13, 14]

    play(scene)
