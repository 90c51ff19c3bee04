import pytest

from feed.client.events import (
    Breach,
    Complaint,
    Fault,
    Granted,
    Heartbeat,
    Subscribed,
    Unsubscribed,
)
from feed.client.session import Session
from feed.client.wishes import Terms
from feed.core.streams import Position
from tests.client.session_stage import AAPL, STREAM, Message, answer, error, hear, seqs, state, subscribed, told, trade


def test_a_command_is_sent_once_and_the_next_after_its_answer() -> None:
    session = Session()
    session.connected()
    first = session.subscribe(AAPL, None)
    second = session.unsubscribe(AAPL)
    assert session.due
    assert session.command() == {"action": "subscribe", "trades": ["AAPL"], "id": 1}
    assert not session.due
    assert session.command() is None
    hear(session, {"T": "subscription", "id": 1, "streams": {STREAM: state(10)}})
    assert (first.done(), first.granted) == (True, {STREAM: Granted("e1", 10)})
    assert not second.done()
    assert session.command() == {"action": "unsubscribe", "trades": ["AAPL"], "id": 2}
    assert hear(session, {"T": "subscription", "id": 2, "streams": {STREAM: state(10)}}) == [
        Unsubscribed(frozenset({STREAM}))
    ]
    assert second.done()
    assert session.positions() == {}


def test_asking_for_nothing_is_done_at_once() -> None:
    session = Session()
    assert session.subscribe({}, None).done()
    assert not session.due


def test_what_comes_before_an_answer_is_given_before_it() -> None:
    session = subscribed()
    session.subscribe({("trades", "MSFT"): Terms()}, None)
    session.feed([trade(11)], 10)
    session.feed([answer(session, MSFT=state(3))], 10)
    session.feed([trade(12)], 10)
    events = told(session)
    assert [type(event).__name__ for event in events] == ["Update", "Subscribed", "Update"]


def test_positions_are_those_after_the_last_event_given() -> None:
    session = subscribed()
    session.feed([trade(11), trade(12), trade(14)], 10)
    assert session.positions() == {STREAM: Position("e1", 10)}
    for event, seq in ((11, 11), (12, 12), (Fault(Breach.HOLE, STREAM, "e1", 13, 13), 13), (14, 14)):
        assert seqs([session.next()]) == [event]  # type: ignore[list-item]
        assert session.positions()[STREAM].seq == seq


def test_unread_bytes_are_those_of_frames_not_begun() -> None:
    session = subscribed()
    session.feed([trade(11)], 100)
    session.feed([trade(12)], 30)
    assert session.unread_bytes == 130
    session.next()
    assert session.unread_bytes == 30
    told(session)
    assert (session.unread_bytes, session.empty) == (0, True)


@pytest.mark.parametrize("code", [400, 405, 429, 500])
def test_an_error_in_answer_fails_the_call_and_not_the_next(code: int) -> None:
    session = subscribed()
    call, following = session.subscribe(AAPL, None), session.unsubscribe(AAPL)
    assert hear(session, error(session, code)) == []
    assert call.error is not None
    assert (call.error.code, call.error.text, call.error.detail, str(call.error)) == (
        code,
        "no",
        "why",
        f"{code} no: why",
    )
    assert call.done()
    assert not following.done()
    hear(session, answer(session, AAPL=state(10)))
    assert following.done()


def test_too_many_commands_is_an_answer_though_it_has_no_id() -> None:
    session = subscribed()
    call = session.subscribe(AAPL, None)
    message = error(session, 429)
    del message["id"]
    assert hear(session, message) == []
    assert call.error is not None


@pytest.mark.parametrize("more", [{"code": 407}, {"code": 400, "id": 77}])
def test_an_error_that_answers_nothing_is_an_event(more: Message) -> None:
    session = subscribed()
    call = session.subscribe(AAPL, None)
    session.command()
    message = {"T": "error", "msg": "no", **more}
    assert hear(session, message) == [Complaint(more["code"], "no")]
    assert not call.done()


def test_too_many_commands_with_nothing_asked_is_an_event() -> None:
    assert hear(subscribed(), {"T": "error", "code": 429, "msg": "no"}) == [Complaint(429, "no")]


def test_an_answer_to_another_command_is_none() -> None:
    session = subscribed()
    call = session.subscribe(AAPL, None)
    session.command()
    hear(session, {"T": "subscription", "id": 77, "streams": {STREAM: state(99)}})
    assert not call.done()
    assert session.positions() == {STREAM: Position("e1", 10)}


def test_a_stream_that_a_wildcard_still_brings_is_not_dropped() -> None:
    session = subscribed(wanted={("trades", "AAPL"): Terms(), ("trades", "*"): Terms()})
    hear(session, answer(session))
    session.unsubscribe(AAPL)
    assert hear(session, answer(session)) == [Unsubscribed(frozenset())]
    assert seqs(hear(session, trade(11))) == [11]
    session.unsubscribe([("trades", "*")])
    assert hear(session, answer(session, AAPL=state(11))) == [Unsubscribed(frozenset({STREAM}))]


def test_a_heartbeat_tells_what_is_missing_at_the_end() -> None:
    session = subscribed()
    beat = {"T": "heartbeat", "t": 6, "seq": {STREAM: 12}}
    assert hear(session, beat) == [Fault(Breach.BEHIND, STREAM, "e1", 11, 12), Heartbeat(6, bus_up=True)]
    assert hear(session, beat) == [Heartbeat(6, bus_up=True)]
    assert hear(session, {"T": "heartbeat", "t": 7}) == [Heartbeat(7, bus_up=False)]


def test_bars_of_different_length_are_streams_of_their_own() -> None:
    bar = {"T": "b", "S": "AAPL", "o": 1, "h": 2, "l": 1, "c": 2, "v": 9, "n": 3, "vw": 1.5, "t": 60}
    session = Session()
    session.connected()
    session.subscribe({("bars", "AAPL"): Terms(), ("bars1s", "AAPL"): Terms()}, None)
    command = session.command()
    assert command is not None
    granted = {"bars:AAPL": state(4), "bars1s:AAPL": state(899)}
    hear(session, {"T": "subscription", "id": command["id"], "streams": granted})
    events = hear(session, {**bar, "q": 5}, {**bar, "q": 900, "kind": "bars1s"}, {**bar, "q": 6})
    assert [(event.stream, event.seq) for event in events] == [("bars:AAPL", 5), ("bars1s:AAPL", 900), ("bars:AAPL", 6)]  # type: ignore[union-attr]


def test_a_renewed_token_that_grants_less_or_more_changes_what_comes() -> None:
    session = subscribed(wanted={("trades", "AAPL"): Terms(), ("trades", "MSFT"): Terms(), ("trades", "*"): Terms()})
    hear(session, answer(session, MSFT=state(3)))
    unasked = {"T": "subscription", "trades": ["AAPL", "*"], "quotes": [], "bars": [], "bars1s": []}
    said = {**unasked, "streams": {"trades:MSFT": state(3), "trades:IBM": state(7)}}
    assert hear(session, said) == [
        Unsubscribed(frozenset({"trades:MSFT"})),
        Subscribed({"trades:IBM": Granted("e1", 7)}),
    ]
    assert seqs(hear(session, trade(8, S="IBM"), trade(11))) == [8, 11]
    assert session.positions() == {STREAM: Position("e1", 11), "trades:IBM": Position("e1", 8)}
    session.disconnected()
    session.connected()
    asked = []
    while (command := session.command()) is not None:
        asked += command["trades"]
        hear(session, {"T": "subscription", "id": command["id"], "streams": {}})
    assert sorted(asked) == ["*", "AAPL"]
