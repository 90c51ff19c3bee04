"""Five hundred symbols, five thousand ticks a second, two hundred watchlists: nothing missing, memory flat.

pytest -m soak -s        SOAK_SECONDS=600 for longer than the minute that it takes by default, 45 at least
"""

import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.integration.service import running

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
CLIENTS, SYMBOLS, SYMBOLS_EACH, TICKS_PER_S = 200, 500, 20, 5_000
SAMPLES = 20
# the first burst, which comes after 15 s, is the first time that everything is as large as it gets
SETTLED_S = 20.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SECONDS * 2 + 120)]


def metrics(admin: str) -> dict[str, float]:
    """A process's metrics, summed over labels."""
    found: dict[str, float] = {}
    with urllib.request.urlopen(f"{admin}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            sample = re.fullmatch(r"(\w+)(?:\{.*\})? (\S+)", line)
            if sample:
                found[sample[1]] = found.get(sample[1], 0.0) + float(sample[2])
    return found


def test_a_minute_of_watchlists_misses_nothing_and_keeps_its_memory() -> None:
    demo = ("demo", "--port", "0", "--admin-port", "0", "--ingest-admin-port", "0")
    with running("try", *demo, "--symbols", str(SYMBOLS), "--rate", str(TICKS_PER_S)) as service:
        said = service.said
        gateway, ingest = (re.search(rf"{name}\s+(http://[^\s/]+)", said)[1] for name in ("gateway", "ingest"))  # type: ignore[index]
        url = re.search(r"ws://\S+", said)[0]  # type: ignore[index]
        audience = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.audience", url, "--clients", str(CLIENTS),
             "--symbols-each", str(SYMBOLS_EACH), "--seconds", str(SECONDS)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        samples = []
        for _ in range(SAMPLES):
            time.sleep(SECONDS / SAMPLES)
            samples.append((metrics(gateway), metrics(ingest)))
        out, _ = audience.communicate(timeout=60)
        heard = json.loads(out)
    first, last = samples[0][0], samples[-1][0]
    report(heard, samples)
    assert [heard[name] for name in ("holes", "repeats", "gaps", "closed")] == [0, 0, 0, 0], heard["faults"]
    # what the simulator was asked for is what came: no tick was left out at the source
    took = last["feed_gateway_ticks_in_total"] - first["feed_gateway_ticks_in_total"]
    assert took > 0.9 * TICKS_PER_S * SECONDS * (SAMPLES - 1) / SAMPLES
    for process in (0, 1):
        memory = [sample[process]["process_resident_memory_bytes"] for sample in samples]
        settled = memory[math.ceil(SETTLED_S / SECONDS * SAMPLES) :]
        early, late = statistics.median(settled[:4]), statistics.median(settled[-4:])
        assert late < 1.05 * early + 2**20, f"memory grew from {early / 2**20:.1f} to {late / 2**20:.1f} MiB"


def report(heard: dict[str, object], samples: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    """What was measured, for people."""
    print(f"\n{CLIENTS} clients x {SYMBOLS_EACH} of {SYMBOLS} symbols, {TICKS_PER_S} ticks/s, {SECONDS:g} s")
    print(json.dumps(heard))
    span = SECONDS * (SAMPLES - 1) / SAMPLES
    for process, name in enumerate(("gateway", "ingest")):
        cpu = samples[-1][process]["process_cpu_seconds_total"] - samples[0][process]["process_cpu_seconds_total"]
        memory = [f"{sample[process]['process_resident_memory_bytes'] / 2**20:.1f}" for sample in samples]
        print(f"{name}: {100 * cpu / span:.0f} % of a core, MiB {' '.join(memory)}")
    first, last = samples[0][0], samples[-1][0]
    for metric in ("feed_gateway_ticks_in_total", "feed_gateway_messages_out_total", "feed_gateway_bytes_out_total"):
        print(f"{metric.removeprefix('feed_gateway_')}: {(last[metric] - first[metric]) / span:,.0f} a second")
