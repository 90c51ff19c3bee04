"""Keys in Redis: read when they change, changed by many at once, and what a Redis in trouble does to them."""

import asyncio
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from feed.bus import names
from feed.bus.connect import Link
from feed.bus.embedded import EmbeddedServer, ask
from feed.bus.errors import BusDown, BusRefused
from feed.bus.keys import TRIES, RedisKeys
from feed.core.keys import Edit, Stored
from feed.settings import Redis


def setting(key_id: str, data: bytes) -> Edit:
    return lambda _: (key_id, data)


async def read(keys: RedisKeys, version: str = "") -> Stored:
    stored = await keys.read(version)
    assert stored is not None
    return stored


def test_keys_are_read_when_they_change(redis_url: str) -> None:
    async def main() -> None:
        reader, writer = RedisKeys(Redis(url=redis_url)), RedisKeys(Redis(url=redis_url))
        empty = await read(reader)
        assert empty.keys == {}
        assert await reader.read(empty.version) is None
        await writer.change(setting("fk_a", b"1"))
        first = await read(reader, empty.version)
        assert first.keys == {"fk_a": b"1"}
        assert await reader.read(first.version) is None
        await writer.change(setting("fk_b", b"2"))
        await writer.change(setting("fk_a", b"3"))
        assert (await read(reader, first.version)).keys == {"fk_a": b"3", "fk_b": b"2"}
        await reader.close()
        await writer.close()

    asyncio.run(main())


def test_of_changes_at_the_same_time_none_is_lost(redis_url: str) -> None:
    async def main() -> None:
        def counting(keys: Mapping[str, bytes]) -> tuple[str, bytes]:
            return "fk_a", b"%d" % (int(keys.get("fk_a", b"0")) + 1)

        writers = [RedisKeys(Redis(url=redis_url)) for _ in range(5)]
        await asyncio.gather(*(writer.change(counting) for writer in writers for _ in range(1)))
        assert (await read(writers[0])).keys == {"fk_a": b"5"}
        for writer in writers:
            await writer.close()

    asyncio.run(main())


def test_a_change_that_is_always_overtaken_gives_up(redis_url: str) -> None:
    async def main() -> None:
        keys = RedisKeys(Redis(url=redis_url))
        port = int(redis_url.rpartition(":")[2].partition("/")[0])
        asked = 0

        def overtaken(_: Mapping[str, bytes]) -> tuple[str, bytes]:
            nonlocal asked
            asked += 1
            assert ask(port, f"INCR {names.KEYS_VERSION}".encode()).startswith(b":")
            return "fk_a", b"1"

        with pytest.raises(BusRefused, match=f"{TRIES} times in a row"):
            await keys.change(overtaken)
        assert asked == TRIES
        assert (await read(keys)).keys == {}
        await keys.close()

    asyncio.run(main())


def test_an_edit_that_refuses_changes_nothing(redis_url: str) -> None:
    async def main() -> None:
        keys = RedisKeys(Redis(url=redis_url))

        def refuses(_: Mapping[str, bytes]) -> tuple[str, bytes]:
            raise ValueError("the name is taken")

        before = await read(keys)
        with pytest.raises(ValueError, match="the name is taken"):
            await keys.change(refuses)
        assert await keys.read(before.version) is None
        await keys.close()

    asyncio.run(main())


def test_a_redis_that_comes_back_is_read_anew_and_one_that_forgot_all_is_not_believed() -> None:
    async def main() -> None:
        with EmbeddedServer(appendonly="yes", appendfsync="always") as server:
            keys = RedisKeys(Redis(url=server.url))
            await keys.change(setting("fk_a", b"1"))
            before = await read(keys)
            server.kill()
            with pytest.raises(BusDown):
                await keys.read(before.version)
            server.start()
            after = await read(keys, before.version)
            assert after.keys == before.keys
            assert after.version != before.version, "what another process counts may be another change"
            assert ask(server.port, b"FLUSHALL").startswith(b"+OK")
            for _ in range(2):
                with pytest.raises(BusDown, match="forgotten all keys"):
                    await keys.read(after.version)
            await keys.change(setting("fk_b", b"2"))
            assert (await read(keys, after.version)).keys == {"fk_b": b"2"}
            await keys.close()

    asyncio.run(main())


def test_a_redis_that_was_set_back_is_told_of(redis_url: str) -> None:
    async def main() -> None:
        keys = RedisKeys(Redis(url=redis_url))
        await keys.change(setting("fk_a", b"1"))
        await keys.change(setting("fk_a", b"revoked"))
        stored = await read(keys)
        link = await Link.open(Redis(url=redis_url), "snapshot")
        await link.calls([("DECR", names.KEYS_VERSION), ("HSET", names.KEYS, "fk_a", "1")])
        await link.close()
        with capture_logs() as logs:
            assert (await read(keys, stored.version)).keys == {"fk_a": b"1"}
        assert [(line["event"], line["known"] - line["changes"]) for line in logs] == [("keys_set_back", 1)]
        await keys.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("key", "value"), [(names.KEYS, "a text"), (names.KEYS_VERSION, "many"), (names.KEYS_VERSION, "9" * 30)]
)
def test_what_is_no_store_of_keys_is_refused(redis_url: str, key: str, value: str) -> None:
    async def main() -> None:
        link = await Link.open(Redis(url=redis_url), "vandal")
        await link.call("SET", key, value)
        keys = RedisKeys(Redis(url=redis_url))
        with pytest.raises(BusRefused):
            await keys.change(setting("fk_a", b"1"))
        await keys.close()
        await link.close()

    asyncio.run(main())
