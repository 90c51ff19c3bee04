"""The image is built and run: small, without rights, on a read-only file system, well, and a client gets its ticks."""

import asyncio
import json
import os
import platform
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from feed import __version__
from feed.bus.embedded import EmbeddedServer
from tests.deploy import recipe
from tests.deploy.composed import ROOT
from tests.deploy.container import Builder, Container, Image, fetch_wheels, lacking, running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]  # some two minutes on two idle cores
PATIENCE_S = 30.0
MOST_ADDED_BYTES = 100_000_000
TICKS = 20


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, facts: dict[str, str]) -> Iterator[Image]:
    if why := lacking():
        pytest.skip(why)
    with closing(Builder(tmp_path_factory.mktemp("image"))) as builder:
        wheels = builder.folder / "wheels"
        wheels.mkdir()
        fetch_wheels(wheels)
        builder.base()
        began = time.monotonic()
        built = builder.build(wheels)
        facts["built in"] = f"{time.monotonic() - began:.0f} s"
        yield built


@pytest.fixture(scope="module")
def redis() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


def free_ports(count: int) -> list[int]:
    holders = [socket.socket() for _ in range(count)]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def until(true: Callable[[], object], what: str) -> float:
    """Waits until it is true; seconds that this took."""
    began = time.monotonic()
    while not true():
        if time.monotonic() > began + PATIENCE_S:
            raise TimeoutError(what)
        time.sleep(0.02)
    return time.monotonic() - began


def answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in connection.recv(1_000)
    except OSError:
        return False


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def memory_mb(container: Container) -> float:
    """Of all its processes; what they share counts once."""
    kilobytes = 0
    for pid in [container.first, *container.processes()]:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kilobytes += int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])
    return kilobytes / 1_000


def test_it_adds_less_than_100_mb_to_its_base(image: Image, facts: dict[str, str]) -> None:
    added = image.size - image.base_size
    facts["size"] = f"{image.size / 1e6:.0f} MB"
    facts["over its base"] = f"{added / 1e6:.0f} MB"
    assert 30_000_000 < added < MOST_ADDED_BYTES


def test_its_configuration_is_the_dockerfiles(image: Image) -> None:
    assert image.config["User"] == recipe.last("USER")
    assert image.config["Entrypoint"] == recipe.words("ENTRYPOINT")
    assert image.config["Cmd"] == recipe.words("CMD")
    assert image.config["Healthcheck"]["Test"] == ["CMD", *recipe.words("HEALTHCHECK")]
    assert image.config["StopSignal"] == "SIGTERM"
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"] == "tested"


def test_what_was_added_is_roots_and_compiled_and_has_no_pip(image: Image) -> None:
    added = image.root / "opt" / "feed"
    assert not [path for path in added.rglob("*") if path.lstat().st_uid != 0]
    links = [path for path in added.rglob("*") if path.is_symlink()]
    assert not [path for path in added.rglob("*") if path not in links and path.lstat().st_mode & stat.S_IWOTH]
    assert not list(added.glob("bin/*pip*"))
    assert not list(added.rglob("__pycache__"))
    (site,) = added.glob("lib/python3*/site-packages")
    modules = list((site / "feed").rglob("*.py"))
    assert len(modules) == len(list((ROOT / "feed").rglob("*.py")))
    compiled = added / "pyc" / site.relative_to(image.root)
    for module in modules:
        assert list((compiled / module.relative_to(site).parent).glob(f"{module.stem}.*.pyc")), module


def test_without_a_command_it_says_what_there_is(image: Image, tmp_path: Path) -> None:
    with running(image, *image.config["Cmd"], log=tmp_path / "log") as container:
        assert container.ended(PATIENCE_S) == 0
    assert "feed demo" in (tmp_path / "log").read_text()


def test_a_client_gets_ticks_from_it(
    image: Image, redis: EmbeddedServer, facts: dict[str, str], tmp_path: Path
) -> None:
    port, gateway_admin, ingest_admin = free_ports(3)
    ports = {
        "FEED_REDIS__URL": redis.url,
        "FEED_GATEWAY__PORT": str(port),
        "FEED_GATEWAY__ADMIN_PORT": str(gateway_admin),
        "FEED_INGEST__ADMIN_PORT": str(ingest_admin),
    }
    only = {"FEED_INGEST__ADMIN_PORT": str(free_ports(1)[0])}
    gateway = running(image, "gateway", "--feeds", "sim", log=tmp_path / "gateway", **ports | only)
    with running(image, "ingest", "sim", log=tmp_path / "ingest", **ports) as worker, gateway as container:
        took_s = until(lambda: answers(gateway_admin, "/readyz"), "the gateway is not ready")
        until(lambda: answers(ingest_admin, "/readyz"), "the worker is not ready")
        assert container.healthy()
        assert worker.healthy()
        facts["ready after"] = f"{took_s:.1f} s"
        facts["health"] = "green: gateway, ingest"
        assert_confined(container)
        facts["user"] = f"{image.config['User']}, no capability, no new privileges"
        facts["file system"] = "read-only, no shell"
        asyncio.run(reads(port))
        facts["memory"] = f"gateway {memory_mb(container):.0f} MB, ingest {memory_mb(worker):.0f} MB"
        facts["smoke test"] = f"{TICKS} ticks to a client"
        assert asyncio.run(closed_by(port, lambda: container.signal(signal.SIGTERM))) == 1012
        assert container.ended(PATIENCE_S) == 0
        worker.signal(signal.SIGTERM)
        assert worker.ended(PATIENCE_S) == 0
        facts["stopped"] = "client told 1012, exit code 0"


