"""A rolling update under load: behind a real proxy, all gateways are replaced, and nobody misses a tick."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.data import ROOT
from tests.integration.rollout.crowd import FORGETFUL, RAW
from tests.integration.rollout.stage import Plan, rolled

DEPLOYED = ROOT / "deploy" / "compose" / "haproxy.cfg"
# Of a gateway's clients, spread over drain.window_s (10 s), a tenth comes back each second; a machine that is busy with
# something else for three of these seconds brings them together.
MOST_IN_A_SECOND = 0.4


pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(180),
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not on the PATH: install Debian's"),
]


def test_all_gateways_are_replaced_and_nobody_misses_a_tick(tmp_path: Path) -> None:
    account = asyncio.run(rolled(Plan(), DEPLOYED, tmp_path))
    print(f"\n{account.table()}")
    assert account.faults(MOST_IN_A_SECOND) == []


@pytest.mark.parametrize(
    ("window_s", "kind", "fault"), [("0", RAW, "came back in one second"), ("3", FORGETFUL, "was not recovered")]
)
def test_clients_that_come_at_once_or_begin_anew_are_noticed(
    window_s: str, kind: str, fault: str, tmp_path: Path
) -> None:
    """Faults of ours, planted."""
    drain = (("FEED_DRAIN__WINDOW_S", window_s), ("FEED_DRAIN__DELAY_S", "2"))
    plan = Plan(clients=200, processes=1, gateways=1, environment=drain, by_hand=kind)
    faults = asyncio.run(rolled(plan, DEPLOYED, tmp_path)).faults(MOST_IN_A_SECOND)
    assert any(fault in each for each in faults), faults
