"""Each count belongs to the fault that was injected last before it."""

import random

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.report import CALM, Report
from tests.chaos.run import dealt
from tests.chaos.tally import Column, Finding, Tally

SECOND = 1_000_000_000


def test_counts_and_silences_belong_to_the_fault_before_them() -> None:
    tally = Tally([10 * SECOND, 20 * SECOND, 30 * SECOND])
    for at, count in ((5, 1), (10, 2), (19, 4), (25, 8), (99, 16)):
        tally.add(at * SECOND, Column.DELIVERED, count)
    tally.find(Finding(Column.UNEXPLAINED, "client", "trades:A", 21 * SECOND, 3, ""))
    tally.silent(4 * SECOND, 6 * SECOND)
    tally.silent(9 * SECOND, 16 * SECOND)
    tally.silent(19 * SECOND, 31 * SECOND)
    report = Report()
    report.add(["cut", "kill", "cut"], tally)
    delivered = {name: row.counts[Column.DELIVERED] for name, row in report.rows.items()}
    assert delivered == {CALM: 1, "cut": 2 + 4 + 16, "kill": 8}
    assert report.rows["kill"].counts[Column.UNEXPLAINED] == 3
    assert {name: row.silence_s for name, row in report.rows.items()} == {CALM: 2.0, "cut": 7.0, "kill": 12.0}
    assert {name: row.times for name, row in report.rows.items()} == {CALM: 0, "cut": 2, "kill": 1}
    assert "all" in report.table()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_every_fault_is_dealt_as_often(times: int) -> None:
    hand = dealt(list(FAULTS), times * len(FAULTS), random.Random(7))
    assert {hand.count(name) for name in FAULTS} == {times}
