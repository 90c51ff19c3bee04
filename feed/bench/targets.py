"""What the figures should be. They are shown beside what was measured, and asserted nowhere."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from feed.bench.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for one figure of one scenario: at most `bound`, or at least where `least`."""

    scenario: str
    figure: str
    bound: float
    what: str
    unit: str = ""
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.least else value <= self.bound


def _over_floor(scenario: str, bound: float) -> Target:
    return Target(scenario, "over_floor_ratio", bound, "CPU per delivery over the floor's", "x")


def _over_tutorial(scenario: str) -> Target:
    return Target(scenario, "over_tutorial_ratio", 0.5, "CPU per delivery over the tutorial's", "x")


def _delay(scenario: str, share: str) -> Target:
    return Target(scenario, f"delay_over_floor_ratio.{share}", 2.0, f"delay {share} over the floor's", "x")


TARGETS: Final = (
    *(_over_floor(name, 1.5) for name in ("hot", "watchlist")),
    *(_over_floor(name, 3.0) for name in ("burst", "firehose")),
    *(_over_tutorial(name) for name in ("hot", "burst", "watchlist", "firehose")),
    *(_delay(name, share) for name in ("hot", "watchlist") for share in ("p50", "p99")),
    Target("crowd", "memory_per_connection_kb", 20.0, "memory of an idle connection", "kB"),
    Target("tls", "memory_per_connection_kb", 44.0, "memory of an idle connection, TLS", "kB"),
    Target("workers", "two_workers_ratio", 1.1, "CPU per delivery with two workers over one", "x"),
    Target("deflate", "bytes_ratio", 0.3, "bytes on the wire, compressed over not", "x"),
    Target("deflate", "cpu_ratio", 1.3, "CPU per delivery, compressed over not", "x"),
    Target("metrics", "on_over_off_ratio", 1.03, "CPU per delivery with metrics over without", "x"),
    Target("publish", "ticks_per_s", 100_000, "ticks/s from one worker into Redis", "/s", least=True),
    Target("intake", "us_per_tick_nobody", 5.0, "CPU per tick that nobody wants", "us"),
    Target("intake", "us_per_tick_one", 5.0, "CPU per tick that one client wants", "us"),
    Target("mixed", "gaps", 0, "gaps, numbers skipped, resumes unanswered"),
    Target("mixed", "memory_slope_mb_per_min", 1.0, "memory after the first minute", "MB/min"),  # 10 MB in the soak
)


def of(scenario: str, figure: str) -> Target | None:
    """The target of this figure, if it has one."""
    return next((target for target in TARGETS if (target.scenario, target.figure) == (scenario, figure)), None)


def judged(outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """Every target of a scenario that was run: what was measured, and whether it is met; null where it was not."""
    found = []
    for target in TARGETS:
        if (outcome := outcomes.get(target.scenario)) is not None:
            value = outcome.median(target.figure)
            found.append(asdict(target) | {"measured": value, "met": None if value is None else target.met(value)})
    return found
