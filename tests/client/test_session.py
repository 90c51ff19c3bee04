from typing import Any

import pytest

from feed.client.events import (
    Breach,
    Complaint,
    Event,
    Fault,
    Gap,
    Granted,
    Heartbeat,
    Status,
    Subscribed,
    Unsubscribed,
)
from feed.client.session import Call, Session
from feed.client.wishes import Key, Terms
from feed.core.streams import Position

STREAM = "trades:AAPL"
AAPL: dict[Key, Terms] = {("trades", "AAPL"): Terms()}
Message = dict[str, Any]


def trade(seq: int, **more: Any) -> Message:
    fields = {"T": "t", "S": "AAPL", "i": seq, "x": "V", "p": 10.0, "s": 5, "c": [], "z": "", "t": 0, "q": seq}
    return fields | more


def state(seq: int, epoch: str | None = "e1", **more: Any) -> Message:
    return {"epoch": epoch, "seq": seq, "rate": 0, **more}


def told(session: Session) -> list[Event]:
    return list(iter(session.next, None))


def hear(session: Session, *messages: Message) -> list[Event]:
    session.feed(list(messages), 10)
    return told(session)


def answer(session: Session, **streams: Message) -> Message:
    """The answer to the command that is due now."""
    command = session.command()
    assert command is not None
    return {"T": "subscription", "id": command["id"], "streams": {f"trades:{key}": at for key, at in streams.items()}}


def error(session: Session, code: int, **more: Any) -> Message:
    command = session.command()
    assert command is not None
    return {"T": "error", "code": code, "msg": "no", "detail": "why", "id": command["id"], **more}


def subscribed(seq: int = 10, wanted: dict[Key, Terms] | None = None) -> Session:
    session = Session()
    session.connected()
    session.subscribe(wanted or AAPL, None)
    hear(session, answer(session, AAPL=state(seq)))
    return session


def seqs(events: list[Event]) -> list[Any]:
    return [getattr(event, "seq", event) for event in events]


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


def resume(session: Session) -> Message:
    session.disconnected()
    session.connected()
    command = session.command()
    assert command is not None
    return command


def test_resumes_where_it_stood_on_every_connection() -> None:
    session = subscribed(wanted={("trades", "AAPL"): Terms(5, True)})
    hear(session, trade(11))
    for _ in range(2):
        command = resume(session)
        assert command == {
            "action": "subscribe", "trades": ["AAPL"], "rate": 5, "snapshot": True,
            "since": {STREAM: {"epoch": "e1", "seq": 11}}, "id": command["id"],
        }  # fmt: skip
    session.feed([{"T": "subscription", "id": command["id"], "streams": {STREAM: state(13, recovered=True)}}], 10)
    assert told(session) == [Subscribed({STREAM: Granted("e1", 13, 0, True)})]
    assert session.positions() == {STREAM: Position("e1", 11)}
    assert seqs(hear(session, trade(12), trade(13), trade(14))) == [12, 13, 14]


def test_what_was_not_recovered_is_a_gap_and_a_snapshot() -> None:
    session = subscribed()
    command = resume(session)
    gap = {"T": "gap", "stream": STREAM, "epoch": "e1", "from": 11, "to": 30, "cause": "history"}
    session.feed([{"T": "subscription", "id": command["id"], "streams": {STREAM: state(31, recovered=False)}}], 10)
    session.feed([{**gap, "next": {"epoch": "e1", "seq": 31}}, trade(31, snap=True)], 10)
    session.feed([trade(32)], 10)
    _, missing, snapshot, following = told(session)
    assert missing == Gap(STREAM, "e1", 11, 30, Position("e1", 31), "history")
    assert getattr(snapshot, "snapshot", False)
    assert seqs([snapshot, following]) == [31, 32]


def test_a_loss_that_is_not_named_after_resuming_is_a_fault() -> None:
    session = subscribed()
    command = resume(session)
    session.feed([{"T": "subscription", "id": command["id"], "streams": {STREAM: state(13, recovered=True)}}], 10)
    assert hear(session, trade(14))[1] == Fault(Breach.HOLE, STREAM, "e1", 11, 13)


def test_stamps_are_asked_for_again() -> None:
    session = Session()
    session.connected()
    session.subscribe(AAPL, True)
    hear(session, answer(session, AAPL=state(10)))
    session.subscribe({("trades", "MSFT"): Terms()}, None)
    command = session.command()
    assert command is not None
    assert "stamps" not in command
    assert resume(session)["stamps"] is True


