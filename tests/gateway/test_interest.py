"""Who holds what: joining, leaving, wildcards, and streams that appear or are let go at awkward moments."""

from feed.core.streams import Position
from feed.core.ticks import TRADES
from feed.gateway.forms import form_of
from feed.wire.codec import JSON
from tests.gateway.hub_stage import Client, Stage, seqs, stream

A, B, C = stream("A"), stream("B"), stream("C")
TWO = form_of(JSON, 2, False)


def test_a_joiner_gets_nothing_that_was_pending_and_everything_after() -> None:
    stage, first, second = Stage(), Client(), Client()
    stage.subscribe(first, A)
    stage.ticks(A, 2)
    stage.subscribe(second, A)
    stage.ticks(A, 2)
    stage.clock.turn(1.0)
    assert seqs(first.read()) == [1, 2, 3, 4]
    assert seqs(second.read()) == [3, 4]


def test_joining_one_stream_leaves_what_is_pending_of_others() -> None:
    stage, client = Stage(), Client()
    stage.subscribe(client, A)
    stage.ticks(A)
    stage.subscribe(client, B)
    stage.ticks(B)
    stage.clock.turn()
    messages = client.read()
    assert (seqs(messages, "A"), seqs(messages, "B")) == ([1], [1])


def test_who_unsubscribes_has_been_sent_all_up_to_then() -> None:
    stage, client = Stage(), Client()
    form = stage.subscribe(client, A, B)
    stage.ticks(A, 2)
    stage.unsubscribe(client, form, A)
    assert seqs(client.read(), "A") == [1, 2]
    stage.ticks(B)
    stage.clock.turn()
    assert seqs(client.read()) == [1]
    assert set(stage.bus.wanted) == {B}


def test_a_change_of_form_loses_and_doubles_nothing() -> None:
    stage, client = Stage(), Client()
    stage.subscribe(client, A)
    stage.ticks(A)
    stage.subscribe(client, stamps=True)
    stage.ticks(A)
    stage.clock.turn()
    messages = client.read()
    assert seqs(messages) == [1, 2]
    assert all("tw" in message for message in messages if "q" in message)


def test_streams_are_wanted_once_and_unwanted_with_their_last_holder() -> None:
    stage, one, two = Stage(), Client(), Client()
    stage.subscribe(one, A, B)
    stage.subscribe(two, A)
    assert set(stage.bus.wanted) == {A, B}
    stage.leave(one)
    assert set(stage.bus.wanted) == {A}
    stage.leave(two)
    stage.assert_empty()


def test_who_waits_is_called_once_and_may_give_up() -> None:
    stage = Stage()
    interest = stage.hub.interest
    calls: list[str] = []
    interest.hold([A, B], [])
    waiting = interest.unopened([A, B], frozenset())
    assert waiting is not None

    def gave_up() -> None:
        calls.append("gave up")

    waiting[lambda: calls.append("open")] = None
    waiting[gave_up] = None
    waiting.pop(gave_up)
    stage.open(A)
    assert calls == ["open"]
    still = interest.unopened([A, B], frozenset())
    assert still == {}
    stage.open(B)
    assert (calls, interest.unopened([A, B], frozenset())) == (["open"], None)


def test_what_was_pending_when_the_last_holder_left_is_nobodys() -> None:
    stage, named, wild = Stage(), Client(), Client()
    stage.announce(A)
    stage.subscribe(named, A)
    stage.ticks(A, 2)
    stage.leave(named)
    stage.subscribe(wild, kinds=[TRADES])  # opens A anew, at 2, while the old reading is still to be flushed
    stage.ticks(A)
    stage.clock.turn(1.0)
    assert seqs(wild.read()) == [3]


def test_a_released_stream_that_is_held_anew_starts_with_a_clean_slate() -> None:
    stage, client = Stage(), Client()
    form = stage.subscribe(client, A)
    stage.ticks(A)
    stage.unsubscribe(client, form, A)
    assert seqs(client.read()) == [1]
    stage.ticks(A, 5)
    stage.subscribe(client, A)
    (live,) = stage.hub.interest.held([A], frozenset())
    assert live.at == Position("e1", 6)
    stage.ticks(A)
    stage.clock.turn(1.0)
    assert seqs(client.read()) == [7]


def test_leaving_before_joining_is_nothing() -> None:
    stage, client = Stage(), Client()
    stage.leave(client)
    stage.assert_empty()
    stage.hub.join(client, TWO, client.selection, ())
    stage.leave(client)
    stage.assert_empty()


def test_an_empty_cohort_leaves_its_streams() -> None:
    stage, one, two = Stage(), Client(), Client()
    stage.subscribe(one, A, B)
    stage.subscribe(two, A)
    stage.leave(one)
    (live,) = stage.hub.interest.held([A], frozenset())
    assert [len(cohorts) for cohorts in live.cohorts.values()] == [1]
    stage.ticks(A)
    stage.clock.turn()
    assert one.writes == []
