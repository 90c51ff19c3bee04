"""A tail finds positions by epoch and number, gives out what follows them, and lets the oldest go."""

from hypothesis import given
from hypothesis import strategies as st

from feed.core.streams import START, Position
from feed.gateway.live import LiveStream
from feed.gateway.message import Message
from feed.gateway.tail import Tail
from feed.gateway.tails import Tails
from tests.gateway.hub_stage import stream

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
