"""Every fault twice, at random moments of a fixed seed, in some three minutes: nothing is lost in silence.

pytest -m chaos -s        shows the table; CHAOS_TIMES=1 has each fault once; `python -m tests.chaos.run` for hours
"""

import os
import random
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.report import Report
from tests.chaos.run import MODES, Round, dealt, recordings
from tests.chaos.tally import Column

SEED = 1
TIMES = int(os.environ.get("CHAOS_TIMES", "2"))
PAUSES_S = (0.2, 1.0)
RECORDED = "default"
# longer than the faults of a round take, whatever the dice say
RECORDED_S = 34.0

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]


def deal(chance: random.Random, *, recorded: bool) -> dict[str, list[str]]:
    """The faults of each round. A recording has no holes to order."""
    names = [name for name in FAULTS if name != "venue hole"]
    deck = dealt(names, TIMES * len(names), chance)
    third = len(deck) // len(MODES)
    hands = {mode: deck[index * third : (index + 1) * third] for index, mode in enumerate(MODES)}
    hands[MODES[-1]] += deck[len(MODES) * third :]
    for index in range(TIMES):
        mode = [mode for mode in MODES if not (recorded and mode == RECORDED)][index % 2]
        hands[mode].insert(chance.randrange(len(hands[mode])), "venue hole")
    return hands


def test_a_slice_of_chaos(tmp_path: Path) -> None:
    chance, report, problems = random.Random(SEED), Report(), []
    files = recordings(RECORDED_S, tmp_path / RECORDED)
    for mode, faults in deal(chance, recorded=bool(files)).items():
        print(f"\nRedis' persistence: {mode}", flush=True)
        this = Round(
            tmp_path / mode, mode, chance.randrange(1 << 30), faults, files if mode == RECORDED else (), PAUSES_S
        )
        this.run(report, lambda text: print(f"  {text}", flush=True))
        problems += this.problems
    print(report.table(), flush=True)
    assert problems == []
    assert all(report.rows[name].times == TIMES for name in FAULTS)
    assert report.total(Column.DELIVERED) > report.total(Column.PUBLISHED) > 0
    assert report.total(Column.SKIPPED) == 0, "one of the two workers had them"
