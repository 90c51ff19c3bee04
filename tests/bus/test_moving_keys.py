"""Keys whose slot is on its way from one master to another, over real clusters: who may connect stays known."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from feed.bus import names
from feed.bus.connect import Link
from feed.bus.errors import BusDown
from feed.bus.keys import RedisKeys
from feed.bus.topology import slot_of
from feed.core.keys import Edit
from feed.settings import Redis
from tests.bus.cluster import Cluster, Member, cluster
from tests.bus.test_cluster import binary
from tests.bus.test_keys import read, setting

__all__ = ["binary"]
pytestmark = pytest.mark.timeout(120)

SLOT = slot_of(names.KEYS)


def scene(binary: Path, body: Callable[[Cluster, Member, RedisKeys, RedisKeys], Awaitable[None]]) -> None:
    """With the master that the slot shall go to, and two who know one key."""

    async def main(real: Cluster) -> None:
        reader, writer = RedisKeys(Redis(url=real.url)), RedisKeys(Redis(url=real.url))
        await writer.change(setting("fk_a", b"1"))
        assert (await read(reader)).keys == {"fk_a": b"1"}
        to = next(member for member in real.masters() if member is not real.owner(SLOT))
        await body(real, to, reader, writer)
        await reader.close()
        await writer.close()

    with cluster(binary, replicas=0) as real:
        asyncio.run(main(real))


def test_keys_are_read_and_changed_while_their_slot_is_open_with_and_without_them(binary: Path) -> None:
    async def body(real: Cluster, to: Member, reader: RedisKeys, writer: RedisKeys) -> None:
        for number, step in enumerate((real.open, real.carry, real.close_at), 2):
            version = (await read(reader)).version
            step(SLOT, to)
            await writer.change(setting("fk_a", b"%d" % number))
            assert (await read(reader, version)).keys == {"fk_a": b"%d" % number}
            newcomer = RedisKeys(Redis(url=real.url))
            assert (await read(newcomer)).keys == {"fk_a": b"%d" % number}
            await newcomer.close()

    scene(binary, body)


@pytest.mark.parametrize("ahead", [names.KEYS, names.KEYS_VERSION])
def test_half_of_the_keys_is_not_taken_for_all(binary: Path, ahead: str) -> None:
    async def body(real: Cluster, to: Member, reader: RedisKeys, writer: RedisKeys) -> None:
        real.open(SLOT, to)
        real.owner(SLOT)("MIGRATE", to.node.host, to.node.port, ahead, 0, 1_000)
        with pytest.raises(BusDown, match="TRYAGAIN"):
            await reader.read("")
        with pytest.raises(BusDown, match="TRYAGAIN"):
            await writer.change(setting("fk_a", b"2"))
        real.carry(SLOT, to)
        assert (await read(reader)).keys == {"fk_a": b"1"}

    scene(binary, body)


def moving(real: Cluster, to: Member, steps: Callable[[], Any]) -> Edit:
    """An edit in whose midst the keys leave the master that they were read at."""

    def edit(keys: Mapping[str, bytes]) -> tuple[str, bytes]:
        if real.owner(SLOT) is not to:
            steps()
        return "fk_a", keys["fk_a"] + b"+"

    return edit


def test_a_change_follows_keys_that_leave_between_its_reading_and_its_writing(binary: Path) -> None:
    async def body(real: Cluster, to: Member, reader: RedisKeys, writer: RedisKeys) -> None:
        def leave() -> None:
            real.open(SLOT, to)
            real.carry(SLOT, to)

        await writer.change(moving(real, to, leave))
        assert (await read(reader)).keys == {"fk_a": b"1+"}
        await writer.change(moving(real, to, lambda: real.close_at(SLOT, to)))
        assert (await read(reader)).keys == {"fk_a": b"1++"}

    scene(binary, body)


def test_a_change_whose_answer_was_lost_is_not_made_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that makes a key would make a second."""

    async def main() -> None:
        keys = RedisKeys(Redis(url=redis_url))
        await keys.change(setting("fk_a", b"1"))
        calls, sent = Link.calls, []

        async def lost(self: Link, commands: Any) -> Any:
            replies = await calls(self, commands)
            if commands[0][0] == "EVAL":
                sent.append(commands)
                raise BusDown("the connection broke")
            return replies

        monkeypatch.setattr(Link, "calls", lost)
        with pytest.raises(BusDown, match="broke"):
            await keys.change(lambda known: (f"fk_{len(known)}", b"2"))
        assert len(sent) == 1
        assert (await read(keys)).keys == {"fk_a": b"1", "fk_1": b"2"}
        await keys.close()

    asyncio.run(main())
