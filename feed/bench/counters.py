"""What a gateway says of itself: its metrics before and after, and what lies between."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

HOP: Final = "publish_to_socket"
SCRAPE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Counters:
    """A gateway's totals, of all its feeds. `hop` has cumulative counts of publish to socket, by upper bound in s."""

    messages: float
    frames: float
    bytes: float
    ticks_in: float
    flushes: float
    flush_s: float
    gaps: float
    hop: Mapping[float, float]

    def since(self, before: "Counters") -> "Counters":
        """What was counted after `before`."""
        return Counters(
            self.messages - before.messages,
            self.frames - before.frames,
            self.bytes - before.bytes,
            self.ticks_in - before.ticks_in,
            self.flushes - before.flushes,
            self.flush_s - before.flush_s,
            self.gaps - before.gaps,
            {bound: count - before.hop.get(bound, 0.0) for bound, count in self.hop.items()},
        )


def parse(text: str) -> Counters:
    """Reads what /metrics answers in Prometheus' text format."""
    totals: dict[str, float] = {}
    hop: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "feed_hop_delay_seconds_bucket" and sample.labels["hop"] == HOP:
                bound = float(sample.labels["le"])
                hop[bound] = hop.get(bound, 0.0) + sample.value
            else:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value

    def total(name: str) -> float:
        return totals.get(f"feed_gateway_{name}", 0.0)

    return Counters(
        total("messages_out_total"),
        total("frames_out_total"),
        total("bytes_out_total"),
        total("ticks_in_total"),
        total("flush_seconds_count"),
        total("flush_seconds_sum"),
        total("gaps_total"),
        hop,
    )


async def scrape_steadily(admin_port: int) -> None:
    """As a Prometheus does that wants to know each second, until cancelled. What is answered is read, and not looked
    at."""
    async with aiohttp.ClientSession(headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as session:
        while True:
            async with session.get(f"http://127.0.0.1:{admin_port}/metrics") as answer:
                answer.raise_for_status()
                await answer.read()
            await asyncio.sleep(SCRAPE_S)


async def scrape(admin_port: int) -> Counters:
    """A gateway's totals at this moment."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{admin_port}/metrics", headers={"Accept": "text/plain"}) as answer,
    ):
        return parse(await answer.text())
