"""Every metric as Prometheus itself reads it: checked by promtool, scraped by a real server with its exemplars."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import REGISTRY

from feed import metrics
from feed.admin import Admin
from feed.core.ticks import NS_PER_S
from feed.gateway.forms import Segment
from feed.gateway.message import Message
from feed.gateway.meters import Counting
from feed.lifecycle import dies_with_parent
from tests.gateway.hub_stage import EPOCH, T0, stream, tick

FEED = "scrapetest"
PATIENCE_S = 20.0
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: feed, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""
Answer = dict[str, Any]


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on the PATH: it comes with Prometheus")
    return found


def count_something() -> None:
    """Two deliveries of 30 ms, one whose clocks are apart, and a child of each counter that takes labels."""
    meters = Counting(FEED, now_ns=lambda: T0 + 30_000_000)
    for ts_pub, deliveries in ((T0, 2), (T0 + NS_PER_S, 1)):
        message = Message(EPOCH, 7, tick(stream("A"), 7), ts_pub, T0)
        meters.stamp([Segment(1, b"", [message])], 1, deliveries)
        meters.written(deliveries, 100 * deliveries, deliveries)
    meters.flushed(0.001)
    for of in vars(metrics).values():
        labels = getattr(of, "label_names", None) or getattr(of, "_labelnames", None)
        if labels:
            of.labels(*[FEED] * len(labels))


async def text(port: int) -> str:
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return await answer.text()


def test_promtool_finds_nothing_to_say() -> None:
    promtool = program("promtool")
    count_something()

    async def main() -> str:
        async with Admin("127.0.0.1", 0, str) as admin:
            return await text(admin.port)

    found = asyncio.run(main())
    assert found.count("# TYPE feed_") > 60
    done = subprocess.run([promtool, "check", "metrics"], input=found, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@asynccontextmanager
async def prometheus(folder: Path, port: int) -> AsyncIterator[str]:
    """A Prometheus that scrapes what listens at a port; its address."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(port=port))
    server = await asyncio.create_subprocess_exec(
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage", "--log.format=json",
        stderr=asyncio.subprocess.PIPE, preexec_fn=dies_with_parent(),
    )  # fmt: skip
    assert server.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (line := json.loads(await server.stderr.readline())).get("msg") != "Listening on":
                pass
        yield f"http://{line['address']}/api/v1"
    finally:
        server.kill()
        await server.communicate()


async def answered(session: ClientSession, address: str, **question: str) -> list[Answer]:
    """What a question brings, asked until it is something."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with session.get(address, params=question) as answer:
                data = (await answer.json())["data"] if answer.status == 200 else []  # 503 while it starts
                found: list[Answer] = data["result"] if isinstance(data, dict) else data
                if found:
                    return found
            await asyncio.sleep(0.1)


def test_prometheus_takes_histograms_negative_delays_and_exemplars(tmp_path: Path) -> None:
    program("prometheus")
    count_something()
    hop = f'{{feed="{FEED}",hop="publish_to_socket"}}'

    async def main() -> None:
        async with (
            Admin("127.0.0.1", 0, str) as admin,
            prometheus(tmp_path, admin.port) as address,
            ClientSession() as session,
        ):
            query = f"{address}/query"
            (count,) = await answered(session, query, query=f"feed_hop_delay_seconds_count{hop}")
            counted = REGISTRY.get_sample_value(
                "feed_hop_delay_seconds_count", {"feed": FEED, "hop": "publish_to_socket"}
            )
            assert float(count["value"][1]) == counted
            middle = f"histogram_quantile(0.5, feed_hop_delay_seconds_bucket{hop})"
            (delay,) = await answered(session, query, query=middle)
            assert 0.025 <= float(delay["value"][1]) <= 0.04
            (negative,) = await answered(session, query, query=f"feed_hop_negative_total{hop}")
            assert float(negative["value"][1]) >= 1
            # on a machine that stands still, a scrape is late now and then
            await answered(session, query, query="up == 1")
            exemplars = await answered(
                session, f"{address}/query_exemplars", query=f"feed_hop_delay_seconds_bucket{hop}",
                start=str(T0 / NS_PER_S - 60), end="4e9",
            )  # fmt: skip
            found = [each for series in exemplars for each in series["exemplars"]]
            assert {each["labels"]["stream"] for each in found} == {f"{FEED}:trades:A"}
            assert {each["labels"]["seq"] for each in found} == {"7"}
            assert sorted({float(each["value"]) for each in found}) == [-0.97, 0.03]

    asyncio.run(main())
