"""Log, tail and live merged for every client, whatever happens in between: nothing missing, nothing twice, in order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from feed.core.grant import EVERYTHING, grant
from feed.wire.errors import ProtocolError
from tests.gateway.world import KEYS, World

KEY = st.sampled_from(KEYS)
CLIENT = st.integers(0, 2)
RATE = st.sampled_from([0, 0, 0.5, 4])
NAMES = st.sampled_from([*KEYS, "trades:*", "quotes:*"])
GRANTS = st.sampled_from([
    EVERYTHING,
    grant(symbols=["A"]),
    grant(symbols=["A", "N*"]),
    grant(symbols=["B", "NEW"]),
    grant(kinds=["trades"]),
    grant(kinds=["quotes", "bars"], symbols=["N*"]),
    grant(max_rate=4),
])  # fmt: skip
OPS = st.one_of(
    st.tuples(st.just("regrant"), CLIENT, GRANTS),
    st.tuples(st.just("publish"), KEY, st.integers(1, 60), st.booleans()),
    st.tuples(st.just("change"), KEY, st.sampled_from([0, 0, 1, 5])),
    st.tuples(st.just("rewind"), KEY, st.integers(1, 30)),
    st.tuples(st.just("trim"), KEY, st.sampled_from([0, 5, 100])),
    st.tuples(st.just("subscribe"), CLIENT, st.lists(NAMES, min_size=1, max_size=3), RATE),
    st.tuples(st.just("unsubscribe"), CLIENT, st.lists(NAMES, min_size=1, max_size=2)),
    st.tuples(st.just("resume"), CLIENT, st.lists(KEY, min_size=1, max_size=4, unique=True), RATE, st.booleans(),
              GRANTS),
    st.tuples(st.just("full"), CLIENT, st.booleans()),
    st.tuples(st.just("turn"), st.sampled_from([0.0, 0.001, 0.05, 0.3, 2.0])),
    st.tuples(st.just("spin")),
    st.tuples(st.just("answer")),
    st.tuples(st.just("beat")),
)  # fmt: skip


@settings(max_examples=150)
@given(ops=st.lists(OPS, max_size=60), tail_ticks=st.sampled_from([0, 30, 100_000]))
def test_every_client_gets_everything_once_and_in_order(ops: list[Any], tail_ticks: int) -> None:
    world = World(tail_ticks)
    try:
        play(world, ops)
        world.end()
    finally:
        world.close()


def play(world: World, ops: list[Any]) -> None:
    for op in ops:
        match op:
            case ("publish", key, count, gap):
                world.publish(key, count, gap)
            case ("change", key, lost):
                world.change(key, lost)
            case ("rewind", key, back):
                world.rewind(key, back)
            case ("trim", key, kept):
                world.trim(key, kept)
            case ("subscribe", n, keys, rate):
                world.command(n, "subscribe", keys, snapshot=True, **({"rate": rate} if rate else {}))
            case ("regrant", n, granted):
                world.regrant(n, granted)
            case ("unsubscribe", n, keys):
                world.command(n, "unsubscribe", keys)
            case ("resume", n, keys, rate, wild, granted):
                world.resume(n, keys, rate, wild, granted)
            case ("full", n, full):
                world.clients[n][0].full = full
            case ("turn", s):
                world.clock.turn(s)
            case ("spin",):
                world.spin()
            case ("answer",):
                world.answer()
                world.spin()
            case ("beat",):
                world.hub.beat(1.0)


def test_a_refused_command_is_an_answer() -> None:
    """The stage's own plumbing: what the protocol forbids is not swallowed by it."""
    world = World(10)
    try:
        world.command(0, "subscribe", ["trades:A"], rate=-1)
    except ProtocolError:
        return
    finally:
        world.close()
    raise AssertionError("a negative rate was taken")
