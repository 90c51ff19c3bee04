"""Prometheus' rules: promtool's own checks and their unit tests, and that each says all that whoever is woken needs."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observed import rulebook, runbook
from tests.observed.expressions import EVERYWHERE, known, made_labels, said
from tests.observed.prometheus import program
from tests.observed.rulebook import FILES, FOLDER

ALERTS = rulebook.alerts()
RECORDS = {rule["record"]: rule["expr"] for rule in rulebook.rules() if "record" in rule}
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([program("promtool"), *map(str, arguments)], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@functools.cache
def unit_tested() -> dict[str, list[bool]]:
    """Of each alert, of each of its unit tests whether it fires there."""
    found: dict[str, list[bool]] = {}
    for test in (test for path in TESTS for test in yaml.safe_load(path.read_text())["tests"]):
        for case in test.get("alert_rule_test", []):
            found.setdefault(case["alertname"], []).append(bool(case["exp_alerts"]))
    return found


def test_promtool_takes_the_configuration_and_its_rules() -> None:
    promtool("check", "config", FOLDER / "prometheus.yml")


@pytest.mark.chaos  # half a minute of both cores, which the default suite has better use for
@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_promtools_unit_tests_pass(path: Path) -> None:
    promtool("test", "rules", path)


def test_all_rules_are_named_in_the_configuration() -> None:
    assert tuple(yaml.safe_load((FOLDER / "prometheus.yml").read_text())["rule_files"]) == FILES


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert.name)
def test_an_alert_says_what_whoever_is_woken_needs(alert: rulebook.Alert) -> None:
    assert alert.severity in ("page", "ticket")
    assert len(alert.reason) > 20, "no reason above it"
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"deploy/RUNBOOK.md#{alert.name.lower()}"
    assert alert.name in runbook.headings(), "no heading in deploy/RUNBOOK.md"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_to_fire_and_to_be_quiet(name: str) -> None:
    assert set(unit_tested().get(name, [])) == {True, False}


def test_unit_tests_are_of_alerts_that_exist() -> None:
    assert set(unit_tested()) == set(ALERTS)


def test_values_show_in_what_alerts_say() -> None:
    """Where there is something to say: one that is absent has no value."""
    silent = [each.name for each in ALERTS.values() if "$" not in str(dict(each.annotations))]
    assert silent == ["FeedMetricsAbsent"]


@pytest.mark.parametrize("rule", rulebook.rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_each_metric_and_label_of_a_rule_exists(rule: dict[str, Any]) -> None:
    named = said(rule["expr"])
    assert named.asked
    for name, labels in named.asked:
        assert name in known(), f"no metric {name} in feed/METRICS.md, nor recorded"
        assert labels <= known()[name] | EVERYWHERE, f"{name} has no {labels - known()[name]}"
    there = set.union(*(set(known()[name]) for name, _ in named.asked)) | EVERYWHERE | made_labels(rule["expr"])
    assert named.grouped <= there, named.grouped - there


@pytest.mark.parametrize("record", RECORDS)
def test_a_recorded_series_has_the_labels_that_its_name_says(record: str) -> None:
    level, of = set(known()[record]), said(RECORDS[record])
    inner = [set(known()[name]) for name, _ in of.asked if name in RECORDS]
    assert level <= of.grouped or level in inner, "its level is neither grouped by nor of what it is made of"


def test_shorter_times_leave_the_rest() -> None:
    rule = {
        "alert": "A",
        "expr": 'rate(a{b="5m"}[5m]) > 300 and a offset 1h > avg_over_time(x:y:p99_5m[3d])',
        "for": "10m",
    }
    found = rulebook.shortened({"groups": [{"name": "g", "interval": "5m", "rules": [rule]}]}, 60.0, 10.0)
    assert found["groups"][0] == {
        "name": "g",
        "interval": "5000ms",
        "rules": [
            {
                "alert": "A",
                "expr": 'rate(a{b="5m"}[5000ms]) > 300 and a offset 10000ms > avg_over_time(x:y:p99_5m[10000ms])',
                "for": "10000ms",
            }
        ],
    }
