from feed.client.events import (
    Breach,
    Fault,
    Gap,
    Granted,
    Status,
    Subscribed,
)
from feed.client.session import Call, Session
from feed.client.wishes import Terms
from feed.core.streams import Position
from tests.client.session_stage import AAPL, STREAM, answer, hear, resume, seqs, state, subscribed, told, trade


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
