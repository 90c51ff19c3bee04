"""The checker finds each gap that lies: that is left out, names too little, too much, or what was delivered."""

import copy
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.journal import Line
from tests.chaos.market_model import SECOND, STREAM, MarketModel, judged, messages, story
from tests.chaos.tally import Column, Tally

Message = dict[str, Any]


def is_gap(message: Message) -> bool:
    return bool(message["T"] == "gap")


@pytest.mark.parametrize("at", range(6))
def test_any_gap_that_is_left_out_is_found(at: int) -> None:
    model = story()
    lines = list(model.lines)
    del lines[messages(lines, is_gap)[at][0]]
    assert judged(model, lines).findings


def test_a_gap_by_number_that_names_too_little_is_found() -> None:
    model = story()
    lines = copy.deepcopy(model.lines)
    gap = next(message for _, message in messages(lines, is_gap) if message["cause"] == "bus")
    gap["to"] -= 1
    gap["next"]["seq"] -= 1
    assert judged(model, lines).total(Column.UNEXPLAINED) == 1


def test_a_gap_by_number_that_fits_the_numbers_but_not_what_is_missing_is_found() -> None:
    model = MarketModel()
    model.ticks(2)
    model.make(2)  # of which the gap that follows knows nothing
    model.lost(3, new_epoch=True)
    model.ticks(2)
    model.end()
    assert judged(model).total(Column.UNEXPLAINED) == 2


def test_a_gap_by_number_that_names_what_was_delivered_is_found() -> None:
    model = story()
    lines = copy.deepcopy(model.lines)
    gap = next(message for _, message in messages(lines, is_gap) if message["cause"] == "bus")
    gap["from"] -= 1
    assert judged(model, lines).total(Column.WRONG) >= 1


def test_a_gap_that_names_what_is_delivered_afterwards_is_found() -> None:
    model = MarketModel()
    model.ticks(2)
    made = model.make(2)
    model.tell(model.gap(model.epoch, model.seq + 1, model.seq + 1, model.seq + 2))
    model.tell(model.trade(made[0], model.seq + 1), model.trade(made[1], model.seq + 2))
    model.seq += 2
    model.end()
    assert judged(model).total(Column.DISORDERED) == 1


@pytest.mark.parametrize(
    ("low", "high", "what"),
    [(0, -1, Column.UNEXPLAINED), (1, 0, Column.UNEXPLAINED), (-1, 0, Column.WRONG), (0, 1, Column.WRONG)],
)
@pytest.mark.parametrize("cause", ["venue", "ingest"])
def test_a_gap_by_ids_that_names_too_little_or_too_much_is_found(low: int, high: int, what: Column, cause: str) -> None:
    model = story()
    lines = copy.deepcopy(model.lines)
    gap = next(message for _, message in messages(lines, is_gap) if message["cause"] == cause)
    gap["ids"] = [gap["ids"][0] + low, gap["ids"][1] + high]
    assert judged(model, lines).total(what) >= 1


def test_a_gap_by_ids_of_what_never_was_is_found() -> None:
    model = MarketModel()
    model.ticks(2)
    model.in_band("venue", 5_000, 5_010)
    model.ticks(2)
    model.end()
    assert judged(model).total(Column.WRONG) == 1


def test_a_hole_of_the_venue_that_nobody_names_is_found() -> None:
    model = story()
    lines = copy.deepcopy(model.lines)
    index, gap = next(found for found in messages(lines, is_gap) if found[1]["cause"] == "venue")
    del lines[index]
    for line in lines[index:]:
        for message in line.content if line.what == "frame" else ():
            _renumber(message, gap["q"])
    for line in lines[index:]:
        if line.what == "sent":
            _shift(line.content[0].get("since", {}).get(STREAM, {}), "seq", gap["q"])
    tally = judged(model, lines)
    assert {finding.what for finding in tally.findings} == {Column.UNEXPLAINED}


def _renumber(message: Message, above: int) -> None:
    for key in ("q", "from", "to", "seq"):
        if isinstance(message.get(key), dict):
            _shift(message[key], STREAM, above)
        else:
            _shift(message, key, above)
    _shift(message.get("next", {}), "seq", above)
    _shift(message.get("streams", {}).get(STREAM, {}), "seq", above)


def _shift(fields: Message, key: str, above: int) -> None:
    if isinstance(fields.get(key), int) and fields[key] >= above:
        fields[key] -= 1


def test_a_gap_of_the_log_that_is_lost_with_others_stands_for_all_that_it_named() -> None:
    """As another client was told: the history that this one lacks holds two gaps, each of which is one number."""
    model = MarketModel()
    model.ticks(2)
    before = list(model.lines)
    seq = model.seq
    model.hole(30)
    model.overflow(5)
    model.in_band("venue", 0, 0)
    del model.lines[-1].content[0]["ids"]
    model.make(4)  # which that gap stands for, as nobody knows their ids
    model.ticks(2)
    other = [*model.lines, Line(9 * SECOND, "end", [])]
    lost = model.gap(model.epoch, seq + 1, model.seq - 1, model.seq, cause="history")
    lines = [*before, Line(8 * SECOND, "frame", [lost]), model.lines[-1], Line(9 * SECOND, "end", [])]
    tally = Tally()
    check({"other": other, "client": lines}, model.truth(), tally)
    assert tally.findings == []
    assert judged(model, lines).total(Column.UNEXPLAINED) > 0, "nobody else's word for it"
