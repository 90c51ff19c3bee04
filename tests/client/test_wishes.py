from typing import Any

import msgpack
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client.wishes import Command, Key, Terms, covered, key_of, subscribing, unsubscribing
from feed.core.streams import Position
from feed.core.ticks import KINDS
from feed.wire import commands as wire

GATEWAY_TAKES_BYTES = 65_536
AT = Position("k3J9x0Lm", 2**53 - 1)
PLAIN = Terms()


def trades(*symbols: str, terms: Terms = PLAIN) -> dict[Key, Terms]:
    return {("trades", symbol): terms for symbol in symbols}


def fields(commands: list[Command]) -> list[dict[str, Any]]:
    return [command.fields for command in commands]


def since(*streams: str) -> dict[str, Any]:
    return {stream: {"epoch": AT.epoch, "seq": AT.seq} for stream in streams}


def test_subscribes_to_all_in_one_command() -> None:
    adds: dict[Key, Terms] = {("trades", "A"): PLAIN, ("quotes", "*"): PLAIN, ("trades", "B"): PLAIN}
    assert fields(subscribing(adds, {})) == [
        {"action": "subscribe", "trades": ["A", "B"]},
        {"action": "subscribe", "quotes": ["*"]},
    ]


def test_says_how_a_stream_is_wanted_and_only_then() -> None:
    terms = Terms(rate=5, snapshot=True)
    assert fields(subscribing(trades("A", terms=terms), {}, stamps=False)) == [
        {"action": "subscribe", "trades": ["A"], "rate": 5, "snapshot": True, "stamps": False}
    ]


def test_streams_that_are_wanted_differently_are_asked_for_apart() -> None:
    adds = trades("A") | trades("B", terms=Terms(5)) | trades("C")
    assert fields(subscribing(adds, {})) == [
        {"action": "subscribe", "trades": ["A", "C"]},
        {"action": "subscribe", "trades": ["B"], "rate": 5},
    ]


def test_resumes_what_has_a_position_and_begins_the_rest() -> None:
    kept = {"trades:B": AT, "trades:C": Position(None, 0), "quotes:A": AT}
    first, second = subscribing(trades("A", "B", "C"), kept)
    assert first.fields["trades"] == ["B", "C"]
    assert first.fields["since"] == {**since("trades:B"), "trades:C": {"epoch": None, "seq": 0}}
    assert first.since == {"trades:B", "trades:C"}
    assert (second.fields, second.since) == ({"action": "subscribe", "trades": ["A"]}, frozenset())


def test_what_has_a_number_but_no_epoch_is_no_position() -> None:
    (command,) = subscribing(trades("A"), {"trades:A": Position(None, 700)})
    assert command.since == frozenset()


def test_what_comes_already_is_not_resumed() -> None:
    kept = {"trades:A": AT, "quotes:A": AT}
    for held in (trades("A"), trades("*")):
        (command,) = subscribing(trades("A", terms=Terms(5)), kept, held=held)
        assert command.since == frozenset()
        (command,) = subscribing(trades("*"), kept, held=held)
        assert command.since == frozenset()


def test_a_wildcard_resumes_every_stream_of_its_kind_that_is_not_named() -> None:
    kept = {"trades:A": AT, "trades:B": AT, "quotes:A": AT, "bars:A": AT}
    named, wild = subscribing(trades("*", "A") | {("quotes", "*"): PLAIN}, kept)[:2]
    assert (named.fields["trades"], named.since) == (["A"], {"trades:A"})
    assert (wild.fields["trades"], wild.since) == (["*"], {"trades:B"})


def test_names_go_before_the_wildcard_that_would_begin_them_at_the_present() -> None:
    adds = trades("*", terms=Terms(1)) | trades("A")
    assert [command.fields["trades"] for command in subscribing(adds, {"trades:A": AT})] == [["A"], ["*"]]