def assert_confined(container: Container) -> None:
    assert len(container.processes()) >= 1
    for pid in [container.first, *container.processes()]:
        found = status(pid)
        assert found["Uid"].split() == ["10001"] * 4
        assert found["Gid"].split() == ["10001"] * 4
        assert found["Groups"] == ""
        assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert found["NoNewPrivs"] == "1"
    for place in ("/", "/tmp", "/opt/feed", "/var/tmp"):
        tried = container.execute("python3", "-c", f"open('{place}/x', 'w')")
        assert "Read-only file system" in tried.stderr
    assert "No such file" in container.execute("sh", "-c", "true").stderr


async def reads(port: int) -> None:
    async with subscribed(port) as socket, asyncio.timeout(PATIENCE_S):
        await socket.send(json.dumps({"action": "subscribe", "trades": ["*"]}))
        ticks: list[dict[str, Any]] = []
        while len(ticks) < TICKS:
            ticks += [message for message in json.loads(await socket.recv()) if message["T"] == "t"]


async def closed_by(port: int, what: Callable[[], None]) -> int:
    """The code by which a client is closed when that is done."""
    async with subscribed(port) as socket, asyncio.timeout(PATIENCE_S):
        await socket.recv()
        what()
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else 1006


def subscribed(port: int) -> connect:
    return connect(f"ws://127.0.0.1:{port}/v2/sim", subprotocols=["feed.v1.json"])  # type: ignore[list-item]


def test_its_workers_end_with_it_and_a_second_signal_ends_it_at_once(
    image: Image, redis: EmbeddedServer, facts: dict[str, str], tmp_path: Path
) -> None:
    port, admin = free_ports(2)
    variables = {
        "FEED_REDIS__URL": redis.url,
        "FEED_GATEWAY__PORT": str(port),
        "FEED_GATEWAY__ADMIN_PORT": str(admin),
        "FEED_DRAIN__DELAY_S": "3000",
    }
    with running(image, "gateway", "--workers", "2", log=tmp_path / "log", **variables) as container:
        until(lambda: answers(admin, "/readyz"), "the gateway is not ready")
        everyone = container.processes()
        assert len(everyone) == 3  # the parent and two workers

        async def main() -> None:
            async with subscribed(port) as socket:
                await socket.recv()
                container.signal(signal.SIGTERM)
                await asyncio.to_thread(until, lambda: not answers(admin, "/readyz"), "it does not drain")
                container.signal(signal.SIGTERM)
                assert await asyncio.to_thread(container.ended, PATIENCE_S) == 128 + signal.SIGTERM

        asyncio.run(main())
    assert not [pid for pid in everyone if Path(f"/proc/{pid}").exists()]
    facts["process 1"] = "passes signals on, ends its workers"


def test_a_stop_before_feed_listens_for_one_counts(image: Image, tmp_path: Path) -> None:
    with running(image, "gateway", log=tmp_path / "log") as container:
        until(lambda: started(container), "feed is not started")
        container.signal(signal.SIGTERM)
        # at once, and not after what an engine gives it: it serves nobody yet
        assert container.ended(PATIENCE_S) == 128 + signal.SIGTERM
    assert "listening" not in (tmp_path / "log").read_text()


def started(container: Container) -> bool:
    """Whether process 1 is the image's, and has begun what it is there for."""
    try:
        return status(container.first)["Name"] == "dumb-init" and bool(container.processes())
    except (IndexError, FileNotFoundError, ProcessLookupError):
        return False


ORPHAN = "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(0.1); os._exit(0)"


def test_whom_a_command_left_behind_is_buried(
    image: Image, redis: EmbeddedServer, facts: dict[str, str], tmp_path: Path
) -> None:
    (admin,) = free_ports(1)
    variables = {"FEED_REDIS__URL": redis.url, "FEED_INGEST__ADMIN_PORT": str(admin)}
    with running(image, "ingest", "sim", log=tmp_path / "log", **variables) as container:
        until(lambda: answers(admin, "/readyz"), "the worker is not ready")
        before = container.processes()
        left = container.execute("python3", "-c", ORPHAN)
        assert left.returncode == 0, left.stderr
        until(lambda: container.processes() == before, "a dead process stays")
    facts["process 1"] = f"{facts.get('process 1', '')}, buries the dead"


def test_there_are_wheels_for_the_other_architecture(facts: dict[str, str], tmp_path: Path) -> None:
    if os.environ.get("PIP_NO_INDEX"):
        pytest.skip("there is no index to ask")
    machine = {"x86_64": "aarch64", "aarch64": "x86_64"}[platform.machine()]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    tags = [f"manylinux_2_{minor}_{machine}" for minor in (5, 12, 17, 28)] + [f"manylinux2014_{machine}"]
    fetch_wheels(tmp_path, "--python-version", version, *(word for tag in tags for word in ("--platform", tag)))
    native = len(list(tmp_path.glob(f"*{machine}.whl")))
    assert native > 10
    facts["other architecture"] = f"{machine}: each wheel by its hash, {native} of them native"
