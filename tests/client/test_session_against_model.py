"""A client of a gateway that keeps its promises finds no fault and accounts for every entry; of one that breaks them
it finds the very fault."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feed.client.events import Breach, Event, Fault, Gap, NewEpoch, Update
from feed.client.session import Session
from feed.client.wishes import Terms
from feed.core.streams import Position
from tests.client.gateway_model import STREAM, Message, Model, gap, trade

STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 6)),
    st.tuples(st.just("gap"), st.just(1)),
    st.tuples(st.just("lose"), st.integers(1, 9)),
    st.tuples(st.just("change_epoch"), st.integers(0, 3)),
    st.tuples(st.just("rewind"), st.integers(0, 20)),
)
BOOLS = st.lists(st.booleans(), max_size=20)


def published(steps: list[tuple[str, int]]) -> Model:
    model = Model()
    model.publish(1)
    for name, count in steps:
        if name == "gap":
            model.publish(count, gap=True)
        else:
            getattr(model, name)(count)
    model.publish(1)
    return model


def granted(session: Session, position: Message) -> None:
    """Connects, and answers the one command that is due."""
    command = session.command()
    assert command is not None
    session.feed([{"T": "subscription", "id": command["id"], "streams": {STREAM: position}}], 1)


def begun() -> Session:
    """A client that was there before the stream's first entry."""
    session = Session()
    session.connected()
    session.subscribe({("trades", "AAPL"): Terms()}, None)
    granted(session, {"epoch": None, "seq": 0})
    return session


def told(session: Session, messages: list[Message], frame: int) -> list[Event]:
    for start in range(0, len(messages), frame):
        session.feed(messages[start : start + frame], 1)
    return list(iter(session.next, None))


def faults(events: list[Event]) -> list[tuple[Breach, int, int]]:
    return [(event.breach, event.first, event.last) for event in events if isinstance(event, Fault)]


def accounted(events: list[Event]) -> list[int]:
    """The numbers of ticks that were delivered or counted, in order."""
    seqs: list[int] = []
    for event in events:
        if isinstance(event, Update):
            seqs += range(event.merged.first if event.merged else event.seq, event.seq + 1)
    return seqs


@given(st.lists(STEPS, max_size=25), BOOLS, st.integers(1, 9))
def test_a_gateway_that_keeps_its_promises(steps: list[tuple[str, int]], conflated: list[bool], frame: int) -> None:
    model, session = published(steps), begun()
    messages = list(model.messages(0, conflated))
    events = told(session, messages, frame)
    assert faults(events) == []
    assert accounted(events) == [entry.seq for entry in model.entries if not entry.gap]
    marks = [event for event in events if isinstance(event, Gap | NewEpoch)]
    assert len(marks) == sum(message["T"] in ("gap", "epoch") for message in messages)
    assert session.positions() == {STREAM: model.at}
    beat: Message = {"T": "heartbeat", "t": 0, "seq": {STREAM: model.at.seq}}
    assert faults(told(session, [beat], 1)) == []


@given(st.lists(STEPS, max_size=25), BOOLS, BOOLS, st.integers(1, 9), st.data())
def test_a_client_that_resumes_misses_nothing(
    steps: list[tuple[str, int]], first: list[bool], second: list[bool], frame: int, data: st.DataObject
) -> None:
    """It is cut off at a moment of any kind: between frames, or with frames unread of which it was given a part."""
    model, session = published(steps), begun()
    messages = list(model.messages(0, first))
    for start in range(0, data.draw(st.integers(0, len(messages))), frame):
        session.feed(messages[start : start + frame], 1)
    given_events: list[Event] = []
    for _ in range(data.draw(st.integers(0, len(messages) + 1))):
        event = session.next()
        if event is not None:
            given_events.append(event)
    session.disconnected()
    session.connected()
    at = session.positions()[STREAM]
    command = session.command()
    assert command is not None
    assert command["since"] == {STREAM: {"epoch": at.epoch, "seq": at.seq}}
    index, mark = _after(model, at)
    rest = list(model.messages(index, second))
    if mark:
        rest = [message for message in rest if message is not model.entries[index].before]
    session.feed(
        [{"T": "subscription", "id": command["id"], "streams": {STREAM: {"epoch": "e9", "seq": 0, "recovered": True}}}],
        1,
    )
    events = given_events + told(session, rest, frame)
    assert faults(events) == []
    assert accounted(events) == [entry.seq for entry in model.entries if not entry.gap]
    assert session.positions() == {STREAM: model.at}


