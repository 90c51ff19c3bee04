"""The checker finds each planted fault, and none where there is none."""

import copy
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.account import JOINING_NS
from tests.chaos.checker import check
from tests.chaos.market_model import STREAM, MarketModel, judged, messages, story
from tests.chaos.tally import Column, Tally

Message = dict[str, Any]


def is_trade(message: Message) -> bool:
    return bool(message["T"] == "t") and "m" not in message and "snap" not in message


@pytest.mark.parametrize("rate", [0, 5])
def test_a_right_journal_is_accepted(rate: float) -> None:
    model = story(rate)
    tally = judged(model)
    assert tally.findings == []
    told = Column.DELIVERED, Column.CONFLATED, Column.NAMED
    assert sum(map(tally.total, told)) == len(model.items) - 2, "all but what was before the client came"


@pytest.mark.parametrize("rate", [0, 5])
@pytest.mark.parametrize("at", range(-10, 10))
def test_any_lost_tick_is_found(rate: float, at: int) -> None:
    model = story(rate)
    lines = list(model.lines)
    del lines[messages(lines, is_trade)[at][0]]
    # before a gap both its numbers and the next tick tell of it
    assert judged(model, lines).total(Column.UNEXPLAINED) in (1, 2)


@pytest.mark.parametrize("at", range(-10, 10))
def test_any_doubled_tick_is_found(at: int) -> None:
    model = story()
    index = messages(model.lines, is_trade)[at][0]
    tally = judged(model, [*model.lines[:index], model.lines[index], *model.lines[index:]])
    assert [finding.what for finding in tally.findings] == [Column.DUPLICATED]


def test_a_tick_that_comes_again_under_a_new_number_is_found() -> None:
    model = MarketModel()
    model.ticks(3)
    model.tell(model.trade(model.items[-1], model.seq + 1))
    model.end()
    assert [finding.what for finding in judged(model).findings] == [Column.DUPLICATED]


def test_a_swap_is_found() -> None:
    model = story()
    lines = list(model.lines)
    index = messages(lines, is_trade)[1][0]
    lines[index], lines[index + 1] = lines[index + 1], lines[index]
    tally = judged(model, lines)
    assert tally.total(Column.DISORDERED) == 1, "the earlier one came late"
    assert tally.total(Column.UNEXPLAINED) == 1, "and was missing when the later one came"


def test_a_swap_that_keeps_the_numbers_in_order_is_found() -> None:
    model = MarketModel()
    first, second = model.make(2)
    model.tell(model.trade(second, model.seq + 1), model.trade(first, model.seq + 2))
    model.seq += 2
    model.end()
    assert judged(model).total(Column.DISORDERED) == 1


def test_a_tick_that_never_was_numbered_is_found() -> None:
    model = MarketModel()
    model.ticks(2)
    model.make(1)
    model.ticks(2)
    model.end()
    tally = judged(model)
    assert [(finding.what, finding.times) for finding in tally.findings] == [(Column.UNEXPLAINED, 1)]


@pytest.mark.parametrize("count", [1, 7])
def test_a_hole_at_the_very_end_is_found(count: int) -> None:
    model = MarketModel()
    model.ticks(3)
    model.make(count)
    model.end()
    assert judged(model).total(Column.UNEXPLAINED) == count


def test_a_loss_at_the_end_of_a_stream_without_truth_is_found_by_the_heartbeat() -> None:
    model = MarketModel()
    model.ticks(3)
    model.seq += 2
    model.beat()
    model.end()
    assert judged(model).total(Column.UNEXPLAINED) == 2


def test_a_stream_that_brings_nothing_at_all_is_found() -> None:
    model = MarketModel()
    model.at_ns += 2 * JOINING_NS
    model.make(5)
    model.end()
    assert judged(model).total(Column.UNEXPLAINED) == 5


def test_a_client_that_dies_in_silence_is_found() -> None:
    model = MarketModel()
    model.ticks(3)
    assert [finding.what for finding in judged(model).findings] == [Column.WRONG]


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("n", 1),
        ("n", -1),
        ("q0", 1),
        ("q0", -1),
        ("v", Decimal("0.00000001")),
        ("h", 1),
        ("h", -1),
        ("l", 1),
        ("l", -1),
    ],
)
def test_wrong_totals_are_found(key: str, change: Decimal) -> None:
    model = story(5)
    lines = copy.deepcopy(model.lines)
    _, message = messages(lines, lambda message: "m" in message)[0]
    message["m"][key] += change
    assert judged(model, lines).total(Column.WRONG) >= 1


def test_a_consistent_m_of_too_many_is_found() -> None:
    """Its numbers fit each other and the numbers around it, but the venue made fewer ticks."""
    model = MarketModel(5)
    model.ticks(1)
    made = model.make(2)
    model.seq += 3
    volume, prices = sum(item.says["s"] for item in made), [item.says["p"] for item in made]
    m = {"n": 3, "q0": model.seq - 2, "v": volume, "h": max(prices), "l": min(prices)}
    model.tell(model.trade(made[-1], model.seq, m=m))
    model.end()
    assert judged(model).total(Column.WRONG) == 1


def test_trades_conflated_without_being_asked_for_are_found() -> None:
    model = MarketModel(rate=0)
    model.conflated(4)
    model.end()
    assert judged(model).total(Column.WRONG) == 1


@pytest.mark.parametrize("key", ["p", "s", "tks", "i"])
def test_a_tick_that_is_not_as_it_was_made_is_found(key: str) -> None:
    model = story()
    lines = copy.deepcopy(model.lines)
    message = messages(lines, is_trade)[3][1]
    message[key] = "S" if key == "tks" else message[key] + 1
    assert judged(model, lines).findings


def test_numbers_that_go_back_without_a_word_are_found() -> None:
    model = MarketModel()
    model.ticks(4)
    model.seq -= 2
    model.ticks(2)
    model.end()
    assert judged(model).findings


def test_an_epoch_that_goes_back_is_found() -> None:
    model = MarketModel()
    model.ticks(4)
    model.seq -= 2
    model.changed()
    model.ticks(1)
    model.end()
    assert judged(model).total(Column.WRONG) == 1


def test_an_answer_that_owes_a_gap_is_found() -> None:
    model = MarketModel()
    model.ticks(2)
    at = {"epoch": model.epoch, "seq": model.seq}
    model.subscribe(at | {"rate": 0, "recovered": False}, at)
    model.ticks(2)
    model.end()
    assert judged(model).total(Column.WRONG) == 1


def test_two_clients_that_are_told_different_ticks_of_one_number_are_found() -> None:
    model = MarketModel()
    model.ticks(3)
    model.end()
    other = copy.deepcopy(model.lines)
    for line in other:
        for message in line.content if line.what == "frame" else ():
            if message["T"] == "t":
                message["q"] += 10
            elif message["T"] == "subscription":
                message["streams"][STREAM]["seq"] += 10
    tally = Tally()
    check({"a": model.lines, "b": other}, model.truth(), tally)
    assert tally.findings == [], "what no number shares can't be compared"
    for line in other:
        for message in line.content if line.what == "frame" else ():
            if message["T"] == "t":
                message["q"] -= 9
            elif message["T"] == "subscription":
                message["streams"][STREAM]["seq"] -= 9
    check({"a": model.lines, "b": other}, model.truth(), tally)
    assert tally.total(Column.WRONG) == 2