def test_what_a_wildcard_cannot_name_in_one_command_is_resumed_by_name_first() -> None:
    kept = {f"{kind}:{'X' * 50}{number}": AT for kind in ("trades", "quotes") for number in range(1000)}
    wishes = trades("*") | {("quotes", "*"): PLAIN}
    commands = subscribing(wishes, kept)
    assert frozenset().union(*(command.since for command in commands)) == kept.keys()
    # the wishes are the wildcards, and no more
    assert [dict(command.adds) for command in commands if command.adds] == [trades("*"), {("quotes", "*"): PLAIN}]
    assert not any(command.drops for command in commands)
    for kind in ("trades", "quotes"):
        wild = next(at for at, command in enumerate(commands) if command.fields.get(kind) == ["*"])
        named = [symbol for command in commands[:wild] for symbol in command.fields.get(kind, ())]
        after = [command for command in commands[wild + 1 :] if kind in command.fields]
        assert 0 < len(named) < 1000
        assert named == [symbol for command in after for symbol in command.fields[kind]]
        assert {command.fields["action"] for command in after} == {"unsubscribe"}


def test_at_most_two_hundred_streams_resume_in_one_command() -> None:
    kept = {f"trades:S{number}": AT for number in range(450)}
    adds = trades(*(f"S{number}" for number in range(450)))
    assert [len(command.since) for command in subscribing(adds, kept)] == [200, 200, 50]


def test_unsubscribes() -> None:
    (command,) = unsubscribing([("trades", "A"), ("quotes", "*")])
    assert command.fields == {"action": "unsubscribe", "trades": ["A"], "quotes": ["*"]}
    assert command.drops == {("trades", "A"), ("quotes", "*")}


@pytest.mark.parametrize(
    ("key", "wanted", "is_covered"),
    [
        (("trades", "A"), {("trades", "A")}, True),
        (("trades", "A"), {("trades", "*")}, True),
        (("trades", "A"), {("quotes", "*"), ("trades", "B")}, False),
    ],
)
def test_covered(key: Key, wanted: set[Key], is_covered: bool) -> None:
    assert covered(key, wanted) is is_covered


SYMBOL = st.text("ABXYZ0./:^-", min_size=1, max_size=64)
KEYS = st.tuples(st.sampled_from(KINDS), st.just("*") | SYMBOL)
TERMS = st.builds(Terms, st.sampled_from([0, 0.5, 5]), st.booleans())
POSITIONS = st.builds(Position, st.text("abcXYZ", min_size=1, max_size=16), st.integers(0, 2**53))


@given(
    st.dictionaries(KEYS, TERMS, max_size=12),
    st.lists(st.tuples(st.sampled_from(KINDS), SYMBOL), max_size=12),
    POSITIONS,
    st.integers(1, 300),
)
def test_commands_are_taken_and_cover_every_wish(
    adds: dict[Key, Terms], reached: list[Key], at: Position, many: int
) -> None:
    more: dict[Key, Terms] = {("quotes", f"{'M' * 50}{number}"): PLAIN for number in range(many)}
    adds = adds | more
    kept = {f"{kind}:{symbol}": at for kind, symbol in (*reached, *list(more)[::2])}
    commands = subscribing(adds, kept, stamps=True)
    taken: dict[Key, Terms] = {}
    begun: set[Key] = set()
    resumed: list[str] = []
    for command in commands:
        asked = {**command.fields, "id": 2**53}
        assert max(len(orjson.dumps(asked)), len(msgpack.packb(asked))) < GATEWAY_TAKES_BYTES
        assert len(command.since) <= 200 or [symbol for _, symbol in command.adds] == ["*"]
        assert wire.parse_json(orjson.dumps(asked), 2)
        if command.fields["action"] == "subscribe":
            # one that comes already would be begun at the present before it is resumed
            assert not any(covered(key_of(stream), begun) for stream in command.since)
            begun |= {(kind, symbol) for kind in KINDS for symbol in command.fields.get(kind, ())}
            taken |= command.adds
            resumed += command.since
    assert taken == adds
    assert sorted(resumed) == sorted(stream for stream in kept if covered(key_of(stream), adds))