def _after(model: Model, at: Position) -> tuple[int, bool]:
    """The entry that follows a position, and whether the mark before it was read."""
    for index, entry in enumerate(model.entries):
        if entry.before is not None:
            after = entry.before.get("next", entry.before)
            if Position(after["epoch"], after["seq"] - 1) == at:
                return index, True
        if Position(entry.epoch, entry.seq) == at:
            return index + 1, False
    return 0, False


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 30), st.booleans())
def test_a_client_that_comes_too_late_is_told_what_it_missed(
    read: int, forgotten: int, more: int, other_epoch: bool
) -> None:
    model, session = Model(), begun()
    model.publish(read)
    told(session, list(model.messages(0, [])), 5)
    model.publish(forgotten)
    if other_epoch:
        model.change_epoch()
    model.publish(1)
    session.disconnected()
    session.connected()
    last = model.entries[-1]
    granted(session, {"epoch": last.epoch, "seq": last.seq, "recovered": False})
    to = None if other_epoch else last.seq - 1
    lost = [gap("e1", read + 1, to, Position(last.epoch, last.seq), "history"), trade(last) | {"snap": True}]
    before = len(model.entries)
    model.publish(more)
    events = told(session, lost + list(model.messages(before, [])), 3)
    assert faults(events) == []
    assert accounted(events) == [last.seq, *(entry.seq for entry in model.entries[before:])]
    assert session.positions() == {STREAM: model.at}


def ticks_only(count: int, conflated: list[bool]) -> list[Message]:
    """Ticks, some of them conflated, without marks but the first."""
    model = Model()
    model.publish(count)
    messages: list[Message] = []
    start = 0
    for choice in [*conflated, False]:
        part = Model(model.entries[start : start + 4], 1)
        messages += part.messages(0, [choice])
        start += 4
    return messages


def ends(message: Message) -> tuple[int, int]:
    return message.get("m", {}).get("q0", message["q"]), message["q"]


@given(BOOLS, st.data())
def test_a_message_that_is_left_out_is_a_hole(conflated: list[bool], data: st.DataObject) -> None:
    messages = ticks_only(4 * len(conflated) + 4, conflated)
    lost = messages.pop(data.draw(st.integers(1, len(messages) - 1)))
    beat: Message = {"T": "heartbeat", "t": 0, "seq": {STREAM: 4 * len(conflated) + 4}}
    found = faults(told(begun(), [*messages, beat], 3))
    breach = Breach.BEHIND if lost["q"] == 4 * len(conflated) + 4 else Breach.HOLE
    assert found == [(breach, *ends(lost))]


@given(BOOLS, st.data())
def test_a_message_that_comes_twice_is_a_repeat(conflated: list[bool], data: st.DataObject) -> None:
    messages = ticks_only(4 * len(conflated) + 4, conflated)
    at = data.draw(st.integers(1, len(messages) - 1))
    messages.insert(data.draw(st.integers(at + 1, len(messages))), messages[at])
    events = told(begun(), messages, 3)
    assert faults(events) == [(Breach.REPEAT, *ends(messages[at]))]
    assert accounted(events) == [*range(1, 4 * len(conflated) + 5)]


@given(BOOLS, st.data())
def test_messages_that_change_places_are_a_hole_and_late(conflated: list[bool], data: st.DataObject) -> None:
    messages = ticks_only(4 * len(conflated) + 4, conflated)
    at = data.draw(st.integers(1, len(messages) - 2))
    late, early = messages[at : at + 2]
    messages[at : at + 2] = early, late
    found = faults(told(begun(), messages, 3))
    assert found == [(Breach.HOLE, *ends(late)), (Breach.LATE, *ends(late))]


@pytest.mark.parametrize("change", [{"n": 1}, {"n": -1}, {"h": -5.0}, {"l": 5.0}, {"v": -100}])
@given(BOOLS, st.data())
def test_totals_that_do_not_add_up(change: dict[str, Any], conflated: list[bool], data: st.DataObject) -> None:
    messages = ticks_only(4 * len(conflated) + 4, conflated)
    merged = [message for message in messages if "m" in message]
    assume(merged)
    message = data.draw(st.sampled_from(merged))
    (name, by), totals = next(iter(change.items())), message["m"]
    # beyond what the tick itself shows, a high, a low or a volume can't be checked
    totals[name] = message["p"] + by if name in "hl" else totals[name] + by
    assert faults(told(begun(), messages, 3)) == [(Breach.TOTALS, *ends(message))]
