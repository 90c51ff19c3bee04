"""What a gateway concludes from the workers' beats, and when."""

import itertools

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bus.beats import EXPIRES_S, HEARS_ALL, Beat, Silent, Sources, pack_beat, unpack_beat
from feed.core.shards import Share, share

SETS = st.none() | st.frozensets(st.sampled_from(["A", "B", "C"]))
AB, B, C = frozenset("AB"), frozenset("B"), frozenset("C")


@given(st.text(), st.none() | st.frozensets(st.text()))
def test_a_beat_is_read_as_it_was_written(worker: str, silent: Silent) -> None:
    assert unpack_beat(pack_beat(Beat(worker, silent))) == Beat(worker, silent)


def test_a_newer_workers_beat_may_say_more() -> None:
    assert unpack_beat(msgpack.packb(["w", ["A"], {"more": 1}])) == Beat("w", frozenset("A"))
    assert unpack_beat(msgpack.packb(["w", [], [0, 2, ["A", "B"], 9], 7])) == Beat("w", HEARS_ALL, dealt("AB", 2, 0))


@given(st.text(), st.none() | st.frozensets(st.text()), st.frozensets(st.text(), min_size=3))
def test_a_share_is_read_as_it_was_written(worker: str, silent: Silent, symbols: frozenset[str]) -> None:
    beat = Beat(worker, silent, share(symbols, 3, 1))
    assert unpack_beat(pack_beat(beat)) == beat


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb(5),
        msgpack.packb(["w"]),
        msgpack.packb([1, None]),
        msgpack.packb(["w", [1]]),
        msgpack.packb(["w", [], [0]]),
        msgpack.packb(["w", [], [0, 2, [1, 2]]]),
        msgpack.packb(["w", [], [0, 2, ["A"]]]),
        msgpack.packb(["w", [], [0, 0, ["A"]]]),
        msgpack.packb(["w", [], ["0", 2, ["A", "B"]]]),
        msgpack.packb(["w", [], [0, 2, None]]),
    ],
)
def test_what_is_no_beat(data: bytes) -> None:
    with pytest.raises(ValueError, match="unreadable beat"):
        unpack_beat(data)


def listening(at_s: float = 0.0) -> Sources:
    sources = Sources()
    sources.listen(at_s)
    return sources


def say(sources: Sources, at_s: float, **workers: Silent) -> list[Silent]:
    """Beats at that time; what was news."""
    for worker, silent in workers.items():
        sources.heard(Beat(worker, silent), at_s)
    return [sources.stale] if sources.judge(at_s) else []


def test_nobody_who_beats_makes_all_stale_when_all_had_their_time() -> None:
    sources = listening()
    assert say(sources, 0.0) == say(sources, EXPIRES_S - 0.1) == []
    assert say(sources, EXPIRES_S) == [None]
    assert say(sources, 10.0) == []
    assert say(sources, 11.0, w=HEARS_ALL) == [HEARS_ALL]
    assert say(sources, 11.0 + EXPIRES_S) == []
    assert say(sources, 11.1 + EXPIRES_S) == [None]


@pytest.mark.parametrize(
    ("workers", "stale"),
    [
        ({"w1": HEARS_ALL}, HEARS_ALL),
        ({"w1": None}, None),
        ({"w1": AB}, AB),
        ({"w1": None, "w2": None}, None),
        ({"w1": None, "w2": HEARS_ALL}, HEARS_ALL),
        ({"w1": None, "w2": B}, B),
        ({"w1": AB, "w2": B}, B),
        ({"w1": AB, "w2": C}, HEARS_ALL),
    ],
)
def test_a_symbol_is_stale_when_no_worker_hears_it(workers: dict[str, Silent], stale: Silent) -> None:
    sources = listening()
    later = say(sources, EXPIRES_S, **workers)
    assert (later or [sources.stale]) == [stale]


def test_before_all_had_their_time_only_good_news_is_told() -> None:
    sources = listening()
    assert say(sources, 0.1, w1=None) == []
    assert say(sources, 0.9, w2=HEARS_ALL) == [HEARS_ALL]
    assert say(sources, 1.1, w1=None) == say(sources, 1.9, w2=HEARS_ALL) == []


