"""Panels of each kind, as Grafana's JSON: what they have in common is said here, once."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana.boards.limits import NO_LIMITS, Limits
from grafana.boards.query import Query

Json = dict[str, Any]

SECONDS: Final = "s"
BYTES: Final = "bytes"
BYTES_PER_S: Final = "Bps"
SHARE: Final = "percentunit"
COUNT: Final = "short"
WORD: Final = "none"

DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RUNBOOK: Final = "deploy/RUNBOOK.md#"
NOTHING: Final = "no data"


def per_s(what: str) -> str:
    """The unit of so many a second."""
    return f"count:{what}/s"


def panel(
    kind: str,
    title: str,
    says: str,
    do: str,
    queries: Sequence[Query],
    unit: str,
    *,
    limits: Limits = NO_LIMITS,
    alerts: Sequence[str] = (),
    see: Sequence[str] = (),
    width: int,
    height: int,
    decimals: int | None = None,
    state: Mapping[int, tuple[str, str]] | None = None,
    least: float | None = None,
    every: str = "",
    **more: Any,
) -> Json:
    """`says` is what it shows, `do` what to do when it is red or odd. `alerts` are those whose thresholds its limits
    are: each has a heading in the runbook. `see` are uids of dashboards that tell more. `state` gives values a word and
    a colour. `every` is the shortest step, of what is told more rarely than it is scraped. `more` are the kind's own
    keys."""
    defaults: Json = {
        "unit": unit,
        "color": {"mode": "thresholds" if kind != "timeseries" else "palette-classic"},
        "thresholds": steps(limits),
        "mappings": [_mapping(state)] if state else [],
        "noValue": NOTHING,
        "custom": more.pop("custom", {}),
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    if least is not None:
        defaults["min"] = least
    return {
        "type": kind,
        **({"interval": every} if every else {}),
        "title": title,
        "description": _description(says, do, alerts),
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "links": [link(uid) for uid in see],
        "targets": [
            _target(query, letter, more.get("format", "time_series"))
            for query, letter in zip(queries, LETTERS, strict=False)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        "transformations": more.pop("transformations", []),
        "options": more.pop("options"),
    }


def stat(title: str, says: str, do: str, *queries: Query, unit: str, width: int = 4, **more: Any) -> Json:
    """A traffic light: the last value, on its colour; several are next to each other, by their names."""
    now = [query._replace(now=True) for query in queries]
    names = "value_and_name" if any(query.legend for query in queries) else "value"
    options = {
        "reduceOptions": _last(), "colorMode": "background", "graphMode": "none", "justifyMode": "auto",
        "orientation": "auto", "textMode": names, "wideLayout": True, "showPercentChange": False,
    }  # fmt: skip
    return panel("stat", title, says, do, now, unit, width=width, height=4, options=options, **more)


def lines(
    title: str, says: str, do: str, *queries: Query, unit: str, width: int = 8, stacked: bool = False, **more: Any
) -> Json:
    """A graph over time. Its limits are drawn as lines; of a share and of what can't be negative it begins at 0."""
    limited = len(more.get("limits", ())) > 1
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 40 if stacked else 5, "showPoints": "never",
        "spanNulls": False, "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if limited else "off"}, "axisPlacement": "auto", "axisSoftMin": 0,
    }  # fmt: skip
    options = {
        "legend": {
            "showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"],
        },
        "tooltip": {"mode": "multi", "sort": "none" if stacked else "desc"},
    }  # fmt: skip
    more.setdefault("height", 8)
    return panel("timeseries", title, says, do, queries, unit, width=width, custom=custom, options=options, **more)


def heat(title: str, says: str, do: str, query: Query, *, unit: str, width: int = 16, **more: Any) -> Json:
    """How a histogram's buckets fill over time. `query` brings cumulative buckets by `le`."""
    options = {
        "calculate": False, "cellGap": 1, "rowsFrame": {"layout": "auto", "value": "deliveries"},
        "color": {
            "mode": "scheme", "scheme": "Turbo", "scale": "exponential", "exponent": 0.5, "steps": 64,
            "reverse": False, "fill": "dark-orange",
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"}, "filterValues": {"le": 1e-9}, "legend": {"show": True},
        "showValue": "never", "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
        "yAxis": {"axisPlacement": "left", "unit": unit, "reverse": False}, "cellValues": {"unit": COUNT},
    }  # fmt: skip
    told = query._replace(legend="{{le}}")
    return panel(
        "heatmap", title, says, do, [told], unit, width=width, height=9, options=options, format="heatmap",
        custom={"scaleDistribution": {"type": "linear"}}, **more,
    )  # fmt: skip


def table(
    title: str, says: str, do: str, *columns: Query, unit: str, width: int = 8, height: int = 9, **more: Any
) -> Json:
    """The last values, a column for each query by its legend, a row for each set of labels."""
    now = [query._replace(now=True) for query in columns]
    names = {f"Value #{letter}": query.legend for query, letter in zip(columns, LETTERS, strict=False)}
    if len(columns) == 1:
        names = {"Value": columns[0].legend}
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}},
    ]
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0, "footer": {"show": False, "reducer": []}}
    custom = {"align": "auto", "cellOptions": {"type": "color-text"}, "inspect": False}
    return panel(
        "table", title, says, do, now, unit, width=width, height=height, options=options, format="table",
        custom=custom, transformations=transformations, **more,
    )  # fmt: skip


def bars(
    title: str, says: str, do: str, *queries: Query, unit: str, width: int = 8, height: int = 8, **more: Any
) -> Json:
    """The last values as bars, one below the other."""
    options = {
        "reduceOptions": _last(), "displayMode": "basic", "orientation": "horizontal", "showUnfilled": True,
        "valueMode": "color", "namePlacement": "auto", "sizing": "auto", "minVizWidth": 8, "minVizHeight": 16,
        "maxVizHeight": 300,
    }  # fmt: skip
    now = [query._replace(now=True) for query in queries]
    return panel("bargauge", title, says, do, now, unit, width=width, height=height, options=options, **more)


def named(name: str, **properties: Any) -> Json:
    """An override of what a panel says of one of its values; keys are Grafana's, with _ for a dot."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("_", "."), "value": value} for key, value in properties.items()],
    }


def steps(limits: Limits) -> Json:
    """Limits as Grafana has them."""
    return {"mode": "absolute", "steps": [step._asdict() for step in limits]}


def link(uid: str) -> Json:
    """To another dashboard, with the variables and the time that are shown."""
    return {
        "title": uid.removeprefix("feed-"),
        "url": f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}",
        "targetBlank": False,
    }


def _description(says: str, do: str, alerts: Sequence[str]) -> str:
    parts = [says, f"What to do: {do}"]
    if alerts:
        parts.append("Runbook: " + ", ".join(f"{RUNBOOK}{name.lower()}" for name in alerts))
    return "\n\n".join(parts)


def _target(query: Query, letter: str, form: str) -> Json:
    return {
        "refId": letter, "datasource": DATASOURCE, "expr": query.expr, "legendFormat": query.legend or "__auto",
        "editorMode": "code", "format": form, "instant": query.now, "range": not query.now,
        "exemplar": query.exemplars,
    }  # fmt: skip


def _mapping(state: Mapping[int, tuple[str, str]]) -> Json:
    options = {
        str(value): {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(state.items())
    }
    return {"type": "value", "options": options}


def _last() -> Json:
    return {"calcs": ["lastNotNull"], "fields": "", "values": False}
