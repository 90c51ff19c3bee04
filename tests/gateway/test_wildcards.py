"""Wildcards, the directory that tells them what there is, and names that it does not tell."""

import pytest

from feed.core.streams import START
from feed.core.ticks import QUOTES, TRADES
from tests.gateway.hub_stage import FEED, Client, Stage, seqs, stream

A, B, C = stream("A"), stream("B"), stream("C")


def test_a_wildcard_holds_its_kind_and_no_other() -> None:
    stage, client = Stage(), Client()
    stage.announce(A, B, stream("A", QUOTES))
    stage.subscribe(client, kinds=[TRADES])
    assert stage.bus.directories == [FEED]
    assert stage.bus.wanted == {A: None, B: None}
    stage.leave(client)
    stage.assert_empty()


def test_a_wildcard_with_a_name_that_it_covers_delivers_once() -> None:
    stage, client = Stage(), Client()
    stage.announce(A, B)
    form = stage.subscribe(client, A)
    stage.subscribe(client, kinds=[TRADES])
    stage.ticks(A)
    stage.ticks(B)
    stage.clock.turn(1.0)
    messages = client.read()
    assert (seqs(messages, "A"), seqs(messages, "B")) == ([1], [1])
    stage.unsubscribe(client, form, kinds=[TRADES])
    stage.ticks(A)
    stage.ticks(B)
    stage.clock.turn(1.0)
    assert [(message["S"], message["q"]) for message in client.read()] == [("A", 2)]
    stage.leave(client)
    stage.assert_empty()


def test_the_name_dropped_the_wildcard_stays() -> None:
    stage, client = Stage(), Client()
    stage.announce(A)
    form = stage.subscribe(client, A, kinds=[TRADES])
    stage.ticks(A)
    stage.unsubscribe(client, form, A)
    stage.ticks(A)
    stage.clock.turn()
    assert seqs(client.read()) == [1, 2]


def test_a_stream_that_appears_later_is_read_from_its_first_tick() -> None:
    stage, client = Stage(), Client()
    stage.announce(A)
    stage.subscribe(client, kinds=[TRADES])
    stage.announce(A, B, stream("B", QUOTES))
    assert stage.bus.wanted == {A: None, B: START}
    stage.ticks(B, 2)
    stage.clock.turn()
    assert seqs(client.read(), "B") == [1, 2]
    stage.leave(client)
    stage.assert_empty()


def test_a_stream_that_appeared_while_nobody_wanted_its_kind_is_read_from_its_present() -> None:
    stage, client = Stage(), Client()
    stage.announce(A)
    stage.announce(A, B)
    stage.subscribe(client, kinds=[TRADES])
    assert stage.bus.wanted == {A: None, B: None}


def test_the_first_reading_of_the_directory_opens_streams_at_their_present() -> None:
    stage = Stage()
    interest = stage.hub.interest
    interest.hold((), [TRADES])
    assert stage.bus.wanted == {}
    assert interest.unopened((), frozenset([TRADES])) is not None
    stage.announce(A, stream("A", QUOTES))
    assert stage.bus.wanted == {A: None}
    assert interest.unopened((), frozenset([TRADES])) is not None
    stage.open(A)
    assert interest.unopened((), frozenset([TRADES])) is None
    interest.release((), [TRADES])
    stage.assert_empty()


@pytest.mark.parametrize("named_too", [False, True])
def test_a_directory_that_comes_after_the_last_holder_left_holds_nothing(named_too: bool) -> None:
    stage = Stage()
    interest = stage.hub.interest
    streams = [A] if named_too else []
    interest.hold(streams, [TRADES])
    interest.release(streams, [TRADES])
    stage.announce(A, B)
    stage.assert_empty()


def test_a_directory_that_comes_between_two_holders_counts_for_both() -> None:
    stage = Stage()
    interest = stage.hub.interest
    interest.hold([A], [TRADES])
    stage.announce(A)
    interest.hold([], [TRADES])
    stage.announce(A, B)
    interest.release([A], [TRADES])
    assert set(stage.bus.wanted) == {A, B}
    interest.release([], [TRADES])
    stage.assert_empty()


def test_nothing_ever_leaves_the_directory() -> None:
    stage, client = Stage(), Client()
    stage.announce(A, B)
    stage.subscribe(client, kinds=[TRADES])
    stage.announce(A)
    assert set(stage.bus.wanted) == {A, B}
    stage.leave(client)
    stage.assert_empty()


def test_a_stream_is_not_begun_anew_that_a_wildcard_saw_before_the_directory_named_it() -> None:
    stage, named, wild = Stage(), Client(), Client()
    stage.announce()
    form = stage.subscribe(named, A)
    stage.subscribe(wild, kinds=[TRADES])
    stage.ticks(A, 2)
    stage.clock.turn()
    assert seqs(wild.read()) == [1, 2]
    stage.unsubscribe(named, form, A)
    stage.announce(A)
    stage.ticks(A)
    stage.clock.turn(1.0)
    assert seqs(wild.read()) == [3]
    assert stage.bus.wanted == {A: None}
    stage.leave(wild)
    stage.leave(named)
    stage.assert_empty()


def test_a_symbol_that_does_not_exist_is_no_part_of_a_wildcard() -> None:
    stage, named, wild = Stage(), Client(), Client()
    stage.announce(A)
    form = stage.subscribe(named, C)
    stage.subscribe(wild, kinds=[TRADES])
    assert [live.stream for live in stage.hub.interest.held((), frozenset([TRADES]))] == [A]
    stage.unsubscribe(named, form, C)
    assert set(stage.bus.wanted) == {A}


def test_a_name_that_the_directory_lacks_does_not_cost_a_wildcard_its_first_ticks() -> None:
    stage, named, wild = Stage(), Client(), Client()
    stage.announce(A)
    stage.subscribe(wild, kinds=[TRADES])
    stage.subscribe(named, B)
    assert stage.bus.wanted == {A: None, B: START}
    stage.ticks(B, 2)
    stage.announce(A, B)
    stage.clock.turn()
    assert seqs(wild.read()) == seqs(named.read()) == [1, 2]


def test_a_wildcard_waits_for_names_that_others_are_about_to_open() -> None:
    stage = Stage()
    interest = stage.hub.interest
    stage.announce(A)
    interest.hold([B], [])
    interest.hold([], [TRADES])
    stage.open(A)
    assert interest.unopened((), frozenset([TRADES])) is not None
    stage.seqs[B] = 3
    stage.open(B)
    assert interest.unopened((), frozenset([TRADES])) is None
    # it ticks, so the feed has it, whatever the directory says as yet
    assert [live.stream for live in interest.held((), frozenset([TRADES]))] == [A, B]


@pytest.mark.parametrize("published", [0, 3])
def test_names_that_come_and_go_before_the_directory_is_known_leave_nothing(published: int) -> None:
    stage, client = Stage(), Client()
    stage.seqs[B] = published
    interest = stage.hub.interest
    interest.hold([], [TRADES])  # a wildcard that waits for the directory
    form = stage.subscribe(client, B)
    stage.unsubscribe(client, form, B)
    assert stage.bus.wanted == {}
    stage.announce(A)
    assert stage.bus.wanted == {A: None}


def test_a_name_that_was_not_even_opened_leaves_nothing_behind() -> None:
    stage, wild = Stage(), Client()
    interest = stage.hub.interest
    stage.announce(A)
    interest.hold([B], [])
    stage.subscribe(wild, kinds=[TRADES])
    interest.hold([C], [])
    interest.streams[B].at = None
    interest.release([B, C], [])
    assert set(stage.bus.wanted) == {A}
