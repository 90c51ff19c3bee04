"""Every fault of a cluster once, on three masters with replicas of each server there is: nothing is lost in silence.

pytest -m chaos -s        shows the table; `python -m tests.chaos.run --cluster valkey` for hours of it
"""

import random
from pathlib import Path

import pytest

from feed.bus.embedded import servers
from tests.chaos.cluster_faults import FAULTS
from tests.chaos.report import Report
from tests.chaos.run import Round, dealt
from tests.chaos.tally import Column

SEED = 1
PAUSES_S = (0.2, 1.0)

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.mark.parametrize("server", servers())
def test_a_slice_of_chaos_on_a_cluster(server: str, tmp_path: Path) -> None:
    chance, report = random.Random(SEED), Report()
    this = Round(tmp_path / server, server, SEED, dealt(list(FAULTS), len(FAULTS), chance), pauses_s=PAUSES_S)
    this.run(report, lambda text: print(f"  {text}", flush=True))
    print(f"{server}\n{report.table()}", flush=True)
    assert this.problems == []
    assert all(report.rows[name].times == 1 for name in FAULTS)
    assert report.total(Column.DELIVERED) > report.total(Column.PUBLISHED) > 0
