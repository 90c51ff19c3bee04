"""A tail finds positions by epoch and number, gives out what follows them, and lets the oldest go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.streams import START, Position
from feed.gateway.live import LiveStream
from feed.gateway.message import Message
from feed.gateway.tail import Tail
from feed.gateway.tails import Tails
from tests.gateway.hub_stage import stream, tick

A_TICK = tick(stream("A"), 1)

# each step: how far the number goes (0 and below: another epoch; above 1: a hole), and whether a chunk ends there
STEPS = st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 0, 4, -2]), st.booleans()), max_size=40)


def built(steps: list[tuple[int, bool]]) -> tuple[Tail, list[Message]]:
    tail, chunk, every = Tail(Position("e0", 10)), [], []
    epoch, seq = 0, 10
    for step, ends in steps:
        epoch += step <= 0
        seq = max(0, seq + step)
        chunk.append(Message(f"e{epoch}", seq, None, 0, 0, {}))
        every.append(chunk[-1])
        if ends:
            tail.append(chunk)
            chunk = []
    tail.append(chunk)
    return tail, every


def length(tail: Tail) -> int:
    return len(tail.after(tail.start) or ())


@given(steps=STEPS, limit=st.integers(0, 10))
def test_every_position_is_found_with_what_follows_it(steps: list[tuple[int, bool]], limit: int) -> None:
    tail, every = built(steps)
    assert tail.after(Position("e0", 10)) == every
    assert length(tail) == len(every)
    for index, message in enumerate(every):
        assert tail.after(message.at) == every[index + 1 :]
        assert tail.after(message.at, limit) == every[index + 1 :][:limit]
        found = tail.find(message.seq)
        assert found is not None
        assert found.seq == message.seq
    assert tail.end == (every[-1].at if every else Position("e0", 10))
    assert tail.after(Position("nowhere", 11)) is None
    assert tail.after(Position("e0", 9)) is None
    assert tail.find(1_000) is None


@given(steps=STEPS, dropped=st.integers(0, 40))
def test_what_was_let_go_is_not_found_and_the_rest_is(steps: list[tuple[int, bool]], dropped: int) -> None:
    tail, every = built(steps)
    gone = sum(tail.drop_oldest() for _ in range(dropped))
    assert tail.after(tail.start) == every[gone:]
    assert length(tail) == len(every) - gone
    if gone:
        assert tail.after(Position("e0", 10)) is None


def test_older_messages_are_put_before() -> None:
    tail, every = built([(1, True), (1, True)])
    older = [Message("e0", seq, None, 0, 0, {}) for seq in (8, 9, 10)]
    tail.prepend(older, Position("e0", 7))
    assert tail.after(Position("e0", 7)) == older + every
    assert tail.after(Position("e0", 9)) == older[2:] + every


# each step as in STEPS, and whether it is a tick or something in a tick's place
MARKED = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 1, 1, 1, 0]), st.booleans(), st.sampled_from([True] * 5 + [False])), max_size=40
)


@given(steps=MARKED, dropped=st.integers(0, 10))
def test_ticks_with_nothing_in_between_are_counted_without_a_look(
    steps: list[tuple[int, bool, bool]], dropped: int
) -> None:
    tail, every = Tail(Position("e0", 10)), []
    epoch, seq = 0, 10
    for step, _, is_tick in steps:
        epoch += step == 0
        seq += step
        # a change of epoch is always named
        tick = A_TICK if is_tick and step else None
        every.append(Message(f"e{epoch}", seq, tick, 0, 0, None if tick else {}))
        tail.append([every[-1]])
    gone = sum(tail.drop_oldest() for _ in range(dropped))
    places = [Position("e0", 10), *(message.at for message in every)]
    for index, at in enumerate(places):
        follow = every[index:]
        whole = bool(follow) and all(message.tick is not None for message in follow)
        assert tail.unbroken(at) == ((len(follow), follow[-1]) if whole and index >= gone else None)


class Looked(list[Message]):
    """A chunk that counts how often it is looked into."""

    looks = 0

    def __getitem__(self, index: object) -> object:  # type: ignore[override]
        Looked.looks += 1
        return super().__getitem__(index)  # type: ignore[call-overload]


@pytest.mark.parametrize("at", [0, 1, 5_000, 9_998, -5, 20_000])
def test_a_position_among_many_chunks_is_found_by_halving(at: int) -> None:
    """Where each search went through all chunks, hundreds who were slow at once never caught up."""
    tail = Tail(Position("e", 0))
    for seq in range(1, 10_000, 2):
        tail.append(Looked([Message("e", seq, A_TICK, 0, 0), Message("e", seq + 1, A_TICK, 0, 0)]))
    Looked.looks = 0
    found = tail.after(Position("e", at), 10)
    assert (found is None) if at in (-5, 20_000) else (found is not None and found[0].seq == at + 1)
    assert (tail.unbroken(Position("e", at)) is None) == (at in (-5, 20_000))
    assert Looked.looks < 100


@given(sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=60), most=st.integers(0, 50))
def test_all_tails_together_keep_to_their_bound(sizes: list[tuple[int, int]], most: int) -> None:
    tails, lives = Tails(most), [LiveStream(stream(name), START) for name in "ABC"]
    newest: list[Message] = []
    for of, size in sizes:
        chunk = [Message("e", lives[of].tail.end.seq + 1 + n, None, 0, 0, {}) for n in range(size)]
        lives[of].tail.append(chunk)
        tails.grew(lives[of], len(chunk))
        newest += chunk
        kept = sum(length(live.tail) for live in lives)
        assert kept == tails.messages <= most
        # the oldest go first, in whole chunks
        assert kept > most - 9 or kept == len(newest)
