"""deploy/RUNBOOK.md is complete, and names what there is: alerts, panels, log events, settings."""

import json
import re

import pytest

from feed.settings import Values
from tests.observed import rulebook, runbook
from tests.observed.rulebook import ROOT

HEADINGS = runbook.headings()
ALERTS = rulebook.alerts()
TEXT = runbook.PATH.read_text()
DASHBOARDS = ROOT / "grafana" / "dashboards"


def test_each_alert_has_a_heading_and_each_heading_an_alert() -> None:
    assert set(HEADINGS) == set(ALERTS)


@pytest.mark.parametrize("name", HEADINGS)
def test_a_heading_has_all_its_parts(name: str) -> None:
    parts = HEADINGS[name].parts
    assert tuple(parts) == runbook.PARTS
    assert all(parts.values())


@pytest.mark.parametrize("name", HEADINGS)
def test_what_fires_with_an_alert_is_an_alert_and_another(name: str) -> None:
    assert HEADINGS[name].fires_with <= set(ALERTS) - {name}


def test_every_alert_that_the_text_names_exists() -> None:
    assert set(re.findall(r"\bFeed[A-Z]\w+", TEXT)) <= set(ALERTS)


def test_log_events_are_those_of_the_logs_table() -> None:
    known = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "feed" / "LOGS.md").read_text(), re.MULTILINE))
    named = {
        word for words in re.findall(r"\blog ((?:`\w+`(?:, | and )?)+)", TEXT) for word in re.findall(r"\w+", words)
    }
    assert named - {"and"}
    assert named - {"and"} <= known


def test_settings_are_those_that_there_are() -> None:
    sections = Values.model_fields
    named = set(re.findall(rf"`((?:{'|'.join(sections)})\.\w+)`", TEXT))
    assert named
    for knob in named:
        section, _, name = knob.partition(".")
        assert hasattr(getattr(Values(), section), name), knob


def test_panels_are_those_of_the_dashboards() -> None:
    titles = {}
    for path in DASHBOARDS.glob("*.json"):
        board = json.loads(path.read_text())
        panels = [panel["title"] for panel in board["panels"]]
        titles[board["title"].removeprefix("feed / ")] = panels
    named = re.findall(rf"\b({'|'.join(titles)}) › ([A-Z][^.;:()]*)", TEXT)
    assert len(named) > 30
    for board, rest in named:
        # the text goes on after the title, and leaves out which quantile it shows
        assert any(rest.startswith(title.partition(", p")[0]) for title in titles[board]), (
            f"{board} has no panel {rest}"
        )
