"""The page and the real service: a gateway that is killed and started again, and what returns to it."""

import json
import re
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from feed.bus.embedded import EmbeddedServer
from tests.browser.test_page import cell, until
from tests.integration.service import Service, running

SYMBOLS = ("AAPL", "BTC/USD", "ETH/USD", "NVDA", "TSLA")
KIND = {"t": "trades", "q": "quotes", "b": "bars"}


class Received:
    """What a page's sockets brought it, checked apart from the page: each stream's numbers, one by one."""

    def __init__(self, page: Any) -> None:
        self.faults: list[str] = []
        self.ticks = 0
        self.sockets = 0
        self.recovered = 0
        self._last: dict[str, int] = {}
        self._skipped: dict[str, int] = defaultdict(int)
        page.on("websocket", self._opened)

    def _opened(self, socket: Any) -> None:
        self.sockets += 1
        socket.on("framereceived", self._frame)

    def _frame(self, data: Any) -> None:
        for message in json.loads(data):
            if message["T"] in KIND:
                self._tick(message)
            elif message["T"] == "gap":
                self.faults.append(f"gap: {message}")
            elif message["T"] == "subscription":
                self._granted(message.get("streams", {}))

    def _granted(self, streams: dict[str, Any]) -> None:
        for stream, position in streams.items():
            if position.get("recovered"):
                self.recovered += 1
            else:
                self._last[stream] = position["seq"]

    def _tick(self, message: dict[str, Any]) -> None:
        stream = f"{message.get('kind', KIND[message['T']])}:{message['S']}"
        first = message.get("m", {}).get("q0", message["q"])
        if message.get("snap"):
            return
        if first != self._last[stream] + 1:
            self.faults.append(f"{stream}: {first} after {self._last[stream]}")
        self._last[stream] = message["q"]
        self.ticks += 1


@contextmanager
def gateway(redis_url: str, port: str = "0") -> Iterator[Service]:
    flags = ("--redis", redis_url, "--feeds", "sim", "--port", port, "--admin-port", "0")
    with running("listening", "gateway", *flags) as found:
        yield found


@contextmanager
def market() -> Iterator[str]:
    """A Redis of its own, and a simulated market that publishes to it: the Redis' address."""
    with EmbeddedServer() as server:
        flags = ("--redis", server.url, "--admin-port", "0", "--symbols", "20", "--rate", "300")
        with running("publishing", "ingest", "sim", *flags):
            yield server.url


def echoes(admin: str) -> float:
    """Round trips that a gateway has measured."""
    with urllib.request.urlopen(f"{admin}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(r'^feed_hop_delay_seconds_count{[^}]*hop="client_echo"[^}]*} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.timeout(180)
def test_the_page_survives_a_restart_of_the_gateway_with_nothing_missed(page: Any) -> None:
    received = Received(page)
    with market() as redis_url:
        with gateway(redis_url) as first:
            address = first.url("http")
            page.goto(f"{address}/#feed=sim&symbols={','.join(SYMBOLS)}")
            until(page.locator("[data-cell=state]"), "Live")
            until(cell(page, "AAPL", "bid"), ".")
            until(cell(page, "AAPL", "price"), ".")
            page.wait_for_function("() => document.querySelector('[data-cell=browser50]').textContent.endsWith('s')")
            before = received.ticks
            first.process.kill()
        until(page.locator("[data-cell=banner]"), "The connection is lost.")
        with gateway(redis_url, address.rpartition(":")[2]):
            banner = page.locator("[data-cell=banner]")
            until(banner, f"{3 * len(SYMBOLS)} streams resumed, nothing missed.")
            assert banner.get_attribute("data-tone") == "good"
            price = cell(page, "AAPL", "price")
            shown = price.inner_text()
            page.wait_for_function("([cell, shown]) => cell.textContent !== shown", arg=[price.element_handle(), shown])
            assert received.recovered >= 3 * len(SYMBOLS)
            assert received.ticks > before > 0
            assert received.faults == []
            assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"
            assert page.locator("[data-cell=gaps]").inner_text() == "0"


@pytest.mark.timeout(120)
def test_the_page_returns_stamps_and_the_gateway_measures_the_way(page: Any) -> None:
    with market() as redis_url, gateway(redis_url) as service:
        page.goto(f"{service.url('http')}/#feed=sim&symbols={','.join(SYMBOLS)}")
        until(page.locator("[data-cell=state]"), "Live")
        until(cell(page, "AAPL", "bid"), ".")
        admin = service.url("http", "admin")
        for _ in range(100):
            if echoes(admin) >= 2:
                break
            page.wait_for_timeout(200)
        assert echoes(admin) >= 2
        assert page.locator("[data-cell=log] [data-tone=bad]").count() == 0
        assert page.complaints == []
