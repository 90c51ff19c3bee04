"""The operator's lights are the overview dashboard's, and each that is not green says what to do."""

from collections.abc import Iterator
from typing import Any

import pytest

from grafana.boards.overview import COMPLETE, DELIVERED, FRESH
from tests.browser.operator_told import (
    HOP,
    Run,
    Sample,
    body,
    counter,
    gauge,
    health,
    histogram,
    later,
    modules,
    spread,
)


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    with modules(browser) as evaluate:
        yield evaluate


def test_titles_are_those_of_the_overview_dashboard(run: Run) -> None:
    rows = run("stats.ROWS.map(({ stats }) => stats.map(({ title }) => title))")
    assert rows == [[panel["title"] for panel in row] for row in (FRESH, COMPLETE, DELIVERED)]


STAND = """((looks) => { for (const body of given) looks.take(body);
  return stats.ROWS.flatMap(({ stats: row }) => row.map((stat) => stats.stand(stat, looks)));
})(new numbers.Looks(stats.NAMES))"""


def standing(run: Run, *bodies: dict[str, Any]) -> dict[str, Any]:
    return {stat["title"]: stat for stat in run(STAND, list(bodies))}


def test_all_is_green_in_health_and_written_as_people_read_it(run: Run) -> None:
    found = standing(run, body(0, *health()), body(1, *later()))
    assert {stat["tone"] for stat in found.values()} == {"good", "plain"}
    assert {title for title, stat in found.items() if stat["tone"] == "plain"} == {"Deliveries", "Ticks in"}
    assert all(stat["act"] == "" for stat in found.values())
    words = {
        title: [f"{part['text']} {part['label']}".strip() for part in stat["parts"]] for title, stat in found.items()
    }
    assert words == {
        "Feeds live": ["live sim"], "Silent symbols": ["0"], "Newest tick": ["0.2 s"], "Workers": ["2 sim"],
        "Venue to ingest, p99": ["1.00 ms"], "Clock offset": ["– ours", "0.00 ms venue"], "Completeness": ["100.000 %"],
        "Gaps": ["0"], "Missing ticks": ["0"], "Dropped by ingest": ["0"], "Resumes lost": ["0"],
        "Publish to socket, p99": ["1.00 ms"], "Deliveries": ["1,000/s"], "Ticks in": ["250/s"],
        "Connections": ["40 open", "0.200 % of the limit"], "Slow clients": ["0"],
        "Refusals": ["0/s credentials", "0/s handshakes", "0/s requests"],
    }  # fmt: skip


def test_nothing_is_known_before_anybody_tells(run: Run) -> None:
    for bodies in ([body(0)], [body(0), body(1)]):
        found = standing(run, *bodies)
        assert {stat["tone"] for title, stat in found.items() if title not in ("Deliveries", "Ticks in")} == {"none"}


@pytest.mark.parametrize(
    ("tones", "ready", "tone", "text"),
    [
        (["none", "none"], [True], "none", "Nothing is told yet"),
        (["good", "plain"], [True, True], "good", "Fresh, complete, delivered"),
        (["good", "none"], [True], "good", "Fresh, complete, delivered"),
        (["warn", "good"], [True], "warn", "Worth a look: stat 0"),
        (["good", "good"], [True, False], "warn", "Worth a look: 1 of 2 processes not ready"),
        (["warn", "bad", "bad"], [False], "bad", "Needs somebody: stat 1, stat 2"),
    ],
)
def test_one_sentence_for_all(run: Run, tones: list[str], ready: list[bool], tone: str, text: str) -> None:
    standing = [{"title": f"stat {number}", "tone": each} for number, each in enumerate(tones)]
    processes = [{"ready": each} for each in ready]
    said = run("panels.verdict(given.standing, given.processes)", {"standing": standing, "processes": processes})
    assert said == {"tone": tone, "text": text}


