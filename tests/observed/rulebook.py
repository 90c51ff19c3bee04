"""The project's Prometheus rules as data: what each alert says of itself; and all of them with shorter times."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "deploy" / "prometheus"
FILES: Final = ("recording.yml", "slo.yml", "alerts.yml")
UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
Rules = dict[str, Any]


class Alert(NamedTuple):
    """One alert, as its file has it. `reason` is the comment right above it, "" where there is none."""

    name: str
    expression: str
    severity: str
    annotations: Mapping[str, str]
    reason: str


def load(file: str) -> Rules:
    found: Rules = yaml.safe_load((FOLDER / file).read_text())
    return found


def rules(*files: str) -> list[Rules]:
    """All rules of these files, of all their groups."""
    return [rule for file in files or FILES for group in load(file)["groups"] for rule in group["rules"]]


def alerts(*files: str) -> dict[str, Alert]:
    """Alerts by their names. Raises ValueError where two have one name."""
    found: dict[str, Alert] = {}
    for file in files or FILES:
        reasons = _reasons((FOLDER / file).read_text())
        for rule in rules(file):
            if (name := rule.get("alert")) is None:
                continue
            if name in found:
                raise ValueError(f"there are two alerts {name}")
            severity = rule.get("labels", {}).get("severity", "")
            found[name] = Alert(name, rule["expr"], severity, rule.get("annotations", {}), reasons.get(name, ""))
    return found


def seconds(duration: str) -> float:
    """The seconds of a duration of one unit, such as 5m."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", duration).groups()  # type: ignore[union-attr]
    return int(number) * UNIT_S[unit]


def shortened(found: Rules, by: float, most_s: float) -> Rules:
    """Rules that come to the same by a clock that runs faster: every `for`, interval, window and offset is divided by
    `by`, and none is longer than `most_s`, so that an alert over days ends soon after its fault. Thresholds stay."""

    def short(duration: str) -> str:
        return f"{max(1, round(min(seconds(duration) / by, most_s) * 1_000))}ms"

    def rule(each: Rules) -> Rules:
        expression = re.sub(r"(\[|\boffset )(\d+(?:s|m|h|d))\b", lambda at: at[1] + short(at[2]), each["expr"])
        held = {"for": short(each["for"])} if "for" in each else {}
        return {**each, "expr": expression, **held}

    groups = [
        {**group, "rules": list(map(rule, group["rules"]))}
        | ({"interval": short(group["interval"])} if "interval" in group else {})
        for group in found["groups"]
    ]
    return {"groups": groups}


def write_shortened(folder: Path, by: float, most_s: float) -> list[Path]:
    """All of the project's rules so, as files of the same names (JSON is YAML)."""
    paths = []
    for file in FILES:
        path = folder / file
        path.write_text(json.dumps(shortened(load(file), by, most_s), indent=1))
        paths.append(path)
    return paths


def _reasons(text: str) -> dict[str, str]:
    found, above = {}, ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("#"):
            above = f"{above} {line.lstrip('# ')}".strip()
            continue
        if line.startswith("- alert:"):
            found[line.partition(":")[2].strip()] = above
        above = ""
    return found
