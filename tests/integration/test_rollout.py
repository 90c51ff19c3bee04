"""A rolling update under load: behind a real proxy, all gateways are replaced, and nobody misses a tick."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.data import ROOT
from tests.integration.rollout.stage import Plan, rolled

DEPLOYED = ROOT / "deploy" / "compose" / "haproxy.cfg"
# Of a gateway's clients, spread over drain.window_s (10 s), a tenth comes back each second; a machine that is busy with
# something else for three of these seconds brings them together.
MOST_IN_A_SECOND = 0.4


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not on the PATH: install Debian's")
def test_all_gateways_are_replaced_and_nobody_misses_a_tick(tmp_path: Path) -> None:
    account = asyncio.run(rolled(Plan(), DEPLOYED, tmp_path))
    print(f"\n{account.table()}")
    assert account.faults(MOST_IN_A_SECOND) == []
