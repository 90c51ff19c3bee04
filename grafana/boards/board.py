"""A dashboard: rows of panels laid out from left to right, the variables that all share, links to the others."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from grafana.boards.panel import DATASOURCE, Json

COLUMNS: Final = 24
SCHEMA: Final = 39
TAG: Final = "feed"

OVERVIEW: Final = "feed-overview"
INGEST: Final = "feed-ingest"
GATEWAY: Final = "feed-gateway"
REDIS: Final = "feed-redis-and-bus"
TITLES: Final = {OVERVIEW: "Overview", INGEST: "Ingest", GATEWAY: "Gateway", REDIS: "Redis and bus"}

EVERY: Final = "feed_build_info"
FED: Final = '{__name__=~"feed_ingest_connected|feed_gateway_cohorts",namespace=~"$namespace"}'
FIRING: Final = 'ALERTS{alertstate="firing",namespace=~"$namespace|"}'


class Row(NamedTuple):
    title: str
    panels: Sequence[Json]


class Board(NamedTuple):
    uid: str
    says: str
    rows: Sequence[Row]

    @property
    def file(self) -> str:
        return f"{self.uid.removeprefix('feed-')}.json"


def dashboard(board: Board) -> Json:
    """As Grafana takes it from a file."""
    return {
        "uid": board.uid,
        "title": f"feed / {TITLES[board.uid]}",
        "description": board.says,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "timepicker": {},
        "templating": {"list": _variables()},
        "annotations": {"list": [_alerts()]},
        "links": [_link(uid) for uid in TITLES if uid != board.uid],
        "panels": _laid_out(board.rows),
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    panels: list[Json] = []
    top = 0
    for row in rows:
        place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        panels.append({"type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []})
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            size = panel["gridPos"]
            if left + size["w"] > COLUMNS:
                top, left, height = top + height, 0, 0
            panels.append({**panel, "gridPos": {"x": left, "y": top, **size}})
            left, height = left + size["w"], max(height, size["h"])
        top += height
    return [{"id": number, **panel} for number, panel in enumerate(panels, 1)]


def _variables() -> list[Json]:
    source: Json = {
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {},
        "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": "",
        "skipUrlSync": False,
    }  # fmt: skip
    return [
        source,
        _variable("namespace", f"label_values({EVERY}, namespace)"),
        _variable("feed", f"label_values({FED}, feed)"),
        _variable("pod", f'label_values({EVERY}{{namespace=~"$namespace"}}, pod)'),
    ]


def _variable(name: str, query: str) -> Json:
    """Several may be chosen. All is any value at all, so that what lacks the label (no Kubernetes) is shown too."""
    return {
        "name": name, "label": name, "type": "query", "datasource": DATASOURCE, "definition": query,
        "query": {"query": query, "refId": name}, "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0,
        "includeAll": True, "allValue": ".*", "multi": True, "options": [], "refresh": 2, "regex": "", "sort": 1,
        "skipUrlSync": False,
    }  # fmt: skip


def _alerts() -> dict[str, Any]:
    return {
        "name": "Alerts", "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": "red", "expr": FIRING,
        "titleFormat": "{{alertname}}", "textFormat": "{{feed}} {{pod}}", "step": "15s", "useValueForTime": False,
    }  # fmt: skip


def _link(uid: str) -> Json:
    return {
        "title": TITLES[uid], "type": "link", "url": f"/d/{uid}", "includeVars": True, "keepTime": True,
        "targetBlank": False, "asDropdown": False, "icon": "dashboard", "tags": [], "tooltip": "",
    }  # fmt: skip
