"""A gateway is killed, and all its clients resume at another one that has just started: what that costs Redis.

    python -m tests.soak.storm --clients 5000 --symbols-each 10

Each client holds trades and quotes of its symbols (so 10 symbols are 20 streams), checks that every number follows the
one before, over the change of gateways too. Prints one JSON object, with the calls that Redis counted.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import sys
import time
import urllib.request
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import uvloop

from feed.bus.embedded import EmbeddedServer, ask
from tests.integration.service import Service, running
from tests.soak.readers import Reading
from tests.soak.tally import Tally

SPREAD_S = 2.0  # over which clients come back, as those that jitter do


def calls(port: int) -> dict[str, int]:
    """How often each command was called."""
    reply = ask(port, b"INFO commandstats").decode()
    return {name: int(count) for name, count in re.findall(r"cmdstat_([\w|]+):calls=(\d+)", reply)}


async def come(
    gateway: Service, index: int, symbols: list[str], tally: Tally, spread_s: float, since: Reading | None
) -> Reading:
    await asyncio.sleep(random.random() * spread_s)
    url = urlsplit(gateway.url("http"))
    _, protocol = await asyncio.get_running_loop().create_connection(
        lambda: Reading(url.netloc, "/v2/sim", symbols, tally, index % 20 == 0, since), url.hostname, url.port
    )
    await protocol.ready
    return protocol


async def all_come(
    gateway: Service, chosen: list[list[str]], tally: Tally, spread_s: float, before: list[Reading] | None = None
) -> list[Reading]:
    return list(
        await asyncio.gather(
            *(
                come(gateway, index, symbols, tally, spread_s, before[index] if before else None)
                for index, symbols in enumerate(chosen)
            )
        )
    )


async def storm(redis: EmbeddedServer, first: Service, second: Service, clients: int, each: int) -> dict[str, Any]:
    names = await asyncio.to_thread(_symbols, first)
    chosen = [random.sample(names, each) for _ in range(clients)]
    tally, began = Tally(), time.monotonic()
    reading = await all_come(first, chosen, tally, clients / 1_000)
    connected_s = time.monotonic() - began
    print(f"{clients} connected in {connected_s:.1f} s", file=sys.stderr)
    await asyncio.sleep(3.0)
    for protocol in reading:
        protocol.leave()  # as far as the client knows; the kill that follows is what a crash looks like
    first.process.send_signal(signal.SIGKILL)
    before, delivered = calls(redis.port), tally.messages
    began = time.monotonic()
    back = await all_come(second, chosen, tally, SPREAD_S, reading)
    resumed_s = time.monotonic() - began
    await asyncio.sleep(3.0)
    after = calls(redis.port)
    for protocol in back:
        protocol.leave()
    spent = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    return {
        "clients": clients, "streams_each": 2 * each, "connected_in_s": round(connected_s, 1),
        "resumed_in_s": round(resumed_s, 1), "after_resume": tally.messages - delivered,
        "not_recovered": sum(protocol.not_recovered for protocol in back), **tally.report(), "redis_calls": spent,
    }  # fmt: skip


def _symbols(gateway: Service) -> list[str]:
    with urllib.request.urlopen(gateway.url("http") + "/v2/sim/symbols", timeout=10) as answer:
        return list(json.load(answer)["symbols"])


def run(clients: int, each: int, symbols: int, rate: float) -> dict[str, Any]:
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedServer())
        common = ("--redis", redis.url, "--admin-port", "0")
        gateways = [
            stack.enter_context(running("listening", "gateway", "--port", "0", "--feeds", "sim", *common)) for _ in "12"
        ]
        ingest = ("ingest", "sim", "--symbols-count", str(symbols), "--rate", str(rate), *common)
        stack.enter_context(running("publishing", *ingest))
        time.sleep(2.0)
        return uvloop.run(storm(redis, *gateways, clients, each))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--symbols-each", type=int, default=10)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--rate", type=float, default=200.0)
    asked = parser.parse_args()
    print(json.dumps(run(asked.clients, asked.symbols_each, asked.symbols, asked.rate)))


if __name__ == "__main__":
    main()
