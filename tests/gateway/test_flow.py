"""A stream at a rate: the first at once, never more than the rate, everything counted, the same for all."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from feed.core.streams import Position
from feed.gateway.flow import PHASES, Flow, next_due
from feed.gateway.message import Message
from tests.gateway.hub_stage import EPOCH, T0, Client, Stage, stream, tick

A, B = stream("A"), stream("B")


def message(seq: int) -> Message:
    return Message(EPOCH, seq, tick(A, seq), 0, T0)


@given(
    rate=st.sampled_from([0.1, 1.0, 5.0, 7.0, 1000.0]),
    pauses=st.lists(st.one_of(st.floats(0, 0.3), st.floats(0, 3)), min_size=1, max_size=80),
)
def test_it_keeps_to_its_rate_and_loses_nothing(rate: float, pauses: list[float]) -> None:
    flow = Flow(rate, Position(EPOCH, 0), None)
    now, sent, at = 100.0, 0, []
    for seq, pause in enumerate(pauses, 1):
        now += pause / rate
        if flow.waiting and now >= flow.due:
            sent = went(flow, flow.due, sent, at)  # what a timer does
        flow.add([message(seq)], Position(EPOCH, seq), now)
        sent = went(flow, now, sent, at)
    sent = went(flow, max(now, flow.due), sent, at)
    assert sent == len(pauses)
    assert all(later - earlier >= (1 - 1e-6) / rate for earlier, later in itertools.pairwise(at))
    assert at[0] == 100.0 + pauses[0] / rate, "the first goes at once"


def went(flow: Flow, now: float, sent: int, at: list[float]) -> int:
    out = flow.take(now)
    if not out:
        return sent
    flow.flushed()
    (only,) = out
    first = only.totals.first if only.totals else only.seq
    assert first == sent + 1
    assert flow.sent == only.at
    at.append(now)
    return only.seq


@given(now=st.floats(0, 1e6), rate=st.sampled_from([0.5, 2.0, 10.0]))
def test_what_is_due_comes_due_together(now: float, rate: float) -> None:
    due = next_due(now, 1 / rate)
    assert 1 / rate - 1e-6 <= due - now <= (1 + 1 / PHASES) / rate + 1e-6


def test_who_wants_the_same_rate_gets_the_same_bytes() -> None:
    stage, one, two, every = Stage(), Client("one"), Client("two"), Client("every")
    stage.subscribe(one, A, B, rate=2.0)
    stage.subscribe(two, A, B, rate=2.0)
    stage.subscribe(every, A)
    for _ in range(10):
        stage.ticks(A, 3)
        stage.ticks(B, 1)
        stage.clock.turn(0.1)
    stage.clock.turn(1.0)
    assert one.writes == two.writes
    found = [m for m in one.read() if "q" in m]
    assert [(m["S"], m.get("m", {}).get("n", 1)) for m in found[:2]] == [("A", 3), ("B", 1)]
    for symbol, count in (("A", 30), ("B", 10)):
        mine = [m for m in found if m["S"] == symbol]
        assert sum(m.get("m", {}).get("n", 1) for m in mine) == count
        assert len(mine) <= 4
    assert len([m for m in every.read() if "q" in m]) == 30


def test_streams_of_a_rate_go_in_one_write() -> None:
    stage, client = Stage(), Client()
    stage.subscribe(client, A, B, rate=1.0)
    stage.clock.turn(0.1)
    stage.ticks(A)
    stage.clock.turn(0.1)
    stage.ticks(B)
    stage.clock.turn(0.1)
    client.read()
    stage.ticks(A, 2)
    stage.ticks(B, 2)
    stage.clock.turn(3.0)
    assert client.frames == 1


def test_a_change_of_rate_takes_effect_at_once_and_loses_nothing() -> None:
    stage, client, other = Stage(), Client(), Client("other")
    stage.subscribe(other, A, rate=0.5)
    stage.subscribe(client, A, rate=0.5)
    stage.ticks(A)
    stage.clock.turn(0.01)
    stage.ticks(A, 4)
    stage.clock.turn(0.01)
    assert [m["q"] for m in client.read() if "q" in m] == [1]
    stage.subscribe(client, A, rate=0.0)
    assert [m["q"] for m in client.read() if "q" in m] == [2, 3, 4, 5]
    stage.ticks(A)
    stage.clock.turn(0.01)
    stage.subscribe(client, A, rate=0.5)
    stage.ticks(A)
    stage.clock.turn(0.1)
    assert [m["q"] for m in client.read() if "q" in m] == [6]
    stage.clock.turn(5.0)
    assert [m["q"] for m in client.read() if "q" in m] == [7]
    assert [m["m"]["n"] for m in other.read() if "m" in m] == [6]
    assert not stage.hub.members.lanes.all()


def test_a_name_has_its_own_rate_beside_a_wildcard() -> None:
    stage, client = Stage(), Client()
    stage.announce(A, B)
    stage.ticks(A)
    stage.ticks(B)
    stage.subscribe(client, kinds=["trades"], rate=1.0)
    stage.subscribe(client, A)
    for _ in range(5):
        stage.ticks(A)
        stage.ticks(B)
        stage.clock.turn(0.01)
    stage.clock.turn(3.0)
    found = [m for m in client.read() if "q" in m]
    assert [m["q"] for m in found if m["S"] == "A"] == [2, 3, 4, 5, 6]
    assert [m.get("m", {}).get("n", 1) for m in found if m["S"] == "B"] == [1, 4]


def test_flows_that_nobody_wants_are_let_go() -> None:
    stage, client, keeper = Stage(), Client(), Client("keeper")
    stage.subscribe(keeper, A)
    for n in range(1, 50):
        stage.subscribe(client, A, rate=float(n))
        stage.ticks(A)
        stage.clock.turn(0.01)
    (live,) = stage.hub.interest.held([A], frozenset())
    assert len(live.flows) <= 2


def test_asking_for_rates_keeps_nothing() -> None:
    stage, client = Stage(), Client()
    for n in range(1, 300):
        stage.subscribe(client, A, rate=float(n))  # a stream that never ticks
    (live,) = stage.hub.interest.held([A], frozenset())
    assert live.flows == {}


def test_a_wildcards_flow_is_not_that_of_a_name_that_it_has_apart() -> None:
    stage, wild, slow = Stage(), Client("wild"), Client("slow")
    stage.announce(A)
    stage.ticks(A)
    stage.subscribe(wild, kinds=["trades"], rate=5.0)
    stage.subscribe(wild, A)
    stage.subscribe(slow, A, rate=5.0)
    slow.waiting = 1 << 20
    stage.ticks(A)
    stage.clock.turn(0.5)
    slow.waiting = 0
    for _ in range(100):
        stage.ticks(A)
        stage.clock.turn(0.01)
    assert len([m for m in slow.read() if "q" in m]) <= 7
