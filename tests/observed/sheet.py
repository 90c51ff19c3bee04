"""`python -m tests.observed.sheet --out DIR`: the dashboards, drawn of a running service's numbers, to be looked at.

It is no Grafana: places, queries, units, colours and limits are those of the JSON, the drawing is matplotlib's.
"""

import argparse
import math
import tempfile
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from tests.observed.asking import DASHBOARDS, recording
from tests.observed.expressions import substituted
from tests.observed.prometheus import Prometheus, Series
from tests.observed.stage import stage

STEP_S = 1.0
RATE_S = 5
COLORS = {"green": "#56a64b", "yellow": "#e0b400", "red": "#e02f44", "text": "#8e8e8e"}
SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")),
    "bytes": ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
    "percentunit": ((0.01, "%"),),
}
Json = dict[str, Any]


class Sheet:
    """Draws panels of what a Prometheus has of a stretch of time."""

    def __init__(self, prometheus: Prometheus, start_s: float, end_s: float) -> None:
        self._prometheus = prometheus
        self._start_s, self._end_s = start_s, end_s

    def draw(self, dashboard: Json, file: Path) -> None:
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        rows = max(place["y"] + place["h"] for place in places)
        figure = plt.figure(figsize=(24, rows * 0.42), facecolor="#f4f5f5")
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            box = (place["x"] / 24 + 0.004, 1 - (place["y"] + place["h"]) / rows, place["w"] / 24, place["h"] / rows)
            if panel["type"] == "row":
                figure.text(box[0], box[1] + box[3] / 3, panel["title"], weight="bold", fontsize=12)
                continue
            axes = figure.add_axes((box[0] + 0.025, box[1] + 0.5 / rows, box[2] - 0.04, box[3] - 1.4 / rows))
            axes.set_title(panel["title"], fontsize=9, loc="left")
            getattr(self, f"_{panel['type']}")(axes, panel)
        figure.savefig(file, dpi=70)
        plt.close(figure)

    def _stat(self, axes: Axes, panel: Json) -> None:
        axes.axis("off")
        values = [
            (legend, series.value) for legend, series in self._asked(panel, now=True) if not math.isnan(series.value)
        ]
        if not values:
            axes.text(0.5, 0.5, panel["fieldConfig"]["defaults"]["noValue"], ha="center", va="center", color="#888")
        for place, (legend, value) in enumerate(values):
            config = overridden(panel, legend)
            left = place / len(values)
            axes.add_patch(plt.Rectangle((left, 0), 0.97 / len(values), 1, color=color(config, value)))
            text = "\n".join(textwrap.wrap(f"{legend} {shown(config, value)}", 16))
            axes.text(left + 0.48 / len(values), 0.5, text, ha="center", va="center", color="white", fontsize=8)

    _bargauge = _stat

    def _timeseries(self, axes: Axes, panel: Json) -> None:
        config = panel["fieldConfig"]["defaults"]
        found = self._asked(panel, now=False)
        if config["custom"]["stacking"]["mode"] == "normal":
            times = np.arange(self._start_s, self._end_s, STEP_S)
            rows = [np.interp(times, *zip(*series.values, strict=True)) for _, series in found]
            if rows:
                axes.stackplot(times, np.nan_to_num(rows), labels=[legend for legend, _ in found], alpha=0.7)
        else:
            for legend, series in found:
                axes.plot(*zip(*series.values, strict=True), label=f"{legend} {shown(config, series.value)}", lw=1)
        top = axes.get_ylim()[1]
        for step in config["thresholds"]["steps"][1:]:
            if step["value"] < top * 2:
                axes.axhline(step["value"], color=COLORS[step["color"]], lw=0.8, ls="--")
        axes.yaxis.set_major_formatter(lambda value, _: shown(config, value))
        axes.tick_params(labelsize=6, labelbottom=False)
        if found:
            axes.legend(fontsize=5.5, loc="upper left", ncol=2)

    def _heatmap(self, axes: Axes, panel: Json) -> None:
        found = sorted(self._asked(panel, now=False), key=lambda each: float(each[1].labels["le"]))
        if not found:
            return
        length = min(len(series.values) for _, series in found)
        cumulative = np.array([[value for _, value in series.values[-length:]] for _, series in found])
        axes.pcolormesh(np.diff(cumulative, axis=0, prepend=0) ** 0.5, cmap="turbo")
        axes.set_yticks(range(1, len(found) + 1, 3), [series.labels["le"] for _, series in found][::3], fontsize=6)

    def _table(self, axes: Axes, panel: Json) -> None:
        axes.axis("off")
        rows: dict[str, list[str]] = {}
        for _, series in self._asked(panel, now=True):
            name = " ".join(value for key, value in series.labels.items() if key != "__name__")
            rows.setdefault(name, []).append(shown(panel["fieldConfig"]["defaults"], series.value))
        text = "\n".join(f"{name:<28} {'  '.join(values)}" for name, values in rows.items())
        axes.text(0, 1, text, va="top", family="monospace", fontsize=7)

    def _asked(self, panel: Json, now: bool) -> list[tuple[str, Series]]:
        found = []
        for target in panel["targets"]:
            asked = substituted(target["expr"], f"{RATE_S}s", f"{round(self._end_s - self._start_s)}s")
            answers = (
                self._prometheus.query(asked, self._end_s)
                if now
                else self._prometheus.query_range(asked, self._start_s, self._end_s, STEP_S)
            )
            found += [(legend(target["legendFormat"], series.labels), series) for series in answers]
        return found


def legend(form: str, labels: Mapping[str, str]) -> str:
    if form == "__auto":
        return ""
    for name in ("feed", "pod", *labels):
        form = form.replace(f"{{{{{name}}}}}", labels.get(name, ""))
    return " ".join(form.split())


def overridden(panel: Json, name: str) -> Json:
    config = dict(panel["fieldConfig"]["defaults"])
    for change in panel["fieldConfig"]["overrides"]:
        if change["matcher"]["options"] == name:
            config |= {each["id"]: each["value"] for each in change["properties"]}
    return config


def color(config: Json, value: float) -> str:
    steps = config["thresholds"]["steps"]
    return COLORS[[step for step in steps if step["value"] is None or value >= step["value"]][-1]["color"]]


def shown(config: Json, value: float) -> str:
    for mapping in config["mappings"]:
        if f"{value:g}" in mapping["options"]:
            return str(mapping["options"][f"{value:g}"]["text"])
    unit = config["unit"]
    if unit not in SCALES:
        return f"{value:.4g} {unit.partition(':')[2]}".strip()
    fits = [(scale, name) for scale, name in SCALES[unit] if abs(value) >= scale] or [SCALES[unit][-1]]
    return f"{value / fits[0][0]:.4g} {fits[0][1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long the service runs")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        stage(Path(folder), rules=recording(Path(folder)), every_s=0.5) as on,
    ):
        time.sleep(arguments.seconds)
        end_s = time.time()
        sheet = Sheet(on.prometheus, end_s - arguments.seconds, end_s)
        for name, dashboard in DASHBOARDS.items():
            sheet.draw(dashboard, arguments.out / f"{name}.png")


if __name__ == "__main__":
    main()
