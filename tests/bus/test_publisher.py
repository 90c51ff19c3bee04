"""What a publisher has under way: one call a stream, none of which waits for another stream's answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis

from feed.bus import names
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import OWN
from feed.bus.outlet import MAX_CALLS
from feed.bus.publisher import Publisher
from feed.bus.replies import Command, Taker
from feed.bus.topology import Topology
from feed.core.streams import Stream
from feed.settings import Values
from tests.bus.test_flow import A, Bus, flow, trade


class Redis:
    """A link whose answers are given by hand."""

    run_id = "run-1"

    def __init__(self) -> None:
        self.under_way: list[tuple[str, Command, Taker]] = []
        self.reason: BusDown | None = None
        self._asked = asyncio.Event()

    async def call(self, *command: Any) -> bytes:
        return {"SCRIPT": b"sha"}.get(command[0], b"OK")

    async def calls(self, commands: Sequence[Command]) -> list[bytes]:
        return [await self.call(*command) for command in commands]

    async def ask(self, commands: Sequence[Command], takers: Sequence[Taker]) -> None:
        self.check()
        for command, taker in zip(commands, takers, strict=True):
            self.under_way.append((str(command[24]), command, taker))
        self._asked.set()

    def check(self) -> None:
        if self.reason is not None:
            raise self.reason

    def end(self, reason: BusDown) -> None:
        self.reason = reason

    @property
    def channels(self) -> list[str]:
        return [channel for channel, _, _ in self.under_way]

    def answer(self, channel: str, epoch: bytes = b"e") -> None:
        at = self.channels.index(channel)
        _, command, taker = self.under_way.pop(at)
        first = int(command[13]) + 1
        taker([b"OK", epoch, first, first + (len(command) - 25) // 3 - 1, 0, 0])

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10.0):
            while not condition():
                self._asked.clear()
                await self._asked.wait()


@asynccontextmanager
async def serving(**publish: Any) -> AsyncIterator[tuple[Publisher, Redis, "asyncio.Task[None]"]]:
    publisher = Publisher(Values.model_validate({"publish": publish}), "t", frozenset({"trades"}))
    link = Redis()
    publisher.spread(Topology.single(OWN))
    task = asyncio.create_task(publisher.outlet_at(OWN).serve(link))  # type: ignore[arg-type]
    try:
        yield publisher, link, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def channel(symbol: str) -> str:
    return names.channel(Stream("t", "trades", symbol))


def ids(command: Command) -> list[int]:
    return [int(part) for part in command[25::3]]


def test_a_stream_does_not_wait_for_another_and_has_one_call_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed.bus.roll.BEAT_S", 1_000.0)  # which would wake whoever overslept

    async def main() -> None:
        async with serving() as (publisher, link, _):
            publisher.offer(trade("A", 1))
            await link.until(lambda: link.channels == [channel("A")])
            publisher.offer(trade("A", 2))
            publisher.offer(trade("A", 3))
            publisher.offer(trade("B", 1))
            await link.until(lambda: link.channels == [channel("A"), channel("B")])
            publisher.offer(trade("C", 1))
            await link.until(lambda: link.channels == [channel("A"), channel("B"), channel("C")])
            assert [ids(command) for _, command, _ in link.under_way] == [[1], [1], [1]]
            link.answer(channel("B"))
            publisher.offer(trade("B", 2))
            await link.until(lambda: link.channels == [channel("A"), channel("C"), channel("B")])
            assert not await publisher.drain(0.1)  # long enough for all to sleep
            link.answer(channel("A"))
            await link.until(lambda: channel("A") in link.channels)
            assert ids(link.under_way[-1][1]) == [2, 3]
            assert not await publisher.drain(0.1)
            for symbol in "ABC":
                link.answer(channel(symbol))
            assert await publisher.drain(10.0)

    asyncio.run(main())


def test_calls_under_way_are_bounded() -> None:
    async def main() -> None:
        async with serving(window_s=0) as (publisher, link, _):
            for number in range(MAX_CALLS + 2):
                publisher.offer(trade(f"S{number}", 1))
            await link.until(lambda: len(link.under_way) == MAX_CALLS)
            publisher.offer(trade("late", 1))
            link.answer(channel("S7"))
            await link.until(lambda: link.channels[-1] == channel(f"S{MAX_CALLS}"))
            assert len(link.under_way) == MAX_CALLS

    asyncio.run(main())


def test_a_refusal_ends_the_link_and_the_call_goes_again_with_its_number() -> None:
    async def main() -> None:
        async with serving() as (publisher, link, task):
            publisher.offer(trade("A", 1))
            publisher.offer(trade("B", 1))
            await link.until(lambda: len(link.under_way) == 2)
            (_, first, refused), (_, second, _) = link.under_way
            refused(BusRefused("OOM no room"))
            publisher.outlet_at(OWN).wake()  # as a link does at its end
            with pytest.raises(BusDown, match="publish refused: OOM no room"):
                await asyncio.wait_for(task, 10.0)
            again = Redis()
            other = asyncio.create_task(publisher.outlet_at(OWN).serve(again))  # type: ignore[arg-type]
            await again.until(lambda: len(again.under_way) == 2)
            assert [command[8] for _, command, _ in again.under_way] == [first[8], second[8]]
            assert {command[6] for _, command, _ in again.under_way}.isdisjoint({first[6], second[6]}), (
                "nobody knows whether they began an epoch under those names"
            )
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)

    asyncio.run(main())


def test_no_two_epochs_have_one_name(redis_url: str) -> None:
    async def body(bus: Bus) -> None:
        client = redis.Redis.from_url(redis_url)
        epochs = []
        for tick_id in range(1, 5):
            bus.publisher.offer(trade("A", tick_id))
            await bus.drained()
            epochs.append(client.hget(names.meta_key(A), "epoch"))
            client.flushall()
        assert len(set(epochs)) == 4
        client.close()

    flow(redis_url, body)


class LastWords(Redis):
    """Its answer to A is in the socket by the time when a call for B is made, and no write to it may come before."""

    told: list[str]

    @property
    def run_id(self) -> str:  # type: ignore[override]
        if channel("A") in self.channels:
            asyncio.get_running_loop().call_soon(self.answer, channel("A"))
        return "run-1"

    async def ask(self, commands: Sequence[Command], takers: Sequence[Taker]) -> None:
        self.told = self.channels
        await super().ask(commands, takers)


def test_what_redis_said_before_its_end_is_read_before_it_is_written_to() -> None:
    async def main() -> None:
        publisher, link = Publisher(Values(), "t", frozenset({"trades"})), LastWords()
        publisher.spread(Topology.single(OWN))
        task = asyncio.create_task(publisher.outlet_at(OWN).serve(link))  # type: ignore[arg-type]
        publisher.offer(trade("A", 1))
        await link.until(lambda: link.channels == [channel("A")])
        publisher.offer(trade("B", 1))
        await link.until(lambda: channel("B") in link.channels)
        assert link.told == []
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
