"""All that dashboards ask of a Prometheus, and what of it brings nothing."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.observed.expressions import ROOT, RULES, expressions, substituted
from tests.observed.prometheus import Prometheus, QueryError, Series

FOLDER: Final = ROOT / "grafana" / "dashboards"
DASHBOARDS: Final[dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
# grafana.boards.query.or_zero puts it before the 0 that stands for what never happened.
OTHERWISE: Final = " or on () "


def recording(folder: Path) -> list[Path]:
    """The rules that dashboards rest on, without the alerts, as files of a folder; what is made every few minutes is
    made each second."""
    paths = [folder / name for name in ("recording.yml", "slo.yml")]
    for path in paths:
        path.write_text(re.sub(r"interval: \d+m\b", "interval: 1s", (RULES / path.name).read_text()))
    return paths


class Result(NamedTuple):
    """Of one dashboard: how many panels and expressions it has, which of these are refused (why) and which are empty.
    `never` are those that are 0 only because the metric has no series."""

    panels: int
    expressions: int
    errors: dict[str, str]
    empty: set[str]
    never: set[str]


Ask = Callable[[str], list[Series]]


def ask(prometheus: Prometheus, window_s: float, at_s: float | None = None) -> Ask:
    """Asks as Grafana does, about a window that ends now or at a Unix time, of all namespaces, feeds and pods."""

    window = f"{round(window_s * 1_000)}ms"

    def asked(expression: str) -> list[Series]:
        return prometheus.query(substituted(expression, window, window), at_s)

    return asked


def all_of(dashboard: dict[str, Any], asked: Ask) -> Result:
    errors: dict[str, str] = {}
    empty, never = set(), set()
    asks = list(expressions(dashboard))
    for where, expression in asks:
        try:
            if not _tells(asked(expression)):
                empty.add(where)
            if OTHERWISE in expression and not _tells(asked(expression.partition(OTHERWISE)[0])):
                never.add(where)
        except QueryError as error:
            errors[where] = str(error)
    panels = sum(panel["type"] != "row" for panel in dashboard["panels"])
    return Result(panels, len(asks), errors, empty, never)


def _tells(series: list[Series]) -> bool:
    return any(not math.isnan(each.value) for each in series)