def test_what_was_asked_and_not_answered_is_asked_again_after_resuming() -> None:
    session = subscribed()
    call = session.subscribe({("trades", "MSFT"): Terms()}, None)
    session.command()
    assert resume(session)["trades"] == ["AAPL"]
    hear(session, {"T": "subscription", "id": session._ids, "streams": {STREAM: state(10, recovered=True)}})
    assert not call.done()
    hear(session, answer(session, MSFT=state(1)))
    assert call.done()


def test_what_was_dropped_is_not_asked_for_again() -> None:
    session = subscribed()
    session.unsubscribe(AAPL)
    session.feed([answer(session, AAPL=state(10))], 10)
    session.disconnected()
    session.connected()
    assert session.command() is None
    assert session.positions() == {}


def test_a_stream_that_a_wildcard_still_brings_is_not_dropped() -> None:
    session = subscribed(wanted={("trades", "AAPL"): Terms(), ("trades", "*"): Terms()})
    hear(session, answer(session))
    session.unsubscribe(AAPL)
    assert hear(session, answer(session)) == [Unsubscribed(frozenset())]
    assert seqs(hear(session, trade(11))) == [11]
    session.unsubscribe([("trades", "*")])
    assert hear(session, answer(session, AAPL=state(11))) == [Unsubscribed(frozenset({STREAM}))]


def test_a_loss_with_frames_unread_goes_back_to_what_was_given() -> None:
    session = subscribed()
    session.feed([trade(11), trade(12)], 10)
    session.feed([trade(13)], 10)
    session.feed([{"T": "status", "S": "AAPL", "state": "stale", "t": 5}, {"T": "heartbeat", "t": 6, "seq": {}}], 10)
    assert seqs([session.next()]) == [11]  # type: ignore[list-item]
    assert resume(session)["since"] == {STREAM: {"epoch": "e1", "seq": 11}}
    assert told(session) == [Status("AAPL", "stale", 5)]
    assert session.unread_bytes == 0


def test_a_loss_with_an_answer_unread_resumes_what_it_granted() -> None:
    session = subscribed()
    session.subscribe({("trades", "MSFT"): Terms()}, None)
    session.feed([answer(session, MSFT=state(3))], 10)
    session.feed([trade(4, S="MSFT")], 10)
    since = resume(session)["since"]
    assert since["trades:MSFT"] == {"epoch": "e1", "seq": 3}
    assert told(session) == [Subscribed({"trades:MSFT": Granted("e1", 3)})]


def test_positions_of_another_client_are_resumed_when_subscribed_to() -> None:
    session = Session({STREAM: ("e1", 7), "quotes:AAPL": ("e1", 9)})
    session.connected()
    assert session.command() is None
    session.subscribe(AAPL, None)
    command = session.command()
    assert command is not None
    assert command["since"] == {STREAM: {"epoch": "e1", "seq": 7}}
    hear(session, {"T": "subscription", "id": command["id"], "streams": {STREAM: state(9, recovered=True)}})
    assert seqs(hear(session, trade(8), trade(9), trade(10))) == [8, 9, 10]
    assert session.positions() == {STREAM: Position("e1", 10), "quotes:AAPL": Position("e1", 9)}


def test_a_gateway_that_cannot_resume_leaves_a_gap_of_the_client() -> None:
    session = subscribed()
    command = resume(session)
    events = hear(session, {"T": "subscription", "id": command["id"], "streams": {STREAM: state(15)}}, trade(16))
    assert events[1] == Gap(STREAM, "e1", 11, 15, Position("e1", 16), "client")
    assert seqs(hear(session, trade(16))) == [16]


def test_a_refusal_to_resume_is_no_callers_error() -> None:
    session = subscribed()
    resume(session)
    session.feed([{"T": "error", "code": 405, "msg": "no", "id": session._ids}], 10)
    assert session.failed is not None
    assert session.failed.code == 405
    session.disconnected()
    session.connected()
    assert session.failed is None


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


def test_a_long_subscription_is_one_call_of_several_commands() -> None:
    kept = {f"trades:S{number}": ("e1", 1) for number in range(450)}
    session = Session(kept)
    session.connected()
    call = session.subscribe({("trades", f"S{number}"): Terms() for number in range(450)}, None)
    asked: list[str] = []
    while not call.done():
        command = session.command()
        assert command is not None
        asked += command["trades"]
        states = {f"trades:{symbol}": state(1, recovered=True) for symbol in command["trades"]}
        hear(session, {"T": "subscription", "id": command["id"], "streams": states})
    assert len(asked) == len(set(asked)) == len(call.granted) == 450
    assert isinstance(call, Call)
