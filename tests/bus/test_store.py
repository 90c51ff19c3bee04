"""Questions to Redis that are not part of the live flow, and what becomes of them when Redis is in trouble."""

import asyncio

import pytest

from feed.bus.embedded import EmbeddedServer
from feed.bus.entry import pack
from feed.bus.errors import BusDown
from feed.bus.store import MAX_ASKING, SLICE, Store
from feed.core.streams import Stream
from feed.core.ticks import Trade
from feed.settings import Redis
from tests.bus.script import STREAM, Script


def ids(entries: list[tuple[int, object]]) -> list[int]:
    return [seq for seq, _ in entries]


def test_last_entries_pages_and_many_streams(redis_url: str) -> None:
    async def main() -> None:
        store = Store(Redis(url=redis_url))
        streams = [Stream("t", "trades", f"S{number}") for number in range(2 * SLICE + 1)]
        assert all(past == (None, []) for past in await store.latest(streams))
        assert len(await store.latest(streams)) == len(streams)
        await store.close()

    asyncio.run(main())


def test_a_connection_that_died_unseen_is_renewed_once() -> None:
    async def main() -> None:
        with EmbeddedServer(appendonly="yes") as server:
            store = Store(Redis(url=server.url))
            assert await store.directory("t") == frozenset()
            server.kill()
            server.start()
            assert await store.directory("t") == frozenset()
            server.kill()
            with pytest.raises(BusDown):
                await store.directory("t")
            await store.close()

    asyncio.run(main())


def test_behind_a_redis_that_hangs_all_wait_alike_and_not_too_many() -> None:
    async def main() -> None:
        with EmbeddedServer() as server:
            store = Store(Redis(url=server.url, timeout_s=0.5))
            await store.directory("t")
            server.pause()
            asked = [asyncio.create_task(store.directory("t")) for _ in range(MAX_ASKING + 3)]
            done, _ = await asyncio.wait(asked, timeout=5)
            assert len(done) == len(asked), "one after the other, they would take half a minute"
            told = [str(task.exception()) for task in asked]
            assert sum("questions wait" in text for text in told) == 3
            assert all(isinstance(task.exception(), BusDown) for task in asked)
            server.resume()
            assert await store.directory("t") == frozenset()
            await store.close()

    asyncio.run(main())


def test_the_recent_past_is_the_newest_part_oldest_first(redis_url: str) -> None:
    async def main() -> None:
        with Script(redis_url) as script:
            script.publish(*range(1, 6))
            # readable entries, which the script's own are not
            for seq in range(6, 10):
                tick = Trade("A/B", seq, 1.0, 1.0, "", 1, 1)
                script.redis.xadd(f"{{{STREAM.name}}}:log", {"d": pack(tick)}, id=f"{seq}-0")
        store = Store(Redis(url=redis_url))
        assert ids((await store.recent(STREAM, 3)).entries) == [7, 8, 9]
        assert ids((await store.history(STREAM, 7, 2)).entries) == [7, 8]
        assert ids((await store.latest([STREAM]))[0].entries) == [9, 8, 7, 6]
        await store.close()

    asyncio.run(main())