def test_a_bus_that_was_away_changes_nothing_by_itself() -> None:
    sources = listening()
    assert say(sources, 1.0, w1=HEARS_ALL, w2=None) == [HEARS_ALL]
    sources.listen(60.0)
    assert say(sources, 60.0) == say(sources, 61.0, w2=None) == say(sources, 62.9, w2=None) == []
    assert say(sources, 63.1, w2=None) == [None], "the one who heard all died meanwhile"
    sources.listen(100.0)
    assert say(sources, 100.0) == say(sources, 102.0) == []
    assert say(sources, 102.5, w3=HEARS_ALL) == [HEARS_ALL]


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("xyz") | st.none(), SETS), max_size=40))
def test_what_was_told_last_is_what_the_living_say(story: list[tuple[float, str | None, Silent]]) -> None:
    sources, now, told, said = listening(), 0.0, [], {}
    for pause_s, worker, silent in story:
        now += pause_s
        if worker:
            said[worker] = (silent, now)
        told += say(sources, now, **({worker: silent} if worker else {}))
        assert all(a != b for a, b in itertools.pairwise(told)), "told only what is news"
        if now >= EXPIRES_S:
            living = [silent for silent, at in said.values() if now - at <= EXPIRES_S]
            expected = {s for s in "ABC" if all(silent is None or s in silent for silent in living)}
            assert sources.stale == (None if all(silent is None for silent in living) else expected)
    assert sources.workers <= 3


def dealt(symbols: str, of: int, number: int) -> Share:
    return share(symbols, of, number)


FIRST, SECOND = dealt("ABCD", 2, 0), dealt("ABCD", 2, 1)


@pytest.mark.parametrize(
    ("beats", "stale"),
    [
        ([Beat("w1", HEARS_ALL, FIRST), Beat("w2", HEARS_ALL, SECOND)], HEARS_ALL),
        ([Beat("w1", frozenset("A"), FIRST), Beat("w2", HEARS_ALL, SECOND)], frozenset("A")),
        ([Beat("w1", frozenset("A"), FIRST), Beat("w3", HEARS_ALL, FIRST), Beat("w2", HEARS_ALL, SECOND)], HEARS_ALL),
        ([Beat("w1", None, FIRST), Beat("w2", HEARS_ALL, SECOND)], frozenset("AC")),
        ([Beat("w1", None, FIRST), Beat("w2", None, SECOND)], None),
        ([Beat("w1", frozenset("AC"), FIRST), Beat("w2", frozenset("BD"), SECOND)], None),
        ([Beat("w1", None, FIRST), Beat("w2", HEARS_ALL, SECOND), Beat("old", HEARS_ALL)], HEARS_ALL),
        ([Beat("w1", None, FIRST), Beat("w2", HEARS_ALL, SECOND), Beat("old", frozenset("C"))], frozenset("C")),
    ],
)
def test_a_share_is_heard_by_its_own_workers(beats: list[Beat], stale: Silent) -> None:
    sources = listening()
    for beat in beats:
        sources.heard(beat, EXPIRES_S)
    assert sources.judge(EXPIRES_S)
    assert sources.stale == stale


def test_a_share_whose_workers_are_all_gone_is_stale() -> None:
    sources = listening()
    sources.heard(Beat("w1", HEARS_ALL, FIRST), EXPIRES_S)
    sources.heard(Beat("w2", HEARS_ALL, SECOND), EXPIRES_S)
    assert sources.judge(EXPIRES_S)
    sources.heard(Beat("w2", HEARS_ALL, SECOND), 2 * EXPIRES_S + 0.1)
    assert sources.judge(2 * EXPIRES_S + 0.1)
    assert sources.stale == FIRST.symbols


def test_so_it_is_for_a_gateway_that_came_after_they_were_gone() -> None:
    sources = listening()
    sources.heard(Beat("w2", frozenset("B"), SECOND), EXPIRES_S)
    assert sources.judge(EXPIRES_S)
    assert sources.stale == FIRST.symbols | frozenset("B")


def test_symbols_that_are_dealt_otherwise_are_not_waited_for_in_their_old_share() -> None:
    sources = listening()
    sources.heard(Beat("w1", HEARS_ALL, dealt("ABX", 1, 0)), EXPIRES_S)
    assert sources.judge(EXPIRES_S)
    sources.heard(Beat("w1", HEARS_ALL, FIRST), 3 * EXPIRES_S)
    sources.heard(Beat("w2", HEARS_ALL, SECOND), 3 * EXPIRES_S)
    sources.judge(3 * EXPIRES_S)
    assert sources.stale == HEARS_ALL
