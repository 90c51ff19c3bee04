"""Clients that are behind: what a full socket is not given, what is conflated, who is warned, who is cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.streams import Position
from feed.core.ticks import Gap
from feed.gateway.lane import FULL_BYTES
from feed.gateway.resume import Place
from feed.settings import Gateway
from tests.gateway.hub_stage import EPOCH, T0, Client, Stage, seqs, stream, tick

A, B, QA, BARS = stream("A"), stream("B"), stream("A", "quotes"), stream("A", "bars")
FULL = 1 << 20


def slow_stage() -> Stage:
    return Stage(Gateway(slow_notice_s=2.0, slow_close_s=10.0))


def lanes(stage: Stage) -> int:
    return len(stage.hub.members.lanes.all())


def test_a_full_socket_is_given_nothing_and_then_all_trades_and_the_newest_quote() -> None:
    stage, slow, quick = slow_stage(), Client("slow"), Client("quick")
    for client in (slow, quick):
        stage.subscribe(client, A, QA)
    slow.waiting = FULL
    for _ in range(5):
        stage.ticks(A)
        stage.ticks(QA)
        stage.clock.turn(0.1)
    assert (slow.writes, lanes(stage)) == ([], 1)
    assert seqs(quick.read(), "A") == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    slow.waiting = 0
    stage.clock.turn(0.1)
    found = slow.read()
    assert [m["q"] for m in found if m["T"] == "t"] == [1, 2, 3, 4, 5]
    # the first was on its way when the socket was found full: it is owed as it is
    assert [(m["q"], m.get("m")) for m in found if m["T"] == "q"] == [(1, None), (5, {"n": 4, "q0": 2})]
    assert lanes(stage) == 0
    stage.ticks(QA)
    stage.clock.turn(0.1)
    assert seqs(slow.read()) == [6]


def test_depth_one_quotes_conflate_unmarked() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, QA, depth=1)
    slow.waiting = FULL
    for _ in range(5):
        stage.ticks(QA)
        stage.clock.turn(0.1)
    slow.waiting = 0
    stage.clock.turn(0.1)
    found = slow.read()
    assert [message["bp"] for message in found] == [1.0, 5.0]
    assert not any("m" in message or "q" in message for message in found)


def test_one_quote_stands_for_however_many_came_meanwhile() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, QA)
    slow.waiting = FULL
    stage.ticks(QA)
    stage.clock.turn(0.1)
    for _ in range(40):
        stage.ticks(QA, 50)
        stage.clock.turn(0.01)
    slow.waiting = 0
    stage.clock.turn(0.1)
    assert [(m["q"], m.get("m")) for m in slow.read() if m["T"] == "q"] == [(1, None), (2001, {"n": 2000, "q0": 2})]
    assert lanes(stage) == 0


def test_in_band_gaps_are_not_conflated_away() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, QA)
    slow.waiting = FULL
    stage.ticks(QA)
    stage.clock.turn(0.1)
    stage.ticks(QA, 3)
    stage.gap(QA, Gap("A", "venue", 1, 5, T0))
    stage.ticks(QA, 2)
    stage.clock.turn(0.1)
    slow.waiting = 0
    stage.clock.turn(0.1)
    found = [(m["T"], m["q"], m.get("m")) for m in slow.read() if "q" in m]
    assert found == [
        ("q", 1, None), ("q", 4, {"n": 3, "q0": 2}), ("gap", 5, None), ("q", 7, {"n": 2, "q0": 6}),
    ]  # fmt: skip


def test_a_stalled_client_is_warned_and_then_cut_off() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, QA)
    slow.waiting = FULL
    stage.ticks(QA)
    stage.clock.turn(1.0)
    stage.hub.beat(1.0)
    assert (slow.lags, slow.cuts) == ([], [])
    stage.clock.turn(1.5)
    stage.hub.beat(1.0)
    stage.hub.beat(1.0)
    (lag_s,) = slow.lags
    assert 2.0 < lag_s < 3.0
    stage.clock.turn(8.0)
    stage.hub.beat(1.0)
    assert slow.cuts == [True]


def test_one_who_reads_too_slowly_is_cut_off_for_its_trades() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    stage.ticks(A, 5_000)
    stage.clock.turn(0.1)
    for _ in range(120):
        slow.waiting = FULL_BYTES - 100  # room for a message at a time
        stage.clock.turn(0.05)
        slow.waiting = FULL
        stage.clock.turn(0.05)
        stage.hub.beat(1.0)
        if slow.cuts:
            break
    assert slow.cuts[:1] == [False]
    assert len(slow.lags) == 1
    got = seqs(slow.read())
    assert got == list(range(1, len(got) + 1))


def test_quotes_alone_make_nobody_slow_who_reads() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, QA)
    for _ in range(200):
        slow.waiting = FULL
        stage.ticks(QA, 10)
        stage.clock.turn(0.05)
        slow.waiting = 0
        stage.clock.turn(0.05)
        stage.hub.beat(1.0)
    assert (slow.lags, slow.cuts) == ([], [])


def test_who_resumes_much_is_not_slow_for_it() -> None:
    stage, keeper, back = slow_stage(), Client("keeper"), Client("back")
    stage.subscribe(keeper, A)
    stage.ticks(A, 20_000)
    stage.clock.turn(0.1)
    stage.subscribe(back, A, places={A: Place(Position(EPOCH, 1), [])})
    for _ in range(300):  # some 30 s
        back.waiting = FULL_BYTES - 6_000
        stage.clock.turn(0.05)
        back.waiting = FULL
        stage.clock.turn(0.05)
        stage.ticks(A)
        stage.hub.beat(1.0)
    assert (back.lags, back.cuts) == ([], [])
    got = seqs(back.read())
    assert got == list(range(2, 2 + len(got)))


@given(rooms=st.lists(st.integers(1, FULL_BYTES), max_size=30), count=st.integers(1, 3_000))
def test_no_socket_is_given_more_than_fits(rooms: list[int], count: int) -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    stage.ticks(A, count)
    stage.clock.turn(0.01)
    got: list[int] = []
    for room in rooms:
        slow.waiting = FULL_BYTES - room
        stage.hub.pump(slow)
        # bodies are counted: number, side and header come on top, and one message always goes
        assert sum(map(len, slow.writes)) <= 1.35 * room + 200
        got += seqs(slow.read())
    slow.waiting = 0
    stage.clock.turn(5.0)
    assert got + seqs(slow.read()) == list(range(1, count + 1))


def behind_the_tail() -> tuple[Stage, Client]:
    """A client that is owed the trades 1 to 50 where the tail keeps ten: it has asked the log."""
    stage, slow = Stage(Gateway(tail_ticks=10)), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    for _ in range(50):
        stage.ticks(A)
        stage.clock.turn(0.01)
    slow.waiting = 0
    stage.clock.turn(0.05)
    assert (slow.writes, len(stage.log.asks)) == ([], 1)
    return stage, slow


def test_what_the_tail_has_let_go_is_read_from_the_log() -> None:
    stage, slow = behind_the_tail()
    stage.log.answer({n: tick(A, n) for n in range(1, 51)})
    stage.clock.turn(0.05)
    assert seqs(slow.read()) == list(range(1, 51))
    assert lanes(stage) == 0


def test_what_the_log_has_let_go_too_is_named() -> None:
    stage, slow = behind_the_tail()
    stage.log.answer({n: tick(A, n) for n in range(31, 51)})
    stage.clock.turn(0.05)
    gap, *rest = [message for message in slow.read() if "q" in message or message["T"] == "gap"]
    assert (gap["from"], gap["to"], gap["cause"]) == (1, 30, "history")
    assert seqs(rest) == list(range(31, 51))


def test_who_leaves_calls_its_question_off() -> None:
    stage, slow = Stage(Gateway(tail_ticks=0)), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    stage.ticks(A, 5)
    stage.clock.turn(0.01)
    slow.waiting = 0
    stage.clock.turn(0.05)
    assert stage.log.asks
    stage.leave(slow)
    assert not stage.log.asks
    stage.assert_empty()


@pytest.mark.parametrize("up", [True, False])
def test_a_client_in_a_lane_has_heartbeats_too(up: bool) -> None:
    stage, client, other = slow_stage(), Client(), Client("other")
    stage.hub.bus_up = up
    stage.subscribe(other, A, rate=0.1)
    stage.ticks(A)
    stage.clock.turn(0.1)
    stage.ticks(A)
    stage.clock.turn(0.1)
    # it stands at 2, where others of its rate stand at 1 for some seconds yet
    stage.subscribe(client, A, B, places={A: Place(Position(EPOCH, 2), [])}, rate=0.1)
    assert lanes(stage) == 1
    stage.clock.turn(1.5)
    stage.hub.beat(1.0)
    (beat,) = [message for message in client.read() if message["T"] == "heartbeat"]
    assert beat.get("seq") == ({"trades:A": 2, "trades:B": 0} if up else None)


def test_the_time_of_day_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    stage.ticks(A)
    stage.clock.turn(0.05)
    monkeypatch.setattr(stage.clock, "now_ns", lambda: T0 + round((stage.clock.at + 11) * 1e9))
    stage.hub.beat(1.0)
    assert (slow.lags, slow.cuts) == ([], [])


def test_a_lane_that_fails_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    stage.ticks(A)
    stage.clock.turn(0.05)

    def broken() -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(slow, "backlog", broken)
    with pytest.raises(RuntimeError):
        stage.clock.turn(0.05)
    with pytest.raises(RuntimeError):
        stage.hub.beat(1.0)


def test_resuming_in_a_lane_where_others_stand_goes_there() -> None:
    stage, slow = slow_stage(), Client()
    stage.subscribe(slow, A)
    slow.waiting = FULL
    stage.ticks(A, 5)
    stage.clock.turn(0.05)
    stage.subscribe(slow, A, places={A: Place(Position(EPOCH, 5), [])})
    slow.waiting = 0
    stage.ticks(A)
    stage.clock.turn(0.05)
    assert seqs(slow.read()) == [6]
