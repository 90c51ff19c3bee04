"""Dashboards as Grafana takes them, by their text: made of their tables, whole, and true to metrics and rules."""

import itertools
import json
import math
import re
from collections import Counter
from typing import Any

import pytest

from grafana.boards.files import BOARDS, texts
from tests.observed.expressions import (
    EVERYWHERE,
    ROOT,
    RULES,
    alerts,
    expressions,
    known,
    made_labels,
    panels,
    said,
    variables,
)

FOLDER = ROOT / "grafana" / "dashboards"
Json = dict[str, Any]

# What Grafana's own schema says of each kind's options, and of a graph's fields (its packages/grafana-schema).
OPTIONS = {
    "stat": "reduceOptions orientation text colorMode graphMode justifyMode textMode showPercentChange wideLayout",
    "timeseries": "legend tooltip timezone",
    "heatmap": "calculate calculation cellGap cellRadius cellValues color exemplars filterValues legend rowsFrame "
    "showValue tooltip yAxis",
    "bargauge": "reduceOptions orientation text displayMode maxVizHeight minVizHeight minVizWidth namePlacement "
    "showUnfilled sizing valueMode",
    "table": "cellHeight footer frameIndex showHeader showTypeIcons sortBy",
}
FIELDS = {
    "timeseries": "drawStyle lineWidth fillOpacity showPoints spanNulls stacking thresholdsStyle axisPlacement "
    "axisSoftMin axisSoftMax scaleDistribution",
    "heatmap": "scaleDistribution hideFrom",
    "table": "align cellOptions inspect",
}
UNITS = {"s", "bytes", "Bps", "percentunit", "short", "none"}

DASHBOARDS: dict[str, Json] = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
each = pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS.keys())
PANELS = [
    pytest.param(panel, id=f"{name}:{panel['title']}") for name, board in DASHBOARDS.items() for panel in panels(board)
]
each_panel = pytest.mark.parametrize("panel", PANELS)


def test_the_files_are_what_their_tables_make() -> None:
    """`python -m grafana.boards` was run after the last change of a table."""
    found = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert found == texts()


def test_there_are_four_of_them() -> None:
    assert set(DASHBOARDS) == {"overview.json", "ingest.json", "gateway.json", "redis-and-bus.json"}
    assert len({board["uid"] for board in DASHBOARDS.values()}) == 4
    assert all(8 <= len(board["uid"]) <= 40 for board in DASHBOARDS.values())
    assert all(board["schemaVersion"] >= 39 for board in DASHBOARDS.values())


@each
def test_panels_lie_beside_each_other(board: Json) -> None:
    ids = Counter(panel["id"] for panel in board["panels"])
    assert max(ids.values()) == 1
    taken = Counter(
        cell
        for panel in board["panels"]
        for place in [panel["gridPos"]]
        for cell in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    )
    assert max(taken.values()) == 1
    assert max(x for x, _ in taken) < 24
    titles = Counter(panel["title"] for panel in board["panels"])
    assert [title for title, times in titles.items() if times > 1] == []


@each
def test_variables_are_those_of_every_dashboard_and_lead_from_one_to_the_next(board: Json) -> None:
    defined = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(defined) == ["datasource", "namespace", "feed", "pod"]
    assert all(defined[name]["allValue"] == ".*" and defined[name]["multi"] for name in ("namespace", "feed", "pod"))
    assert variables(json.dumps(board["panels"])) | variables(json.dumps(board["annotations"])) <= set(defined)
    uids = {other["uid"] for other in DASHBOARDS.values()}
    assert {link["url"] for link in board["links"]} == {f"/d/{uid}" for uid in uids - {board["uid"]}}
    assert all(link["includeVars"] and link["keepTime"] for link in board["links"])


@each_panel
def test_a_panel_says_what_it_shows_and_what_to_do(panel: Json) -> None:
    what, _, do = panel["description"].partition("\n\nWhat to do: ")
    assert len(what) > 20
    assert len(do) > 20
    unit = panel["fieldConfig"]["defaults"]["unit"]
    assert unit in UNITS or unit.startswith("count:")
    assert panel["links"]
    for link in panel["links"]:
        uid, _, query = link["url"].removeprefix("/d/").partition("?")
        assert uid in {board["uid"] for board in DASHBOARDS.values()}
        assert query == "${__url_time_range}&${__all_variables}"


@each_panel
def test_a_panel_is_of_grafanas_schema(panel: Json) -> None:
    kind = panel["type"]
    assert set(panel["options"]) <= set(OPTIONS[kind].split())
    assert set(panel["fieldConfig"]["defaults"]["custom"]) <= set(FIELDS.get(kind, "").split())
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps[0]["value"] is None
    assert [step["value"] for step in steps[1:]] == sorted(step["value"] for step in steps[1:])
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == sorted(set(letters))
    assert letters
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"]
        assert target["instant"] is not target["range"]
        assert target["format"] == {"heatmap": "heatmap", "table": "table"}.get(kind, "time_series")


