from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client.positions import Positions, Verdict
from feed.core.streams import START, Position

STREAM = "trades:AAPL"


def standing(seq: int, epoch: str | None = "e1") -> Positions:
    positions = Positions()
    positions.granted(STREAM, Position(epoch, seq))
    return positions


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ({"q": 11}, Verdict.NEXT),
        ({"q": 12}, Verdict.HOLE),
        ({"q": 10}, Verdict.REPEAT),
        ({"q": 3}, Verdict.REPEAT),
        ({"q": 10, "snap": True}, Verdict.SNAPSHOT),
        ({"q": 8, "snap": True}, Verdict.SNAPSHOT),
        ({"q": 14, "m": {"n": 4, "q0": 11}}, Verdict.NEXT),
        ({"q": 14, "m": {"n": 3, "q0": 12}}, Verdict.HOLE),
        ({"q": 14, "m": {"n": 6, "q0": 9}}, Verdict.NEXT),
    ],
)
def test_judges_a_tick_by_its_number(message: dict[str, Any], verdict: Verdict) -> None:
    assert standing(10).tick(STREAM, message) is verdict


def test_a_snapshot_behind_the_position_does_not_move_it_back() -> None:
    positions = standing(10)
    positions.tick(STREAM, {"q": 8, "snap": True})  # 9 and 10 were gaps of the log
    assert positions.tick(STREAM, {"q": 11}) is Verdict.NEXT


def test_a_stream_that_never_published_begins_at_one() -> None:
    positions = standing(0, None)
    positions.epoch({"stream": STREAM, "epoch": "e1", "seq": 1})
    assert positions.tick(STREAM, {"q": 1}) is Verdict.NEXT


def test_a_stream_of_a_wildcard_is_taken_as_it_comes() -> None:
    positions = Positions()
    assert positions.tick(STREAM, {"q": 700}) is Verdict.FIRST
    assert positions.tick(STREAM, {"q": 701}) is Verdict.NEXT


def gap(first: int, last: int | None, epoch: str, seq: int) -> dict[str, Any]:
    return {"stream": STREAM, "epoch": "e1", "from": first, "to": last, "next": {"epoch": epoch, "seq": seq}}


@pytest.mark.parametrize(
    ("message", "following"),
    [
        (gap(11, 14, "e1", 15), 15),
        (gap(11, 11, "e1", 12), 12),
        (gap(11, None, "e2", 15), 15),
        (gap(11, None, "e2", 4), 4),  # Redis forgot: the new epoch numbers from further back
        (gap(3, 9, "e1", 10), 11),  # before the position that the answer already gave
    ],
)
def test_a_gap_moves_the_position_behind_itself(message: dict[str, Any], following: int) -> None:
    positions = standing(10)
    positions.gap(message)
    assert positions.tick(STREAM, {"q": following}) is Verdict.NEXT


def test_a_heartbeat_tells_of_what_never_came_once() -> None:
    positions = standing(10)
    assert positions.behind({STREAM: 10, "quotes:AAPL": 4}) == []
    assert positions.behind({STREAM: 12}) == [STREAM]
    assert positions.behind({STREAM: 12}) == []


@pytest.mark.parametrize(
    ("before", "after", "missed"),
    [
        (Position("e1", 10), Position("e1", 14), 4),
        (Position("e1", 10), Position("e1", 10), 0),
        (Position("e1", 10), Position("e2", 14), 0),
        (START, Position("e1", 3), 3),
        (Position("e1", 10), Position("e1", 4), 0),
    ],
)
def test_beginning_anew_counts_what_it_leaves_out(before: Position, after: Position, missed: int) -> None:
    positions = Positions()
    positions.granted(STREAM, before)
    assert positions.granted(STREAM, after) == missed


@given(st.lists(st.integers(1, 5), max_size=30), st.sets(st.integers(0, 29)))
def test_conflation_and_named_gaps_explain_everything_and_silence_does_not(runs: list[int], silent: set[int]) -> None:
    positions, seq = standing(0), 0
    for index, length in enumerate(runs):
        first, seq = seq + 1, seq + length
        if index in silent:
            continue
        lost_before = bool(index and index - 1 in silent)
        message = {"q": seq, "m": {"n": length, "q0": first}} if length > 1 else {"q": seq}
        assert positions.tick(STREAM, message) is (Verdict.HOLE if lost_before else Verdict.NEXT)
