"""Whatever a right service may tell a client is accepted, and no single fault in it passes."""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.chaos.checker import check
from tests.chaos.journal import Line
from tests.chaos.market_model import MarketModel
from tests.chaos.tally import Column, Tally

COUNT = st.integers(1, 6)
# beside a gap whose end nobody knows, another that names too little can't be told
COUNTED = [
    st.tuples(st.sampled_from(["ticks", "conflated", "hole", "overflow"]), COUNT),
    st.tuples(st.just("late"), st.integers(2, 6)),
    st.tuples(st.sampled_from(["changed", "beat", "resumed", "killed"]), st.none()),
    st.tuples(st.just("lost"), COUNT, st.booleans()),
]
UNCOUNTED = [
    st.tuples(st.just("late"), st.just(1)),
    st.tuples(st.just("rewound"), st.integers(0, 6), st.integers(0, 5), st.integers(0, 3)),
]
STEPS_COUNTED = st.lists(st.one_of(*COUNTED), max_size=25)
STEPS = st.lists(st.one_of(*COUNTED, *UNCOUNTED), max_size=25)


def model_of(steps: list[tuple[Any, ...]]) -> MarketModel:
    model = MarketModel(rate=5)
    model.ticks(2)
    for name, *arguments in steps:
        _step(model, name, arguments)
    model.ticks(2)
    model.beat()
    model.end()
    return model


def _step(model: MarketModel, name: str, arguments: list[Any]) -> None:
    if name in ("resumed", "killed"):
        model.resume(killed=name == "killed")
    elif name in ("changed", "beat"):
        getattr(model, name)()
    elif name == "lost":
        model.lost(arguments[0], new_epoch=arguments[1])
    elif name == "rewound":
        model.rewound(*arguments)
    elif name == "conflated":
        model.conflated(arguments[0] + 1)
    else:
        getattr(model, name)(arguments[0])


def faults(model: MarketModel, lines: list[Line]) -> list[str]:
    tally = Tally()
    check({"client": lines}, model.truth(), tally)
    return [f"{finding.what}: {finding.detail}" for finding in tally.findings]


def places(lines: list[Line], of: Callable[[dict[str, Any]], bool]) -> list[int]:
    return [index for index, line in enumerate(lines) if line.what == "frame" and of(line.content[0])]


def is_tick(message: dict[str, Any]) -> bool:
    return bool(message["T"] == "t")


@given(STEPS)
def test_a_right_journal_is_accepted(steps: list[tuple[Any, ...]]) -> None:
    model = model_of(steps)
    assert faults(model, model.lines) == []


@given(STEPS)
def test_every_tick_that_was_made_is_counted_once(steps: list[tuple[Any, ...]]) -> None:
    model = model_of(steps)
    tally = Tally()
    check({"client": model.lines}, model.truth(), tally)
    counted = sum(tally.total(column) for column in (Column.DELIVERED, Column.CONFLATED, Column.NAMED))
    assert counted == len(model.items) - 2  # two were made before the client came


@given(STEPS_COUNTED, st.data())
def test_a_message_that_is_lost_is_found(steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    model = model_of(steps)
    index = data.draw(st.sampled_from(places(model.lines, is_tick)))
    assert faults(model, model.lines[:index] + model.lines[index + 1 :])


@given(STEPS, st.data())
def test_a_message_that_comes_twice_is_found(steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    model = model_of(steps)
    index = data.draw(st.sampled_from(places(model.lines, lambda message: is_tick(message) and "snap" not in message)))
    later = data.draw(st.integers(index, places(model.lines, is_tick)[-1]))
    assert faults(model, [*model.lines[: later + 1], model.lines[index], *model.lines[later + 1 :]])


@given(STEPS, st.data())
def test_two_that_change_places_are_found(steps: list[tuple[Any, ...]], data: st.DataObject) -> None:
    model = model_of(steps)
    lines = list(model.lines)
    index = data.draw(st.sampled_from([at for at in places(lines, is_tick) if at + 1 in places(lines, is_tick)]))
    lines[index], lines[index + 1] = lines[index + 1], lines[index]
    assert faults(model, lines)


@given(STEPS, st.data(), st.sampled_from(["q", "n", "q0", "v", "h", "l"]), st.sampled_from([-1, 1]))
def test_a_wrong_number_is_found(steps: list[tuple[Any, ...]], data: st.DataObject, key: str, change: int) -> None:
    model = model_of(steps)
    lines = copy.deepcopy(model.lines)
    found = [message for line in lines if line.what == "frame" for message in line.content if is_tick(message)]
    messages = [message if key == "q" else message["m"] for message in found if key == "q" or "m" in message]
    assume(messages)
    data.draw(st.sampled_from(messages))[key] += change
    assert faults(model, lines)


@given(STEPS_COUNTED, st.integers(0, 1), st.sampled_from([-1, 1]))
def test_a_gap_of_other_ids_is_found(steps: list[tuple[Any, ...]], end: int, change: int) -> None:
    model = model_of([*steps, ("ticks", 1), ("hole", 3)])
    lines = copy.deepcopy(model.lines)
    gaps = [message for line in lines if line.what == "frame" for message in line.content if "ids" in message]
    gaps[-1]["ids"][end] += change
    assert faults(model, lines)
