"""Connections counted over several processes: never too many, never below none, and none that a death leaves behind."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from feed.bus import leases as module
from feed.bus import names
from feed.bus.embedded import EmbeddedServer, ask
from feed.bus.leases import BATCH, Leases
from feed.lifecycle import dies_with_parent
from feed.settings import Redis

WHO = "fk_aaaabbbbccccdddd"


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.0)


async def until(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(20.0):
            while not condition():  # noqa: ASYNC110 - Redis' keys set no event
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never: {what}") from None


@asynccontextmanager
async def running(url: str, name: str) -> AsyncIterator[Leases]:
    leases = Leases(Redis(url=url, timeout_s=1.0), name)
    task = asyncio.create_task(leases.run())
    try:
        await until(lambda: not leases.alone, "connected")
        yield leases
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await leases.close()


def held(url: str, who: str = WHO) -> dict[str, int]:
    """What Redis has: connections by process."""
    client = redis.Redis.from_url(url)
    try:
        return {name.decode(): int(value.split()[0]) for name, value in client.hgetall(names.lease_key(who)).items()}
    finally:
        client.close()


def test_the_limit_is_that_of_all_processes(redis_url: str) -> None:
    async def main() -> None:
        async with running(redis_url, "a") as a, running(redis_url, "b") as b:
            assert [await one.take(WHO, 3) for one in (a, b, a, b, a)] == [True, True, True, False, False]
            assert held(redis_url) == {"a": 2, "b": 1}
            assert await b.take("another", 1)
            a.give(WHO)
            await until(lambda: held(redis_url) == {"a": 1, "b": 1}, "the end of a connection")
            assert await b.take(WHO, 3)
        assert held(redis_url) == held(redis_url, "another") == {}

    asyncio.run(main())


def test_who_moves_to_another_process_may_come_before_its_end_is_told(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 1.0)

    async def main() -> None:
        async with running(redis_url, "a") as a, running(redis_url, "b") as b:
            assert await a.take(WHO, 1)
            moves = [asyncio.create_task(b.take(WHO, 1)) for _ in range(5)]
            await asyncio.sleep(0)
            a.give(WHO)
            assert (await asyncio.gather(*moves)).count(True) == 1
            assert (a.count(WHO), b.count(WHO)) == (0, 1)

    asyncio.run(main())


def test_many_at_once_get_no_more_than_there_is(redis_url: str) -> None:
    async def main() -> None:
        async with running(redis_url, "a") as a, running(redis_url, "b") as b:
            taken = await asyncio.gather(*(one.take(WHO, 25) for one in (a, b) * 30))
            assert taken.count(True) == 25 == a.count(WHO) + b.count(WHO)
            await until(lambda: held(redis_url) == {"a": a.count(WHO), "b": b.count(WHO)}, "both counts in Redis")

    asyncio.run(main())


def test_who_goes_while_asking_leaves_nothing(redis_url: str) -> None:
    async def main() -> None:
        async with running(redis_url, "a") as a:
            asking = [asyncio.create_task(a.take(WHO, 9)) for _ in range(5)]
            await asyncio.sleep(0)
            for task in asking[:3]:
                task.cancel()
            done = await asyncio.gather(*asking, return_exceptions=True)
            assert done[3:] == [True, True]
            assert a.count(WHO) == 2
            await until(lambda: held(redis_url) == {"a": 2}, "what stayed")

    asyncio.run(main())


def test_none_is_fewer_than_no_connections() -> None:
    leases = Leases(Redis(), "a")
    with pytest.raises(ValueError, match="has no connection that could end"):
        leases.give(WHO)


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["take", "give"]), st.sampled_from("xy")), max_size=40
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_three_processes_count_as_one_would(redis_url: str, steps: list[tuple[str, str, str]]) -> None:
    """Against a model: a plain count of each principal over all processes, of which the limit is 4."""

    async def main() -> None:
        client = redis.Redis.from_url(redis_url)
        client.flushall()
        model: Counter[tuple[str, str]] = Counter()
        async with running(redis_url, "a") as a, running(redis_url, "b") as b, running(redis_url, "c") as c:
            processes = {"a": a, "b": b, "c": c}
            for name, step, who in steps:
                everywhere = sum(count for (_, whose), count in model.items() if whose == who)
                if step == "take":
                    assert await processes[name].take(who, 4) is (everywhere < 4)
                    model[name, who] += everywhere < 4
                elif model[name, who]:
                    processes[name].give(who)
                    model[name, who] -= 1
                    await until(partial(_said, model, who), "the end of a connection")
                assert {key: processes[key[0]].count(key[1]) for key in model} == model
        assert client.keys("*") == []
        client.close()

    def _said(model: Counter[tuple[str, str]], who: str) -> bool:
        return held(redis_url, who) == {name: count for (name, whose), count in model.items() if whose == who and count}

    asyncio.run(main())


HOLDER = """
import asyncio, sys
from feed.bus.leases import Leases
from feed.settings import Redis

async def main():
    leases = Leases(Redis(url=sys.argv[1]), "doomed")
    task = asyncio.create_task(leases.run())
    while leases.alone:
        await asyncio.sleep(0.01)
    for _ in range(3):
        assert await leases.take(sys.argv[2], 3)
    print("holds", flush=True)
    await task

