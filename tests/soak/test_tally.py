"""The tally that soaks rest on sees what it is there to see."""

from typing import Any

import pytest

from tests.soak.tally import Tally


def trade(seq: int, **more: Any) -> dict[str, Any]:
    return {"T": "t", "S": "A", "q": seq, **more}


@pytest.mark.parametrize(
    ("messages", "holes", "repeats"),
    [
        ([trade(5), trade(6)], 0, 0),
        ([trade(5), trade(7)], 1, 0),
        ([trade(5), trade(5)], 0, 1),
        ([trade(5), trade(4)], 0, 1),
        ([trade(8, m={"n": 4, "q0": 5})], 0, 0),
        ([trade(9, m={"n": 4, "q0": 6})], 1, 0),
        ([trade(8, m={"n": 5, "q0": 4})], 0, 1),
    ],
)
def test_numbers_that_do_not_follow_are_counted_and_told(
    messages: list[dict[str, Any]], holes: int, repeats: int
) -> None:
    tally, at = Tally(), {"trades:A": 4}
    assert tally.check(messages, at) == []
    assert at == {"trades:A": messages[-1]["q"]}
    assert (tally.holes, tally.repeats, len(tally.first_faults)) == (holes, repeats, holes + repeats)


def test_what_is_no_tick_is_given_back_and_gaps_are_counted() -> None:
    tally, at = Tally(), {"trades:A": 4}
    others = [{"T": "gap"}, {"T": "heartbeat"}]
    assert tally.check([others[0], trade(5), others[1], trade(7, m={"n": 2, "q0": 6})], at) == others
    tally.ended("gone")
    seen = tally.report()
    assert (seen["messages"], seen["frames"], seen["gaps"], seen["conflated"], seen["closed"]) == (4, 1, 1, 1, 1)
    assert seen["faults"] == ["gone"]


def test_delays_are_those_of_messages_with_stamps() -> None:
    tally = Tally()
    tally.sample(trade(1))
    assert tally.report()["delay_ms"] == {"p50": None, "p99": None, "max": None}
    tally.sample(trade(2, tp=0))
    assert tally.report()["delay_ms"]["p50"] > 0