@each
def test_what_is_asked_for_is_there(board: Json) -> None:
    """Each metric is one of METRICS.md, of a recording rule or of every process; each label one of that metric's."""
    for where, expression in expressions(board):
        found = said(expression)
        assert found.asked, where
        for metric, labels in found.asked:
            assert metric in known(), f"{where}: no metric {metric}"
            assert labels <= known()[metric] | EVERYWHERE, f"{where}: {metric} has no {labels - known()[metric]}"
        all_labels = EVERYWHERE.union(*(known()[metric] for metric, _ in found.asked), made_labels(expression))
        assert found.grouped <= all_labels, f"{where}: nothing has {found.grouped - all_labels}"


@each_panel
def test_a_legend_names_labels_that_are_left(panel: Json) -> None:
    for target in panel["targets"]:
        named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        found = said(target["expr"])
        if re.match(r"(sum|max|min)\(", target["expr"]):
            assert named == set(), target["expr"]
        all_labels = EVERYWHERE.union(*(known()[metric] for metric, _ in found.asked))
        assert named <= all_labels, f"nothing has {named - all_labels}"
        by = re.findall(r"\bby \(([^)]*)\)", target["expr"])
        if by:
            assert named <= {label for labels in by for label in re.split(r",\s*", labels)}, target["expr"]


@each_panel
def test_red_is_where_the_alert_is(panel: Json) -> None:
    """A panel that names an alert of the runbook turns red at that alert's threshold."""
    _, _, names = panel["description"].partition("Runbook: ")
    if not names:
        return
    by_anchor = {name.lower(): name for name in alerts()}
    found = thresholds(panel)
    for anchor in re.findall(r"RUNBOOK\.md#(\w+)", names):
        assert anchor in by_anchor, f"no alert {anchor}"
        alert = alerts()[by_anchor[anchor]]
        assert any(red(kind, value) & found for kind, value in compared(alert)), (alert, found)


def thresholds(panel: Json) -> set[float]:
    """All at which it changes colour, for whatever value."""
    config = panel["fieldConfig"]
    own = [config["defaults"]["thresholds"]]
    own += [
        change["value"] for each in config["overrides"] for change in each["properties"] if change["id"] == "thresholds"
    ]
    return {round(step["value"], 9) for limits in own for step in limits["steps"][1:]}


def compared(expression: str) -> list[tuple[str, float]]:
    """What an alert's values are compared with, and how. A number may be a product."""
    number = r"[\d.]+(?:e-?\d+)?"
    found = re.findall(rf"(>=|<=|==|>|<)\s*(?>({number}(?:\s*\*\s*{number})*))(?!\s*\*)", expression)
    return [(kind, math.prod(map(float, words.split("*")))) for kind, words in found]


def red(kind: str, value: float) -> set[float]:
    """Where a panel's colour may change for it. Above 0, and 0 itself, are told apart at 1 of what is counted; a panel
    may show the share that is well in place of the one that is not."""
    return {1.0} if value == 0 and kind in (">", "==") else {round(value, 9), round(1 - value, 9)}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('a{x!="1"} > 0.1', [(">", 0.1)]),
        ("a > 14.4 * 0.0001 and b < 256 * 1024 * 1024", [(">", 14.4 * 0.0001), ("<", 256 * 1024 * 1024)]),
        ("a == 0 and b > 0.05 * sum(c)", [("==", 0.0)]),
    ],
)
def test_what_an_alert_is_compared_with(expression: str, found: list[tuple[str, float]]) -> None:
    assert compared(expression) == found


def test_each_alert_has_a_panel_that_turns_red_with_it() -> None:
    named = {
        anchor
        for board in DASHBOARDS.values()
        for panel in panels(board)
        for anchor in re.findall(r"RUNBOOK\.md#(\w+)", panel["description"])
    }
    # nothing is shown where nothing is scraped
    assert {name for name in alerts() if name.lower() not in named} == {"FeedMetricsAbsent"}


def test_provisioning_takes_its_two_places_from_the_environment() -> None:
    folder = ROOT / "grafana" / "provisioning"
    found = {path.parent.name: path.read_text() for path in folder.glob("*/*.yaml")}
    assert {name: re.findall(r"\$\{(\w+)\}", text) for name, text in found.items()} == {
        "datasources": ["PROMETHEUS_URL"],
        "dashboards": ["FEED_DASHBOARDS"],
    }
    assert all(text.count("apiVersion: 1\n") == 1 for text in found.values())


def test_each_metric_is_shown_somewhere() -> None:
    """What nobody looks at need not be counted."""
    shown = {
        metric for board in DASHBOARDS.values() for _, text in expressions(board) for metric, _ in said(text).asked
    }
    rules = " ".join(path.read_text() for path in RULES.glob("*.yml"))
    # a histogram's buckets say how many there are, too
    missing = {
        name for name in known()
        if name.startswith("feed_") and name not in shown and not name.endswith("_count") and name not in rules
    }  # fmt: skip
    assert missing == set()
    assert len(BOARDS) == 4


@each_panel
def test_a_log_event_that_a_panel_names_is_one(panel: Json) -> None:
    events = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "feed" / "LOGS.md").read_text(), re.MULTILINE))
    assert set(re.findall(r"\blog\b[^.]*\(([a-z]+_[a-z_]+)\)", panel["description"])) <= events
