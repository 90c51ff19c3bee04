"""The whole service in its own processes: each answers by itself, and one that is killed is missed and comes back."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from feed.bus.answer import METRICS, Answer
from feed.bus.embedded import EmbeddedServer
from feed.bus.inquiries import Inquirer
from feed.settings import Redis
from tests.integration.service import running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers share a port as only Linux does it")

PATIENCE_S = 30.0
EVERYONE = ["gateway parent", "gateway worker 1", "gateway worker 2", "ingest sim"]


@pytest.fixture
def redis() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Inquirer]:
    inquirer = Inquirer(Redis(url=url))
    try:
        yield inquirer
    finally:
        await inquirer.close()


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Waits for a condition, with a deadline."""
    async with asyncio.timeout(PATIENCE_S):
        while not await true():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.1)


async def everyone(inquirer: Inquirer) -> dict[str, Answer]:
    """All processes of the service by their roles, as soon as all have answered."""
    by_role: dict[str, Answer] = {}

    async def all_answered() -> bool:
        by_role.clear()
        by_role.update({answer.who.role: answer for answer in (await inquirer.ask(METRICS)).values()})
        return sorted(by_role) == EVERYONE

    await until(all_answered)
    return by_role


async def an_operator_sees_everyone(address: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{address}/operator/metrics") as answer:
        assert answer.status == 200
        return sorted(process["role"] for process in (await answer.json())["processes"]) == EVERYONE


def test_each_process_answers_by_itself_and_a_worker_that_was_killed_comes_back(redis: EmbeddedServer) -> None:
    async def main(address: str) -> None:
        async with asking(redis.url) as inquirer:
            first = await everyone(inquirer)
            assert len({answer.who.name for answer in first.values()}) == len(EVERYONE)
            assert all(answer.data["families"] for answer in first.values())
            await until(lambda: an_operator_sees_everyone(address))
            killed = first["gateway worker 1"].who.name
            os.kill(int(killed.rpartition("-")[2]), signal.SIGKILL)

            async def another() -> bool:
                return (await everyone(inquirer))["gateway worker 1"].who.name != killed

            await until(another)

    with (
        running("listening", "gateway", "--workers", "2", "--port", "0", "--admin-port", "0", "--redis", redis.url,
                "--feeds", "sim") as gateway,
        running("publishing", "ingest", "sim", "--admin-port", "0", "--redis", redis.url),
    ):  # fmt: skip
        asyncio.run(main(gateway.url("http")))
