"""`feed gateway --workers N`: one port, one admin port; workers that are killed, hang and drain, and their clients."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from feed.bus.embedded import EmbeddedServer, ask
from feed.client import Client, Gap, Lost, Update
from feed.client.events import Fault
from tests.integration.crews import Crew, alive, children, crew, gateway, until
from tests.integration.service import Service, running

WORDS = (
    "gateway: cannot listen on 127.0.0.1:PORT: address already in use; choose another with --port or FEED_GATEWAY__PORT"
)
MESSAGES = "feed_gateway_messages_out_total"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads one port's connections over processes"),
    pytest.mark.timeout(120),
]


@pytest.fixture
def redis() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


def play(
    redis: EmbeddedServer, scene: Callable[[Crew], Coroutine[Any, Any, None]], config: Path | None = None
) -> Service:
    """A scene at a gateway of two workers."""

    async def main(service: Service) -> None:
        async with crew(service, redis.url) as stage:
            await scene(stage)

    with gateway(redis.url, 2, config) as service:
        asyncio.run(main(service))
    return service


def drains(folder: Path, delay_s: float, window_s: float) -> Path:
    config = folder / "feed.toml"
    config.write_text(f"[drain]\ndelay_s = {delay_s}\nwindow_s = {window_s}\n")
    return config


def lines(service: Service, event: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in service.errors if line.startswith("{")]
    return [line for line in told if line["event"] == event]


def test_all_are_announced_in_one_line_and_end_well(redis: EmbeddedServer) -> None:
    async def scene(stage: Crew) -> None:
        address = r"http://127\.0\.0\.1:\d+"
        assert re.fullmatch(
            rf"feed gateway: listening on {address} · admin {address} · 2 workers\n", stage.service.said
        )
        pids = stage.pids
        assert len(pids) == 2
        assert await stage.admin.get("/healthz") == (200, "ok")
        assert await stage.admin.metric("feed_gateway_workers") == 2
        assert await stage.admin.metric("feed_gateway_workers_up") == 2
        assert await stage.admin.metric("feed_build_info") == 1
        assert {
            worker: await stage.admin.metric("process_resident_memory_bytes", worker=worker) > 0
            for worker in ("1", "2", "parent", "3")
        } == {"1": True, "2": True, "parent": True, "3": False}
        stage.service.process.send_signal(signal.SIGTERM)
        assert await stage.ended() == 0
        assert not any(map(alive, pids))

    service = play(redis, scene)
    assert {line["worker"] for line in lines(service, "drained")} == {1, 2}


@pytest.mark.chaos
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_gateway_at_the_same_port_is_refused(redis: EmbeddedServer, workers: str) -> None:
    async def scene(stage: Crew) -> None:
        port = stage.url.rpartition(":")[2]
        second = [sys.executable, "-m", "feed", "gateway", "--workers", workers, "--port", port, "--admin-port", "0"]
        done = await asyncio.to_thread(subprocess.run, second, capture_output=True, text=True, timeout=30)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"feed: {WORDS.replace('PORT', port, 1)}\n"

    play(redis, scene)


def test_a_refusal_by_redis_is_said_once_and_ends_all(redis: EmbeddedServer) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "feed", "gateway", "--workers", "2", "--port", "0", "--admin-port", "0"),
            *("--redis", f"redis://127.0.0.1:{redis.port}/99", "--log-level", "error"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stderr, done.returncode) == ("feed: Redis refused: DB index is out of range\n", 1)


def test_what_is_scraped_is_what_all_clients_count_before_and_after_a_death(redis: EmbeddedServer) -> None:
    async def scene(stage: Crew) -> None:
        first = await stage.listeners(24)
        await stage.admin.becomes(24, "feed_gateway_connections")
        stage.publish(50)
        await until(lambda: all(one.trades == 50 for one in first), "fifty trades each")
        await stage.admin.becomes(24 * 50, MESSAGES)
        os.kill(min(stage.pids), signal.SIGKILL)
        await stage.admin.becomes(1, "feed_gateway_worker_restarts_total", cause="killed")
        assert await stage.admin.metric(MESSAGES) == 24 * 50
        await until(lambda: any(one.over for one in first), "the dead one's clients know")
        stay = [one for one in first if not one.over]
        assert 0 < len(stay) < 24
        assert await stage.admin.metric("feed_gateway_connections") == len(stay)
        await stage.admin.becomes(2, "feed_gateway_workers_up")
        await stage.admin.answers("/readyz", 200, "ready")
        second = await stage.listeners(24)
        stage.publish(50)
        await until(lambda: all(one.trades == 100 for one in stay), "a hundred for those who stayed")
        await until(lambda: all(one.trades == 50 for one in second), "fifty for those who came")
        counted = sum(one.trades for one in first + second)
        await stage.admin.becomes(counted, MESSAGES)
        assert await stage.admin.metric("feed_gateway_handshakes_total", result="accepted") == 48

    service = play(redis, scene)
    (ended,) = lines(service, "worker_lost")
    assert (ended["worker"], ended["cause"]) in {(1, "SIGKILL"), (2, "SIGKILL")}
    assert [line["worker"] for line in lines(service, "worker_back")] == [ended["worker"]]


class Reader:
    """A client of feed's own library that reads until it is cancelled, and what it was told."""

    def __init__(self) -> None:
        self.updates: list[int] = []
        self.faults: list[Gap | Fault] = []
        self.losses = 0

    async def read(self, url: str) -> None:
        async with Client([url]) as client:
            await client.subscribe(trades=["AAPL"])
            async for event in client:
                if isinstance(event, Update):
                    self.updates.append(event.seq)
                elif isinstance(event, Gap | Fault):
                    self.faults.append(event)
                else:
                    self.losses += isinstance(event, Lost)


