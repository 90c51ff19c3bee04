"""Faults of the running service, and the alerts that they raise in a real Prometheus: the right ones, and no others."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.observed.faults import FAULTS, Fault
from tests.observed.judging import LATE, Stalls, complaints
from tests.observed.prometheus import Prometheus
from tests.observed.readers import Reader
from tests.observed.rulebook import write_shortened
from tests.observed.runbook import headings
from tests.observed.stage import CREW, GUARDED, Stage, stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(480)]

# A minute of the rules is a second here, and nothing takes longer than ten: what fires after a day ends as soon.
BY = 60.0
MOST_S = 10.0
EVERY_S = 1.0
CALM_S = 12.0
QUIET_S = 2.0
FIRES_WITHIN_S = 30.0
MENDS_WITHIN_S = 45.0
SETTINGS = {
    # what the service itself waits for, shortened as the rules are
    "FEED_INGEST__STALE_AFTER_S": "2",
    "FEED_INGEST__BACKOFF_MAX_S": "1",
    "FEED_GATEWAY__SLOW_NOTICE_S": "0.5",
    "FEED_GATEWAY__SLOW_CLOSE_S": "20",
}
# So many bytes that who reads none of them has full buffers within seconds.
TICKS_PER_S = 1_500.0


class Steady(Reader):
    """Comes back wherever it was let go."""

    async def run(self) -> None:
        while True:
            try:
                await super().run()
            except (OSError, ConnectionClosed, InvalidHandshake):
                self.got["lost"] += 1
            await asyncio.sleep(0.3)


class Told(NamedTuple):
    fault: Fault
    fired: dict[str, float]
    """Seconds from the fault to each alert."""
    resolved_s: float
    """From its mending to when nothing fired."""
    excused: frozenset[str]
    said: list[str]


def firing(prometheus: Prometheus) -> set[str]:
    return {alert["labels"]["alertname"] for alert in prometheus.alerts()}


def fired(prometheus: Prometheus, since_s: float) -> dict[str, float]:
    """Which alerts fired since, and after how many seconds."""
    found: dict[str, float] = {}
    for series in prometheus.query_range('ALERTS{alertstate="firing"}', since_s, time.time(), EVERY_S / 2):
        name, after_s = series.labels["alertname"], series.values[0][0] - since_s
        found[name] = min(found.get(name, after_s), after_s)
    return found


def await_calm(prometheus: Prometheus, calm_s: float, within_s: float) -> float:
    """Waits until nothing fired for a while; answers the Unix time at which that began."""
    end, since = time.monotonic() + within_s, time.time()
    while time.time() - since < calm_s:
        if now := firing(prometheus):
            assert time.monotonic() < end, f"never calm: {sorted(now)} fire"
            since = time.time()
        time.sleep(0.2)
    return since


def suffer(on: Stage, fault: Fault, stalls: Stalls) -> Told:
    """Injects a fault, and mends it when the alerts that it must raise have fired."""
    since_s = time.time()
    context = fault.inject(on)
    try:
        end = time.monotonic() + FIRES_WITHIN_S
        while not set(fault.alerts) <= set(fired(on.prometheus, since_s)) and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        fault.mend(on, context)
    mended_s = time.time()
    calm_s = await_calm(on.prometheus, QUIET_S, MENDS_WITHIN_S)
    found = fired(on.prometheus, since_s)
    heading = headings()[fault.alerts[0]]
    excused = LATE & found.keys() - heading.fires_with if stalls.between(since_s - MOST_S, calm_s) else frozenset()
    said = complaints(fault.alerts, found, heading.fires_with | excused)
    return Told(fault, found, max(0.0, calm_s - mended_s), frozenset(excused), said)


def table(told: list[Told]) -> str:
    lines = ["| fault | fired, after | also fired | resolved after | this machine's own |", "|---|---|---|---|---|"]
    for each in told:
        wanted = ", ".join(f"{name} {each.fired[name]:.0f} s" for name in each.fault.alerts if name in each.fired)
        also = ", ".join(sorted(each.fired.keys() - set(each.fault.alerts) - each.excused))
        own = ", ".join(sorted(each.excused))
        lines.append(f"| {each.fault.name} | {wanted} | {also} | {each.resolved_s:.0f} s | {own} |")
    return "\n".join(lines)


def test_each_fault_raises_its_alerts_and_no_others(tmp_path: Path) -> None:
    # FAULTS=redis,venue: only those, for who works on one of them
    only = os.environ.get("FAULTS", "").split(",")
    faults = [fault for fault in FAULTS if any(word.lower() in fault.name.lower() for word in only)]
    assert faults, f"no fault has one of {only} in its name"
    rules = write_shortened(tmp_path, BY, MOST_S)
    running: dict[str, Any] = {"settings": SETTINGS, "ticks_per_s": TICKS_PER_S, "every_s": EVERY_S, "audience": False}
    with stage(tmp_path, rules=rules, **running) as on, Stalls() as stalls:
        on.crowd.join(
            *(on.reader("sim", CREW, Steady, trades=["*"], stamps=True) for _ in range(3)),
            *(on.reader(feed, pod, Steady, trades=["*"]) for feed in ("sim", "binance") for pod in (CREW, GUARDED)),
        )
        await_calm(on.prometheus, CALM_S, MENDS_WITHIN_S)
        told = [suffer(on, fault, stalls) for fault in faults]
        broken = [(rule["name"], rule["lastError"]) for rule in on.prometheus.rules() if rule["health"] != "ok"]
    print("\n" + table(told))
    assert [(each.fault.name, each.said) for each in told if each.said] == []
    assert broken == []
