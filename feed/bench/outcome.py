"""What came out: figures with their spread, scenario by scenario, and their shape in JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final, NamedTuple


class Skipped(Exception):
    """A scenario can't be run here; its text says why."""


class Figure(NamedTuple):
    """The median of the rounds, the least and the most of them."""

    median: float
    low: float
    high: float


DELAYS: Final = ("p50", "p99", "p999")
# What every scenario of the JSON has, null where it has no such figure; a dot makes an object of what lies before it.
KEYS: Final = (
    "cpu_us_per_delivery",
    "floor_us_per_delivery",
    "over_floor_ratio",
    "tutorial_us_per_delivery",
    "over_tutorial_ratio",
    "deliveries_per_s",
    "tutorial_deliveries_per_s",
    "tutorial_ticks_per_s",
    *(f"{system}delay_ms.{name}" for system in ("", "gateway_", "floor_", "tutorial_") for name in DELAYS),
    "delay_over_floor_ratio.p50",
    "delay_over_floor_ratio.p99",
    "memory_per_connection_kb",
    "handshakes_per_s",
    "gateway_cpu",
    "client_cpu",
    "client_core_cpu",
    "client_loop_delay_ms",
    "bytes_per_delivery",
    "frames_per_s",
    "flushes_per_s",
)


def figure(values: Iterable[float | None]) -> Figure | None:
    """The figure of several rounds' values; None where no round has one."""
    known = [value for value in values if value is not None]
    return Figure(median(known), min(known), max(known)) if known else None


@dataclass(slots=True)
class Outcome:
    """One scenario's figures by name. `skipped` says why it has none; `delays_ms` by system are for the picture."""

    name: str
    about: str
    clients: int = 0
    ticks_per_s: float = 0.0
    rounds: int = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""
    client_bound: bool = False
    delays_ms: dict[str, Sequence[float]] = field(default_factory=dict)

    def put(self, name: str, values: Iterable[float | None]) -> None:
        """Enters a figure by its rounds' values; nothing where there are none."""
        found = figure(values)
        if found is not None:
            self.figures[name] = found

    def median(self, name: str) -> float | None:
        found = self.figures.get(name)
        return None if found is None else found.median

    def to_json(self) -> dict[str, Any]:
        """Its shape in JSON."""
        told: dict[str, Any] = {"name": self.name, "about": self.about, "clients": self.clients}
        told |= {"ticks_per_s": self.ticks_per_s, "rounds": self.rounds}
        for key in (*KEYS, *(name for name in self.figures if name not in KEYS)):
            _put(told, key, self.median(key))
        told["client_bound"] = self.client_bound
        told["spread"] = {name: [found.low, found.high] for name, found in self.figures.items()}
        told |= {"warnings": self.warnings, "notes": self.notes, "skipped": self.skipped or None}
        return told


def _put(told: dict[str, Any], key: str, value: float | None) -> None:
    outer, _, inner = key.partition(".")
    if inner:
        told.setdefault(outer, {})[inner] = value
    else:
        told[outer] = value


def report(
    machine: Mapping[str, Any], outcomes: Sequence[Outcome], targets: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The whole run's JSON."""
    return {
        "machine": dict(machine),
        "scenarios": [outcome.to_json() for outcome in outcomes],
        "targets": [dict(target) for target in targets],
    }