async def kill_each(stage: Crew) -> None:
    """Kills each worker once, while clients read: every client is at one of them at the time."""
    readers = [Reader() for _ in range(8)]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(one.read(f"{stage.url.replace('http', 'ws')}/v2/sim")) for one in readers]
        await stage.admin.becomes(8, "feed_gateway_subscriptions")
        for restarts, pid in enumerate(sorted(stage.pids), 1):
            had = [len(one.updates) for one in readers]
            stage.publish(20)
            os.kill(pid, signal.SIGKILL)
            stage.publish(20)
            await stage.admin.becomes(restarts, "feed_gateway_worker_restarts_total", cause="killed")
            await stage.admin.becomes(2, "feed_gateway_workers_up")
            await stage.admin.becomes(8, "feed_gateway_subscriptions")
            stage.publish(20)
            wanted = [count + 60 for count in had]
            await until(lambda wanted=wanted: [len(one.updates) for one in readers] == wanted, "all that was published")
        for task in reading:
            task.cancel()
    assert [one.updates for one in readers] == [list(range(1, 121))] * 8
    assert [one.faults for one in readers] == [[]] * 8
    assert sum(one.losses for one in readers) >= 8


@pytest.mark.chaos
def test_clients_of_a_killed_worker_go_on_at_another_without_a_gap(redis: EmbeddedServer) -> None:
    play(redis, kill_each)


@pytest.mark.chaos
def test_draining_reaches_the_clients_of_all(redis: EmbeddedServer, tmp_path: Path) -> None:
    async def scene(stage: Crew) -> None:
        listeners = await stage.listeners(24)
        stage.service.process.send_signal(signal.SIGTERM)
        await stage.admin.answers("/readyz", 503, "draining")
        assert await stage.admin.get("/healthz") == (200, "ok")
        assert not any(one.over for one in listeners)
        stage.publish(5)  # all goes on for drain.delay_s
        await until(lambda: all(one.trades == 5 for one in listeners), "ticks in the delay")
        await until(lambda: all(one.over for one in listeners), "all let go")
        assert {one.close_code for one in listeners} == {1012}
        assert await stage.ended() == 0

    service = play(redis, scene, drains(tmp_path, 1.5, 0.5))
    drained = lines(service, "draining")
    assert {line.get("worker") for line in drained} == {None, 1, 2}
    clients = [line["clients"] for line in drained if "worker" in line]
    assert sum(clients) == 24
    assert min(clients) > 0
    assert {line["cut_off"] for line in lines(service, "drained")} == {0}


