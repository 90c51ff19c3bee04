"""A whole run with real processes, small enough for every day; the benchmark itself with `-m bench`."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from feed.bench import run
from feed.bench.audience import Audience, Total
from feed.bench.outcome import Outcome
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import ChildDied

TINY = Scenario("tiny", "a few clients", clients=6, symbols=4, each=2, ticks_per_s=100, sample_every=1)
PLAN = Plan(rounds=1, window_s=0.3, warm_s=0.1)


def measured(scenario: Scenario, directory: Path) -> Outcome:
    (outcome,) = asyncio.run(run.run([scenario], PLAN, directory, lambda *_: None))
    return outcome


@pytest.mark.bench
def test_all_systems_are_measured(tmp_path: Path) -> None:
    outcome = measured(TINY, tmp_path)
    for prefix in ("cpu_", "floor_", "tutorial_"):
        assert (outcome.median(f"{prefix}us_per_delivery") or 0) > 0
    for prefix in ("", "floor_", "tutorial_", "gateway_"):
        assert outcome.median(f"{prefix}delay_ms.p50") is not None
    assert outcome.median("counted_over_reported") == 1.0
    assert outcome.median("handshakes_per_s")
    assert outcome.clients == 6
    told = json.loads(json.dumps(outcome.to_json()))
    assert told["spread"]["cpu_us_per_delivery"]


@pytest.mark.bench
def test_a_client_that_loses_deliveries_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Audience.settle

    async def lossy(self: Audience, within_s: float, expected: float) -> Total:
        total = await whole(self, within_s, expected)
        return total._replace(messages=int(total.messages * 0.95))

    monkeypatch.setattr(Audience, "settle", lossy)
    outcome = measured(TINY, tmp_path)
    assert any("the clients counted" in warning for warning in outcome.warnings)
    assert any("were due" in warning for warning in outcome.warnings)


def test_a_process_that_dies_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    """A floor that is given no kind of ticks can't start."""
    with pytest.raises(ChildDied, match=r"(?s)the floor ended with exit code 1.*KeyError"):
        measured(replace(TINY, kind="nothing"), tmp_path)


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_the_command(tmp_path: Path) -> None:
    figures, picture = tmp_path / "figures.json", tmp_path / "delays.svg"
    arguments = ["--only", "hot", "--rounds", "1", "--seconds", "0.3", "--json", str(figures), "--plot", str(picture)]
    done = subprocess.run(
        [sys.executable, "-m", "feed", "bench", *arguments], capture_output=True, text=True, check=True
    )
    assert "hot" in done.stdout
    assert json.loads(figures.read_text())["scenarios"][0]["clients"] == 500
    assert picture.read_text().startswith("<?xml")
