"""Five hundred clients with a key, beside somebody who has none and tries two thousand times a second.

pytest -m soak -s tests/soak/test_flood.py      FLOOD_SECONDS=30 for each kind of attempt
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import uvloop

from feed.bench.cpu import cpu_ns
from feed.bus.embedded import EmbeddedServer
from feed.ingest.market import LISTINGS
from feed.lifecycle import dies_with_parent
from tests.integration.service import Service, running
from tests.soak.flood import KINDS
from tests.soak.readers import Reading
from tests.soak.tally import Tally

SECONDS = float(os.environ.get("FLOOD_SECONDS", "30"))
CLIENTS, TICKS_PER_S, ATTEMPTS_PER_S = 500, 50, 2_000
CONNECTED_AT_ONCE = 50
QUIET_S = 10.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS * 2 + 120)]


class Proven(Reading):
    """A client that presents its key with the handshake."""

    key = secret = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's are no asyncio.Transport
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: feed.v1.json\r\n"
            f"APCA-API-KEY-ID: {self.key}\r\nAPCA-API-SECRET-KEY: {self.secret}\r\n\r\n".encode()
        )


class Stage(NamedTuple):
    gateway: Service
    symbols: list[str]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedServer())
        common = ("--redis", redis.url, "--admin-port", "0")
        made = subprocess.run(
            [sys.executable, "-m", "feed", "key", "create", "--name", "desk", "--json", "--redis", redis.url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        told = json.loads(made.stdout)
        Proven.key, Proven.secret = told["key"], told["secret"]
        environment = {"FEED_AUTH__MODE": "keys", "FEED_SIM__BURST_EVERY_S": "0", "FEED_LOG__LEVEL": "error"}
        arguments = ("gateway", "--port", "0", "--feeds", "sim", *common)
        gateway = stack.enter_context(running("listening", *arguments, environment=environment))
        ingest = ("ingest", "sim", "--symbols-count", "1", "--rate", str(TICKS_PER_S), *common)
        stack.enter_context(running("publishing", *ingest, environment=environment))
        yield Stage(gateway, [LISTINGS[0].symbol])


async def connected(stage: Stage, tally: Tally) -> list[Reading]:
    url, readings = urlsplit(stage.gateway.url("http")), list[Reading]()
    for start in range(0, CLIENTS, CONNECTED_AT_ONCE):
        for index in range(start, start + CONNECTED_AT_ONCE):
            _, protocol = await asyncio.get_running_loop().create_connection(
                lambda index=index: Proven(url.netloc, "/v2/sim", stage.symbols, tally, index % 5 == 0),  # type: ignore[misc]
                url.hostname,
                url.port,
            )
            readings.append(protocol)
        await asyncio.gather(*(reading.ready for reading in readings))
    return readings


async def measured(stage: Stage, kind: str) -> dict[str, Any]:
    """Delays and CPU without a flood and with one, over the same connections."""
    tally, pid = Tally(), stage.gateway.process.pid
    readings = await connected(stage, tally)
    cpu, tally.delays_ms = cpu_ns(pid), []
    await asyncio.sleep(QUIET_S)
    quiet, quiet_cpu = tally.report(), (cpu_ns(pid) - cpu) / QUIET_S
    cpu, tally.delays_ms = cpu_ns(pid), []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.soak.flood", urlsplit(stage.gateway.url("http")).netloc,
        "--kind", kind, "--rate", str(ATTEMPTS_PER_S), "--seconds", str(SECONDS),
        stdout=asyncio.subprocess.PIPE, preexec_fn=dies_with_parent(),
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    began = loop.time()
    out, _ = await process.communicate()
    took_s = loop.time() - began
    outcomes, spent = json.loads(out), cpu_ns(pid) - cpu - quiet_cpu * took_s
    flooded = tally.report()
    for reading in readings:
        reading.leave()
    return {
        "kind": kind, "outcomes": outcomes, "us_per_attempt": round(spent / 1000 / outcomes["attempts"], 1),
        "core_quiet": round(quiet_cpu / 1e9, 3), "quiet_ms": quiet["delay_ms"], "flooded_ms": flooded["delay_ms"],
        **{name: flooded[name] for name in ("messages", "holes", "repeats", "gaps", "conflated", "closed", "faults")},
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_misses_a_tick_while_somebody_without_a_key_tries_to_get_in(stage: Stage, kind: str) -> None:
    found = uvloop.run(measured(stage, kind))
    print(json.dumps(found))
    assert found["outcomes"]["got_in"] == 0
    assert found["outcomes"]["attempts"] >= ATTEMPTS_PER_S * SECONDS / 2, "this machine could not make the attempts"
    assert [found[name] for name in ("holes", "repeats", "gaps", "closed")] == [0, 0, 0, 0], found["faults"]
    assert found["messages"] >= CLIENTS * TICKS_PER_S * SECONDS / 2
    assert stage.gateway.process.poll() is None