@pytest.mark.chaos
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_second_signal_ends_all_at_once(redis: EmbeddedServer, second: signal.Signals, tmp_path: Path) -> None:
    async def scene(stage: Crew) -> None:
        pids = stage.pids
        listeners = await stage.listeners(12)
        stage.service.process.send_signal(signal.SIGTERM)
        await stage.admin.answers("/readyz", 503, "draining")
        assert not any(one.over for one in listeners)
        stage.service.process.send_signal(second)
        assert await stage.ended() == -second
        await until(lambda: not any(map(alive, pids)), "no worker is left")
        await until(lambda: all(one.over for one in listeners), "their clients know")

    play(redis, scene, drains(tmp_path, 3600, 3600))


@pytest.mark.chaos
def test_a_signal_to_every_process_is_the_same_as_one_to_the_parent(redis: EmbeddedServer, tmp_path: Path) -> None:
    async def scene(stage: Crew) -> None:
        listeners = await stage.listeners(12)
        for pid in [stage.service.process.pid, *stage.pids]:  # as systemd ends a service
            os.kill(pid, signal.SIGTERM)
        await until(lambda: all(one.over for one in listeners), "all let go")
        assert {one.close_code for one in listeners} == {1012}
        assert await stage.ended() == 0

    play(redis, scene, drains(tmp_path, 1.0, 0.5))


@pytest.mark.chaos
def test_a_worker_that_hangs_is_started_again(redis: EmbeddedServer) -> None:
    async def scene(stage: Crew) -> None:
        first = await stage.listeners(12)
        await stage.admin.becomes(12, "feed_gateway_connections")
        stuck = max(stage.pids)
        os.kill(stuck, signal.SIGSTOP)
        await stage.admin.becomes(1, "feed_gateway_workers_up")
        status, why = await stage.admin.get("/readyz")
        assert status == 503
        assert re.fullmatch("worker [12]: does not answer", why)
        assert await stage.admin.metric("feed_gateway_connections") == 12, "as it was when it was last heard of"
        await stage.admin.becomes(1, "feed_gateway_worker_restarts_total", cause="hung")
        assert not alive(stuck)
        assert any(one.over for one in first)
        await stage.admin.becomes(2, "feed_gateway_workers_up")
        await stage.admin.answers("/readyz", 200, "ready")

    play(redis, scene)


@pytest.mark.chaos
def test_a_refusal_of_one_is_tried_again_and_a_refusal_of_all_ends_all(redis: EmbeddedServer) -> None:
    async def scene(stage: Crew) -> None:
        assert ask(redis.port, b"ACL SETUSER default -info").startswith(b"+OK")  # whoever connects needs it
        os.kill(min(stage.pids), signal.SIGKILL)
        await until(lambda: lines(stage.service, "worker_lost")[1:], "the next one is refused")
        refused = lines(stage.service, "worker_lost")[1]
        assert refused["cause"] == "refused"
        assert "no permissions" in refused["words"][0]
        assert stage.service.process.poll() is None
        assert ask(redis.port, b"CLIENT KILL TYPE pubsub").startswith(b":1")
        assert await stage.ended() == 1

    service = play(redis, scene)
    (words,) = (line for line in service.errors if line.startswith("feed: "))
    assert re.match("feed: Redis refused: .*no permissions", words)


def test_a_killed_parent_leaves_nobody(redis: EmbeddedServer) -> None:
    with gateway(redis.url, 2) as service:
        pids = children(service.process.pid)
        assert len(pids) == 2
        service.process.kill()
        asyncio.run(until(lambda: not any(map(alive, pids)), "no worker is left"))


def test_one_worker_is_no_parent(redis: EmbeddedServer) -> None:
    with running("listening", "gateway", "--port", "0", "--admin-port", "0", "--redis", redis.url) as service:
        assert "workers" not in service.said
        assert children(service.process.pid) == set()
