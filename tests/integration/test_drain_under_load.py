"""A gateway that is told to stop while its clients are busy: all go on elsewhere, and none misses a tick."""

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from feed.bus.embedded import EmbeddedServer
from tests.integration.leavers import Leaver, leavers, until
from tests.integration.service import Service, running

DELAY_S, WINDOW_S = 1.0, 4.0
SYMBOLS, SYMBOLS_EACH = 100, 10


def probe(admin: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{admin}{path}") as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode().strip()


def all_symbols(url: str) -> list[str]:
    """The feed's symbols, once each has traded."""
    end, symbols = time.monotonic() + 30, []
    while len(symbols) < SYMBOLS:
        assert time.monotonic() < end, f"{len(symbols)} of {SYMBOLS} symbols"
        with urllib.request.urlopen(f"{url}/v2/sim/symbols") as answer:
            symbols = json.load(answer)["symbols"]
    return list(symbols)


async def scene(old: Service, new: Service, clients: Sequence[Leaver]) -> float:
    """Clients come, the old gateway is told to stop, all go on at the new one. Answers when it was told."""
    admin = old.url("http", "admin")
    elsewhere = f"{new.url('http').replace('http', 'ws', 1)}/v2/sim"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        running_ = [asyncio.create_task(client.run(http, elsewhere)) for client in clients]
        try:
            await until(lambda: all(client.subscribed for client in clients), "all are subscribed", 60)
            before = sum(client.ticks for client in clients)
            await until(lambda: sum(client.ticks for client in clients) > before, "ticks come", 10)
            old.process.send_signal(signal.SIGTERM)
            told_s = time.monotonic()
            await until(lambda: probe(admin, "/readyz") == (503, "draining"), "it says that it drains", 10)
            assert probe(admin, "/healthz")[0] == 200
            await until(lambda: all(client.resumed for client in clients), "all go on elsewhere", 60)
            standing = [client.ticks for client in clients]
            await until(
                lambda: all(c.ticks > n + 20 for c, n in zip(clients, standing, strict=True)), "all get ticks", 30
            )
            assert not any(task.done() for task in running_), [task for task in running_ if task.done()]
            return told_s
        finally:
            for task in running_:
                task.cancel()
            await asyncio.gather(*running_, return_exceptions=True)


def drain(count: int, ticks_per_s: int, folder: Path) -> tuple[list[Leaver], float, int]:
    """The clients of a gateway that drained under load, when it was told to, and its exit code."""
    config = folder / "feed.toml"
    config.write_text(f"[drain]\ndelay_s = {DELAY_S}\nwindow_s = {WINDOW_S}\n")
    with EmbeddedServer() as redis:
        common = ("--redis", redis.url, "--admin-port", "0", "--config", config)
        sim = ("--symbols-count", str(SYMBOLS), "--rate", str(ticks_per_s))
        gateway = ("gateway", "--port", "0", "--feeds", "sim", *common)
        with (
            running("publishing", "ingest", "sim", *sim, *common),
            running("listening", *gateway) as old,
            running("listening", *gateway) as new,
        ):
            url = f"{old.url('http').replace('http', 'ws', 1)}/v2/sim"
            clients = leavers(count, url, all_symbols(new.url("http")), SYMBOLS_EACH, 1)
            told_s = asyncio.run(scene(old, new, clients))
            return clients, told_s, old.process.wait(30)


def check(clients: Sequence[Leaver], told_s: float) -> None:
    assert [fault for client in clients for fault in client.faults][:5] == []
    assert {client.close_code for client in clients} == {1012}
    notices = [client.noticed_s for client in clients if client.noticed_s is not None]
    closings = sorted(client.closed_s for client in clients if client.closed_s is not None)
    assert len(notices) == len(closings) == len(clients)
    # how even it is, is judged where time stands still (tests/gateway/test_drain.py); here, that it is spread at all
    assert min(notices) > told_s + DELAY_S * 0.9, "nobody is told before the load balancers"
    assert min(notices) <= closings[0], "told, and then closed"
    quarters = [told_s + DELAY_S + WINDOW_S * share for share in (0.0, 0.25, 0.5, 0.75)]
    assert all(any(a <= closed for closed in closings) for a in quarters)
    assert len({round(closed, 1) for closed in closings}) >= 15, "at many distinct moments"
    assert closings[len(closings) // 2] - closings[0] > WINDOW_S / 8
    assert closings[-1] - closings[len(closings) // 2] > WINDOW_S / 8


# each client gets a tenth of the ticks, and this process reads them all: 10,000 and 15,000 a second
@pytest.mark.parametrize(
    ("count", "ticks_per_s"),
    [
        pytest.param(200, 500, marks=pytest.mark.chaos),
        pytest.param(1_000, 150, marks=[pytest.mark.chaos, pytest.mark.timeout(240)]),
    ],
)
@pytest.mark.timeout(120)
def test_all_clients_go_on_elsewhere_and_miss_nothing(count: int, ticks_per_s: int, tmp_path: Path) -> None:
    clients, told_s, code = drain(count, ticks_per_s, tmp_path)
    check(clients, told_s)
    assert code == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(second: signal.Signals, tmp_path: Path) -> None:
    config = tmp_path / "feed.toml"
    config.write_text("[drain]\ndelay_s = 3600\n")

    async def two_signals(gateway: Service) -> None:
        url = f"{gateway.url('http')}/v2/sim"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
            await socket.receive()
            gateway.process.send_signal(signal.SIGTERM)
            await until(lambda: probe(gateway.url("http", "admin"), "/readyz") == (503, "draining"), "it drains", 10)
            assert gateway.process.poll() is None
            gateway.process.send_signal(second)
            await until(lambda: gateway.process.poll() is not None, "its end", 10)

    with EmbeddedServer() as redis:
        arguments = ("--port", "0", "--admin-port", "0", "--redis", redis.url, "--config", config)
        with running("listening", "gateway", *arguments) as gateway:
            asyncio.run(two_signals(gateway))
            assert gateway.process.returncode == -second
