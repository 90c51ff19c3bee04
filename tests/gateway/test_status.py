"""`status`: clients of depth two are told when a symbol's source falls silent, and when it comes back."""

import pytest

from feed.gateway.status import changed, state
from feed.wire.codec import MSGPACK
from tests.gateway.hub_stage import Client, Stage, stream

A, B, QA = stream("A"), stream("B"), stream("A", "quotes")


def states(client: Client) -> list[tuple[str, str]]:
    return [(message["S"], message["state"]) for message in client.read() if message["T"] == "status"]


@pytest.mark.parametrize(
    ("silent", "expected"),
    [(frozenset(), "live"), (frozenset({"A"}), "stale"), (frozenset({"B"}), "live"), (None, "stale")],
)
def test_state(silent: frozenset[str] | None, expected: str) -> None:
    assert state("A", silent) == expected


def test_only_what_changed_is_told_and_once() -> None:
    assert changed(["B", "A", "A"], frozenset(), None) == {"A": "stale", "B": "stale"}
    assert changed(["B", "A"], None, frozenset({"A"})) == {"B": "live"}
    assert changed(["C"], frozenset({"A"}), frozenset({"B"})) == {}


@pytest.mark.parametrize("kinds", [(), ("trades",)], ids=["names", "wildcard"])
def test_all_who_hold_a_symbol_are_told(kinds: tuple[str, ...]) -> None:
    stage, one, two, old, slow = Stage(), Client("one"), Client("two"), Client("old"), Client("slow")
    stage.announce(A, B, QA)
    stage.ticks(A)
    stage.ticks(B)
    stage.subscribe(one, *(() if kinds else (A,)), QA, kinds=kinds)
    stage.subscribe(two, B, codec=MSGPACK)
    stage.subscribe(old, A, depth=1)
    stage.subscribe(slow, A)
    slow.waiting = 1_000_000
    stage.ticks(A)
    stage.clock.turn(0.01)
    for client in (one, two, old, slow):
        client.read()
    stage.hub.sources(frozenset({"A"}))
    assert (states(one), states(two), states(old), states(slow)) == ([("A", "stale")], [], [], [("A", "stale")])
    stage.hub.sources(None)
    assert (states(two), states(slow)) == ([("B", "stale")], [])
    stage.hub.sources(frozenset())
    assert ("A", "live") in states(one)
    assert (states(two), states(old)) == ([("B", "live")], [])


def test_a_silent_source_is_told_of_at_subscribing() -> None:
    stage, client = Stage(), Client()
    form = stage.subscribe(client, A, B)
    stage.hub.sources(frozenset({"B", "C"}))
    held = stage.hub.interest.held([A, B], frozenset())
    assert b'"S":"B","state":"stale"' in stage.hub.statuses(form, held)
    assert stage.hub.statuses(form, held[:1]) == b""
