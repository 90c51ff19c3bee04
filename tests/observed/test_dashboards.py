"""Every expression of every dashboard, asked of a real Prometheus that scrapes the whole service under load."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest

from tests.observed.asking import DASHBOARDS, all_of, ask, recording
from tests.observed.expressions import substituted
from tests.observed.prometheus import Series, program
from tests.observed.readers import Reader
from tests.observed.stage import BINANCE, CREW, GUARDED, SIM, Stage, stage

EVERY_S = 0.5
# Redis tells of itself every 10 s, so that its counters have risen in this.
WINDOW_S = 10.0
SKIPPED = 50

# the whole service: ten processes
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

# What is empty in health, and why. tests/observed/test_made_up.py shows all of it.
EMPTY: Mapping[tuple[str, str], str] = {
    (board, "annotation Alerts"): "an alert fires only when something is wrong" for board in DASHBOARDS
}


class Window(NamedTuple):
    """A stretch of time in which clients counted what they got: messages a second, and the delay of each."""

    end_s: float
    delivered_per_s: float
    delays_s: list[float]


class Found(NamedTuple):
    on: Stage
    window: Window

    def number(self, title: str, letter: str = "A", **chosen: str) -> float:
        """The one number that a light of the overview shows."""
        (panel,) = [panel for panel in DASHBOARDS["overview"]["panels"] if panel["title"] == title]
        (target,) = [target for target in panel["targets"] if target["refId"] == letter]
        asked = substituted(target["expr"], f"{WINDOW_S:g}s", f"{WINDOW_S:g}s", chosen)
        (series,) = self.on.prometheus.query(asked, self.window.end_s)
        return series.value


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    program("prometheus")
    folder = tmp_path_factory.mktemp("observed")
    with stage(folder, rules=recording(folder), every_s=EVERY_S) as on:
        yield Found(on, watched(on))


def watched(on: Stage) -> Window:
    readers = on.crowd.readers
    start_s, before = time.time(), {reader: (reader.delivered, len(reader.delays_s)) for reader in readers}
    on.prometheus.until(lambda: time.time() - start_s > WINDOW_S + 2 * EVERY_S, "a window has passed")
    delivered = sum(reader.delivered - before[reader][0] for reader in readers)
    delays_s = [delay for reader in readers for delay in reader.delays_s[before[reader][1] :]]
    return Window(time.time(), delivered / (time.time() - start_s), delays_s)


def test_each_expression_brings_something(found: Found) -> None:
    """None is refused, and none is empty but those that should be."""
    complaints: list[str] = []
    print("\ndashboard      panels  expressions  empty  empty in health  errors")
    for name, dashboard in DASHBOARDS.items():
        result = all_of(dashboard, ask(found.on.prometheus, WINDOW_S, found.window.end_s))
        allowed = {where for board, where in EMPTY if board == name}
        counts = (len(result.empty - allowed), len(result.empty & allowed), len(result.errors))
        print("{:<14} {:>6} {:>12} {:>6} {:>16} {:>7}".format(name, *result[:2], *counts))
        complaints += [f"{name}: {where}: {error}" for where, error in result.errors.items()]
        complaints += [f"{name}: {where} is empty, or is not" for where in sorted(result.empty ^ allowed)]
        # a counter that is first seen with its first event has not risen, for increase()
        complaints += [f"{name}: {where} has no series yet" for where in sorted(result.never)]
    assert not complaints, "\n".join(complaints)


def test_each_variable_has_values(found: Found) -> None:
    """The series that a variable's values are taken from have that label."""
    wanted = {"namespace": {"local"}, "feed": {"sim", "binance"}, "pod": {SIM, *BINANCE, CREW, GUARDED}}
    asked = ask(found.on.prometheus, WINDOW_S, found.window.end_s)
    for variable in DASHBOARDS["overview"]["templating"]["list"][1:]:
        selected, _, label = variable["definition"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
        assert {series.labels.get(label) for series in asked(selected)} == wanted[variable["name"]]


def test_the_numbers_are_those_of_the_clients(found: Found) -> None:
    """What clients of other people's making counted, and what the overview says of them."""
    window, readers, number = found.window, found.on.crowd.readers, found.number
    steady = [reader for reader in readers if type(reader) is Reader]
    assert len(steady) <= number("Connections") <= len(readers)
    # two workers and one more, with room for 20,000 each
    assert number("Connections", "B") == pytest.approx(number("Connections") / 60_000)
    assert number("Deliveries") == pytest.approx(window.delivered_per_s, rel=0.1)
    assert number("Completeness") == 1
    assert number("Missing ticks") == number("Dropped by ingest") == 0
    slowest = sorted(window.delays_s)[int(len(window.delays_s) * 0.99)]
    shown = number("Publish to socket, p99")
    print(f"\ndeliveries/s {number('Deliveries'):.0f}, by clients {window.delivered_per_s:.0f}", end="; ")
    print(f"p99 {shown:.4f} s, by clients {slowest:.4f} s")
    # a bucket is 60 % wide, and the clients' own waiting is in theirs
    assert slowest / 10 <= shown <= slowest * 1.6**2


def test_variables_choose(found: Found) -> None:
    both = found.number("Deliveries")
    sim, binance = (found.number("Deliveries", feed=feed) for feed in ("sim", "binance"))
    assert 0 < binance < sim < both
    assert sim + binance == pytest.approx(both)
    assert sum(found.number("Deliveries", pod=pod) for pod in (CREW, GUARDED)) == pytest.approx(both)


def test_what_is_missing_is_shown(found: Found) -> None:
    """A venue that skips trades: each client that holds the symbol is told, and the overview says of how many ticks."""
    on = found.on
    holders = [reader for reader in on.crowd.readers if "/binance" in reader.url and type(reader) is Reader]
    assert len(holders) == 3
    on.market.skip(SKIPPED)
    on.crowd.until(lambda: all(reader.missing == SKIPPED for reader in holders), "each client is told")
    asked = ask(on.prometheus, WINDOW_S)

    def light(title: str) -> list[Series]:
        (panel,) = [panel for panel in DASHBOARDS["overview"]["panels"] if panel["title"] == title]
        return asked(panel["targets"][0]["expr"])

    lost = len(holders) * SKIPPED
    on.prometheus.until(lambda: light("Missing ticks")[0].value > 0.9 * lost, "all gateways are scraped")
    assert light("Missing ticks")[0].value == pytest.approx(
        lost, rel=0.3
    )  # increase() reaches out to the window's ends
    due = found.window.delivered_per_s * WINDOW_S + lost
    assert 1 - light("Completeness")[0].value == pytest.approx(lost / due, rel=0.4)
    by_cause = {series.labels["cause"]: series.value for series in light("Gaps")}
    assert by_cause.pop("venue") >= 1
    assert set(by_cause.values()) == {0.0}
