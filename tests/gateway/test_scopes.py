"""Wildcards that reach some symbols only: what is read for them, and that nothing of the others is told, not a name."""

import pytest

from feed.core.streams import START
from feed.core.ticks import QUOTES, TRADES
from tests.gateway.hub_stage import Client, Stage, seqs, stream

AA, AB, B = stream("AA"), stream("AB"), stream("B")


def symbols(client: Client) -> set[str]:
    """Of all messages since the last look, whatever they are."""
    found = set()
    for message in client.read():
        keys = [*(message["seq"] if message["T"] == "heartbeat" else ()), message.get("stream", ":")]
        found |= {key.split(":")[1] for key in keys} | ({message["S"]} if "S" in message else set())
    return found - {""}


def test_only_what_is_reached_is_read_and_sent() -> None:
    stage, client = Stage(), Client(symbols=["A*"])
    stage.announce(AA, B, stream("AA", QUOTES))
    stage.subscribe(client, kinds=[TRADES])
    assert set(stage.bus.wanted) == {AA}
    stage.announce(AB, stream("C"))
    assert stage.bus.wanted == {AA: None, AB: START}
    for each in (AA, AB, B):
        stage.ticks(each)
    stage.clock.turn(1.0)
    messages = client.read()
    assert (seqs(messages, "AA"), seqs(messages, "AB"), seqs(messages)) == ([1], [1], [1, 1])
    stage.leave(client)
    stage.assert_empty()


def test_each_scope_holds_what_it_reaches_until_its_last_wildcard_goes() -> None:
    stage, wide, narrow, other = Stage(), Client(), Client(symbols=["A*"]), Client(symbols=["A*"])
    stage.announce(AA, B)
    wide_form = stage.subscribe(wide, kinds=[TRADES])
    stage.subscribe(narrow, kinds=[TRADES])
    stage.subscribe(other, kinds=[TRADES])
    assert len(stage.hub.interest.cohorts) == 2
    stage.unsubscribe(wide, wide_form, kinds=[TRADES])
    assert set(stage.bus.wanted) == {AA}
    stage.leave(narrow)
    stage.ticks(AA)
    stage.clock.turn()
    assert seqs(other.read()) == [1]
    stage.leave(other)
    stage.leave(wide)
    stage.assert_empty()


@pytest.mark.parametrize("rate", [0.0, 4.0])
@pytest.mark.parametrize("slow", [False, True], ids=["cohort", "lane"])
def test_nothing_is_told_of_what_others_hold(rate: float, slow: bool) -> None:
    stage, wide, narrow = Stage(), Client(), Client(symbols=["A*"])
    stage.announce(AA, B)
    for each in (AA, B):
        stage.ticks(each)
    stage.subscribe(wide, kinds=[TRADES], rate=rate)
    form = stage.subscribe(narrow, kinds=[TRADES], rate=rate)
    narrow.waiting = 1_000_000 if slow else 0
    for _ in range(3):
        for each in (AA, AB, B):
            stage.ticks(each, 2)
        stage.announce(AB, B)
        stage.clock.turn(1.0)
    assert len(stage.hub.members.lanes.all()) == slow
    narrow.waiting = 0
    stage.hub.sources(frozenset({"AA", "B"}))
    stage.clock.turn(2.0)
    stage.hub.beat(0.0)
    assert symbols(narrow) == {"AA", "AB"}
    assert symbols(wide) == {"AA", "AB", "B"}
    live = stage.hub.interest.streams[B]
    assert not any(cohort.key.scope for *_, cohorts, _ in stage.hub.interest.audience(live) for cohort in cohorts)
    assert b"B" not in stage.hub.statuses(form, stage.hub.interest.held(*narrow.selection.held))


def test_a_stream_that_only_others_reach_flows_at_no_rate_of_the_restricted() -> None:
    stage, narrow = Stage(), Client(symbols=["A*"])
    stage.announce(AA, B)
    named = Client()
    stage.subscribe(narrow, kinds=[TRADES], rate=4.0)
    stage.subscribe(named, B)
    flowing = stage.hub.interest.flowing
    streams = stage.hub.interest.streams
    assert (flowing(streams[AA], 4.0), flowing(streams[B], 4.0)) == (True, False)


def test_a_name_ticks_before_the_directory_has_it_and_stays_for_the_scopes_that_reach_it() -> None:
    stage, named = Stage(), Client()
    one, two, none = Client(symbols=["A*"]), Client(symbols=["AA"]), Client(symbols=["B"])
    stage.announce(B)
    for client in (one, two, none):
        stage.subscribe(client, kinds=[TRADES])
    stage.subscribe(named, AA)
    assert stage.bus.wanted == {B: None, AA: START}
    stage.ticks(AA, 2)
    stage.clock.turn(1.0)
    stage.leave(named)
    stage.announce(AA, B)
    stage.ticks(AA)
    stage.clock.turn(1.0)
    assert seqs(one.read()) == seqs(two.read()) == [1, 2, 3]
    assert none.read() == []
    stage.leave(one)
    assert set(stage.bus.wanted) == {AA, B}
    stage.leave(two)
    assert set(stage.bus.wanted) == {B}
    stage.leave(none)
    stage.assert_empty()


def test_a_stream_that_has_yet_to_tick_stays_for_each_scope_that_reaches_it() -> None:
    stage, one, two = Stage(), Client(symbols=["A*"]), Client(symbols=["AA"])
    stage.announce(B)
    for client in (one, two):
        stage.subscribe(client, kinds=[TRADES])
    stage.announce(AA, B)
    stage.leave(one)
    assert stage.bus.wanted == {AA: START}
    stage.ticks(AA)
    stage.clock.turn(1.0)
    assert seqs(two.read()) == [1]
    stage.leave(two)
    stage.assert_empty()
