"""Two workers of one feed, killed in turn, on real ticks; and what is said of trades that neither could read."""

from pathlib import Path

import pytest

from tests.data import recording
from tests.integration.real_ticks import cut
from tests.integration.two_workers import Story, run

FILES = ("binance_spot/btcusdt_20240808.gz", "binance_spot/ethusdt_20240808.gz")


def play(folder: Path, seconds: float, kills: int, outages: int) -> None:
    files = [cut(recording(name), seconds, folder) for name in FILES]
    said: list[str] = []
    assert run(files, 5.0, kills, outages, 7, said.append) == [], said


@pytest.mark.chaos
@pytest.mark.timeout(180)
def test_one_of_two_workers_is_always_enough(tmp_path: Path) -> None:
    play(tmp_path, 60.0, kills=4, outages=0)


@pytest.mark.chaos
@pytest.mark.timeout(180)
def test_what_neither_worker_could_read_is_named_by_its_ids(tmp_path: Path) -> None:
    # long enough for workers that take their time to come back on a busy machine
    play(tmp_path, 150.0, kills=1, outages=1)


@pytest.mark.parametrize(
    ("entries", "outages", "fault"),
    [
        ([1, 2, 3, 4], 0, None),
        ([1, (2, 3), 4], 1, None),
        ([1, 3, 4], 0, "not what follows"),
        ([1, 2, 2, 3, 4], 0, "not what follows"),
        ([1, 3, 2, 4], 0, "not what follows"),
        ([1, (2, 2), 4], 1, "not what follows"),
        ([1, 2, (2, 3), 4], 1, "not what follows"),
        ([1, 2, 3, (4, 5)], 1, "not what follows"),
        ([1, 2, 3], 0, "missing at the end"),
        ([1, (2, 3), 4], 0, "1 gaps for 0 outages"),
    ],
)
def test_the_comparison_sees_a_planted_fault(
    entries: list[int | tuple[int, int]], outages: int, fault: str | None
) -> None:
    found = list(Story(entries).faults("A", [1, 2, 3, 4], outages))
    assert (fault is None) == (not found)
    assert fault is None or fault in found[0]