TROUBLE = [
    ("Feeds live", [gauge("feed_bus_feed_live", 0, feed="sim")], "bad"),
    ("Silent symbols", [gauge("feed_bus_silent_symbols", 1, feed="sim")], "bad"),
    ("Newest tick", [gauge("feed_ingest_last_tick_age_seconds", 6, feed="sim")], "warn"),
    ("Newest tick", [gauge("feed_ingest_last_tick_age_seconds", 31, feed="sim")], "bad"),
    ("Workers", [gauge("feed_bus_workers", 0, feed="sim")], "bad"),
    ("Venue to ingest, p99", [histogram(HOP, spread(b33=100), feed="sim", hop="venue_to_ingest")], "bad"),
    ("Clock offset", [gauge("feed_hop_clock_offset_seconds", 0.02, feed="sim", hop="publish_to_gateway")], "bad"),
    ("Clock offset", [gauge("feed_hop_clock_offset_seconds", 0.02, feed="sim", hop="venue_to_ingest")], "good"),
    ("Completeness", [counter("feed_gateway_missing_ticks", 1, feed="sim", cause="bus")], "warn"),
    ("Completeness", [counter("feed_gateway_missing_ticks", 2, feed="sim", cause="bus")], "bad"),
    ("Completeness", [counter("feed_gateway_missing_ticks", 9e6, feed="sim", cause="history")], "good"),
    ("Missing ticks", [counter("feed_gateway_missing_ticks", 9e6, feed="sim", cause="history")], "good"),
    ("Clock offset", [gauge("feed_hop_clock_offset_seconds", 0.9, feed="sim", hop="client_echo")], "good"),
    ("Refusals", [counter("feed_gateway_refusals", 500, reason="symbol")], "warn"),
    ("Gaps", [counter("feed_gateway_gaps", 1, feed="sim", cause="bus")], "bad"),
    ("Gaps", [counter("feed_gateway_gaps", 1, feed="sim", cause="history")], "warn"),
    ("Missing ticks", [counter("feed_gateway_missing_ticks", 1, feed="sim", cause="bus")], "bad"),
    ("Dropped by ingest", [counter("feed_publish_dropped", 7, feed="sim")], "bad"),
    ("Resumes lost", [counter("feed_gateway_resumes", 1, feed="sim", how="lost")], "warn"),
    ("Resumes lost", [counter("feed_gateway_resumes", 9, feed="sim", how="tail")], "good"),
    ("Publish to socket, p99", [histogram(HOP, spread(b29=100), feed="sim", hop="publish_to_socket")], "bad"),
    ("Publish to socket, p99", [histogram(HOP, spread(b26=100), feed="sim", hop="publish_to_socket")], "warn"),
    ("Connections", [gauge("feed_gateway_connections", 16_500, feed="sim")], "bad"),
    ("Slow clients", [counter("feed_gateway_slow_clients", 1, feed="sim", what="cut")], "warn"),
    ("Slow clients", [counter("feed_gateway_slow_clients", 12, feed="sim", what="cut")], "bad"),
    ("Refusals", [counter("feed_auth_attempts", 20, result="refused", reason="no_key")], "bad"),
    ("Refusals", [counter("feed_gateway_handshakes", 50, result="accepted")], "good"),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changed", "tone"), TROUBLE)
def test_what_is_wrong_lights_up_and_says_what_to_do(run: Run, title: str, changed: list[Sample], tone: str) -> None:
    stat = standing(run, body(0, *health()), body(1, *later(*changed)))[title]
    assert stat["tone"] == tone
    assert (len(stat["act"]) > 20) == (tone != "good")


def test_limits_are_those_of_the_overview_dashboard(run: Run) -> None:
    shown = run("stats.ROWS.flatMap(({ stats }) => stats.map((each) => [each.title, each.limits, each.apart ?? {}]))")
    panels = {panel["title"]: panel["fieldConfig"] for row in (FRESH, COMPLETE, DELIVERED) for panel in row}
    assert len(shown) == len(panels)
    for title, limits, apart in shown:
        assert lights(panels[title]["defaults"]["thresholds"]["steps"]) == limits, title
        own = {
            override["matcher"]["options"]: lights(each["value"]["steps"])
            for override in panels[title]["overrides"]
            for each in override["properties"]
            if each["id"] == "thresholds"
        }
        assert own == apart, title


def lights(steps: Any) -> dict[str, Any] | None:
    """Grafana's thresholds in the tab's words; None where there is one colour only."""
    if len(steps) == 1:
        return None
    value = {step["color"]: step["value"] for step in steps}
    if steps[0]["color"] == "green":
        red = value.get("red")
        return {"red": red, "yellow": value.get("yellow", red), "rises": True}
    return {"red": value.get("yellow", value["green"]), "yellow": value["green"], "rises": False}
