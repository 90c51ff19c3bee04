"""A thousand clients, of which fifty never read: what the others notice of it, and what it costs the gateway.

    python -m tests.soak.stalled --rounds 5 --seconds 60

Rounds without and with clients that never read take turns, each on processes of its own. Prints a table and the ratio
of the medians; exit code 0 if nobody missed anything and the gateway's memory kept to its bound.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from typing import Any

from feed.bus.embedded import EmbeddedServer
from feed.settings import Gateway
from tests.integration.service import Service, running

MIB = 1 << 20
# The process itself, 1,000 clients and their watchlists, and what it keeps for clients that resume.
BASE_BYTES = 200 * MIB


def metric(gateway: Service, name: str) -> float:
    with urllib.request.urlopen(f"{gateway.url('http', 'admin')}/metrics", timeout=10) as answer:
        found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", answer.read().decode(), re.MULTILINE)
    return sum(map(float, found))


def play(clients: int, stalled: int, seconds: float, ticks_per_s: float, seed: int) -> dict[str, Any]:
    """One round; the gateway's largest resident memory, in bytes, is added to what the clients saw."""
    with ExitStack() as stack:
        redis = stack.enter_context(EmbeddedServer())
        common = ("--redis", redis.url, "--admin-port", "0")
        gateway = stack.enter_context(running("listening", "gateway", "--port", "0", "--feeds", "sim", *common))
        ingest = ("ingest", "sim", "--symbols-count", "500", "--rate", str(ticks_per_s), *common)
        stack.enter_context(running("publishing", *ingest, environment={"FEED_SIM__BURST_FACTOR": "1"}))
        time.sleep(2.0)  # every symbol has ticked
        readers = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.readers", f"{gateway.url('http').replace('http', 'ws')}/v2/sim",
             "--clients", str(clients), "--stalled", str(stalled), "--seconds", str(seconds), "--seed", str(seed)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        memory = 0.0
        while readers.poll() is None:
            time.sleep(1.0)
            memory = max(memory, metric(gateway, "process_resident_memory_bytes"))
        assert readers.stdout is not None
        heard: dict[str, Any] = json.loads(readers.stdout.read())
        heard["memory_bytes"] = memory
        heard["cut_off"] = int(metric(gateway, "feed_gateway_slow_clients_total"))
        return heard


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--stalled", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ticks-per-s", type=float, default=2_000.0)
    asked = parser.parse_args()
    bound = BASE_BYTES + asked.stalled * Gateway().outbox_bytes
    rounds: dict[int, list[dict[str, Any]]] = {0: [], asked.stalled: []}
    print("round stalled messages/s holes repeats conflated  p50 ms   p99 ms  memory MiB  warned and cut off")
    for number in range(asked.rounds):
        for stalled, found in rounds.items():
            heard = play(asked.clients, stalled, asked.seconds, asked.ticks_per_s, number)
            found.append(heard)
            delay = heard["delay_ms"]
            print(
                f"{number + 1:5} {stalled:7} {heard['messages_per_s']:10,} {heard['holes']:5} {heard['repeats']:7}"
                f" {heard['conflated']:9} {delay['p50']:7.1f} {delay['p99']:8.1f} {heard['memory_bytes'] / MIB:11.0f}"
                f" {heard['cut_off']:19}",
                flush=True,
            )
    without, with_them = (
        statistics.median(heard["delay_ms"]["p99"] for heard in found) for found in rounds.values()
    )  # fmt: skip
    print(f"p99, median of rounds: {without:.1f} ms without, {with_them:.1f} ms with: {with_them / without:.2f} times")
    every = [heard for found in rounds.values() for heard in found]
    faults = [fault for heard in every for fault in heard["faults"]]
    missed = sum(heard["holes"] + heard["repeats"] + heard["gaps"] + heard["closed"] for heard in every)
    print(f"memory bound {bound / MIB:.0f} MiB; faults {faults}")
    raise SystemExit(0 if not missed and all(heard["memory_bytes"] < bound for heard in every) else 1)


if __name__ == "__main__":
    main()