asyncio.run(main())
"""


def test_a_process_that_is_killed_loses_its_leases(redis_url: str) -> None:
    async def main() -> None:
        async with running(redis_url, "a") as a:
            with subprocess.Popen(  # noqa: ASYNC220 - it takes a moment
                [sys.executable, "-c", HOLDER, redis_url, WHO], stdout=subprocess.PIPE, preexec_fn=dies_with_parent()
            ) as process:
                assert process.stdout is not None
                assert await asyncio.to_thread(process.stdout.readline) == b"holds\n"
                assert not await a.take(WHO, 3)
                process.kill()
            assert not await a.take(WHO, 3), "its leases last a while: it may only be slow"
            client = redis.Redis.from_url(redis_url)
            until_ms = int(client.hget(names.lease_key(WHO), "doomed").split()[1])  # type: ignore[union-attr]
            seconds, micros = client.time()  # type: ignore[misc]
            left_s = until_ms / 1_000 - (seconds + micros / 1e6)
            assert 0 < left_s <= module.LEASE_S
            # made to be over, instead of waited for
            client.hset(names.lease_key(WHO), "doomed", f"3 {int(seconds) * 1_000}")
            assert [await a.take(WHO, 3) for _ in range(4)] == [True, True, True, False]
            assert held(redis_url) == {"a": 3}
            client.close()

    asyncio.run(main())


def test_leases_are_renewed_and_end_by_themselves(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_S", 0.05)
    monkeypatch.setattr(module, "LEASE_S", 0.5)

    async def main() -> None:
        client = redis.Redis.from_url(redis_url)
        async with running(redis_url, "a") as a:
            crowd = [f"k{number}" for number in range(BATCH + 5)]
            for who in crowd:
                assert await a.take(who, 1)
            first = [client.hget(names.lease_key(who), "a") for who in crowd]
            await until(
                lambda: all(
                    client.hget(names.lease_key(who), "a") > before for who, before in zip(crowd, first, strict=True)
                ),
                "every lease renewed",
            )
        b = Leases(Redis(url=redis_url), "b")
        dies = asyncio.create_task(b.run())
        await until(lambda: not b.alone, "connected")
        assert await b.take(WHO, 1)
        dies.cancel()
        await until(lambda: client.keys("*") == [], "leases that nobody renews are gone from Redis")
        client.close()

    asyncio.run(main())


def test_without_redis_each_process_counts_for_itself() -> None:
    async def main() -> None:
        with EmbeddedServer() as server, capture_logs() as logs:
            async with running(server.url, "a") as a, running(server.url, "b") as b:
                assert await a.take(WHO, 2)
                assert await b.take(WHO, 2)
                assert not await a.take(WHO, 2)
                server.kill()
                await until(lambda: a.alone and b.alone, "noticed")
                assert [await a.take(WHO, 2), await a.take(WHO, 2)] == [True, False]
                await until(lambda: len(told(logs, "connections_counted_alone")) == 2, "told once each")
                server.start()
                await until(lambda: not a.alone and not b.alone, "back")
                await until(lambda: held(server.url) == {"a": 2, "b": 1}, "all counts said again")
                assert not await b.take(WHO, 2)
                a.give(WHO)
                await until(lambda: held(server.url) == {"a": 1, "b": 1}, "the end of a connection")
                assert len(told(logs, "connections_counted_alone")) == 2
                assert len(told(logs, "connections_counted_together")) == 2
            assert held(server.url) == {}

    asyncio.run(main())


def told(logs: list[dict[str, object]], event: str) -> list[dict[str, object]]:
    return [line for line in logs if line["event"] == event]


def test_a_redis_that_lost_the_script_is_given_it_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEW_S", 3_600.0)  # or the next renewal would find out

    async def main() -> None:
        async with running(redis_url, "a") as a:
            assert await a.take(WHO, 5)
            port = int(redis_url.rpartition(":")[2].partition("/")[0])
            assert ask(port, b"SCRIPT FLUSH SYNC").startswith(b"+OK")
            assert await a.take(WHO, 5), "counted alone for this one"
            await until(lambda: not a.alone and held(redis_url) == {"a": 2}, "together again")

    asyncio.run(main())


def test_an_end_while_redis_hangs_does_not_wait_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_WITHIN_S", 0.1)

    async def main(server: EmbeddedServer) -> None:
        leases = Leases(Redis(url=server.url), "a")
        task: asyncio.Task[None] = asyncio.create_task(leases.run())
        await until(lambda: not leases.alone, "connected")
        assert await leases.take(WHO, 1)
        task.cancel()
        await wait_for_end(task)
        server.pause()
        with capture_logs() as logs:
            async with asyncio.timeout(10.0):
                await leases.close()
        server.resume()
        assert [line["event"] for line in logs] == ["leases_left"]
        leases.give(WHO)  # a session that ends later still may
        assert leases.count(WHO) == 0

    with EmbeddedServer() as server:
        asyncio.run(main(server))


async def wait_for_end(task: Awaitable[None]) -> None:
    with suppress(asyncio.CancelledError):
        await task
