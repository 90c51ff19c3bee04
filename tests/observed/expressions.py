"""PromQL of dashboards as Grafana asks it, and what metrics and labels it names; both told from the text alone."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent.parent
TABLE: Final = ROOT / "feed" / "METRICS.md"
RULES: Final = ROOT / "deploy" / "prometheus"
# What Prometheus and the machine add to each series.
EVERYWHERE: Final = frozenset({"namespace", "pod", "job", "instance"})
# Of prometheus_client's own collectors; `worker` is of a gateway with several processes.
OF_PROCESSES: Final = {
    "process_cpu_seconds_total": frozenset({"worker"}),
    "process_resident_memory_bytes": frozenset({"worker"}),
}
OF_PROMETHEUS: Final = {"up": frozenset[str](), "ALERTS": frozenset({"alertname", "alertstate", "severity", "feed"})}
INFO: Final = {"feed_build_info": frozenset({"version", "python"})}
WORDS: Final = {
    "by", "on", "without", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset", "sum",
    "max", "min", "avg", "count", "topk", "rate", "increase", "irate", "delta", "deriv", "histogram_quantile",
    "label_replace", "time", "scalar", "vector", "clamp_min", "clamp_max", "floor", "max_over_time", "min_over_time",
    "avg_over_time", "sum_over_time", "count_over_time", "last_over_time", "absent", "changes", "resets",
}  # fmt: skip
STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
MATCHERS: Final = re.compile(r"\{([^}]*)\}")
MATCHER: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
DURATION: Final = re.compile(r"\[[^\]]*\]")
NAME: Final = re.compile(r"(?<![\w.])[a-zA-Z_][\w:]*")
VARIABLE: Final = re.compile(r"\$(\w+)|\$\{(\w+)\}")


class Said(NamedTuple):
    """What an expression names: metrics with the labels that are asked of each, and labels of results."""

    asked: tuple[tuple[str, frozenset[str]], ...]
    grouped: frozenset[str]


def said(expression: str) -> Said:
    """Raises ValueError for a word that is neither a function of ours nor a metric: a list that is too short."""
    # the fourth argument of label_replace is a label, and its second makes one
    bare = DURATION.sub("", STRING.sub('""', expression))
    grouped = {label.strip() for found in GROUPING.findall(bare) for label in found.split(",") if label.strip()}
    text = GROUPING.sub(" ", bare)
    asked = []
    for found in NAME.finditer(MATCHERS.sub(lambda match: " " * len(match[0]), text)):
        if found[0] in WORDS:
            continue
        matchers = MATCHERS.match(text, found.end())
        asked.append((found[0], frozenset(MATCHER.findall(matchers[1])) if matchers else frozenset[str]()))
    return Said(tuple(asked), frozenset(grouped))


def made_labels(expression: str) -> frozenset[str]:
    """Labels that label_replace puts on a result."""
    return frozenset(re.findall(r'label_replace\([^"]*(?:"[^"]*"[^"]*)*?, "(\w+)", "[\w ]+", "", ""\)', expression))


@cache
def known() -> Mapping[str, frozenset[str]]:
    """Each series' name that the service, its rules and Prometheus have, with its labels."""
    found: dict[str, frozenset[str]] = {**OF_PROCESSES, **OF_PROMETHEUS}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", TABLE.read_text(), re.M):
        has = frozenset(re.findall(r"`(\w+)`", labels))
        if kind == "histogram":
            found |= {f"{name}_bucket": has | {"le"}, f"{name}_count": has}
        else:
            found[name] = has
    return {**found, **recorded(), **INFO}


@cache
def alerts() -> Mapping[str, str]:
    """Expressions of alerts by their names."""
    found = {}
    for path in sorted(RULES.glob("*.yml")):
        for name, rule in re.findall(r"^ *- alert: (\w+)\n(.*?)(?=^ *- |\Z)", path.read_text(), re.M | re.S):
            block = re.search(r"^( *)expr:(.*?)(?=^\1\w|\Z)", rule, re.M | re.S)
            assert block, f"{name} has no expr"
            found[name] = " ".join(block[2].removeprefix(" |").split())
    return found


@cache
def recorded() -> Mapping[str, frozenset[str]]:
    """What recording rules make: their level says which labels are left."""
    texts = [path.read_text() for path in sorted(RULES.glob("*.yml"))]
    names = [name for text in texts for name in re.findall(r"^\s*- record: (\S+)", text, re.M)]
    return {name: frozenset(re.findall(r"[a-z]+", name.partition(":")[0])) for name in names}


def substituted(expression: str, rate_interval: str, time_range: str, chosen: Mapping[str, str] | None = None) -> str:
    """As Grafana sends it: variables by what is chosen, All by any value."""
    values = {"__rate_interval": rate_interval, "__interval": rate_interval, "__range": time_range, **(chosen or {})}

    def value(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2], ".*")

    return VARIABLE.sub(value, expression)


def variables(text: str) -> frozenset[str]:
    """The dashboard's own variables that it uses."""
    names = {first or second for first, second in VARIABLE.findall(text)}
    return frozenset(name for name in names if not name.startswith("__"))


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Every expression, with the panel that asks it and the query's letter."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]
