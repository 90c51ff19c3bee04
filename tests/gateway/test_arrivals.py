"""How many may come from one address."""

from hypothesis import given, settings
from hypothesis import strategies as st

from feed.gateway.arrivals import BURST, Arrivals, Verdict

A, B = "203.0.113.1", "203.0.113.2"


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    arrivals = Arrivals(10.0, 1_000)
    first = [arrivals.begin(A, 0.0) for _ in range(60)]
    assert first == [Verdict.WELCOME] * int(10 * BURST) + [Verdict.TOO_FAST] * 10
    assert [arrivals.begin(A, 0.5) for _ in range(6)] == [Verdict.WELCOME] * 5 + [Verdict.TOO_FAST]
    assert arrivals.begin(B, 0.5) is Verdict.WELCOME, "each address has its own"


def test_so_many_connections_and_one_more_when_one_has_gone() -> None:
    arrivals = Arrivals(1_000.0, 2)
    assert [arrivals.begin(A, 0.0) for _ in range(3)] == [Verdict.WELCOME, Verdict.WELCOME, Verdict.TOO_MANY]
    assert arrivals.connections(A) == 2
    arrivals.leave(A)
    assert arrivals.begin(A, 0.0) is Verdict.WELCOME


def test_an_address_that_goes_and_comes_is_not_forgiven() -> None:
    arrivals = Arrivals(1.0, 10)
    for _ in range(5):
        assert arrivals.begin(A, 0.0) is Verdict.WELCOME
        arrivals.leave(A)
    assert arrivals.begin(A, 0.0) is Verdict.TOO_FAST


def test_a_64_of_ipv6_is_one_address() -> None:
    arrivals = Arrivals(1.0, 10)
    assert [arrivals.begin(f"2001:db8::{n:x}", 0.0) for n in range(6)][-1] is Verdict.TOO_FAST
    assert arrivals.begin("2001:db8:0:1::1", 0.0) is Verdict.WELCOME


def test_those_longest_absent_are_forgotten_and_none_that_is_present() -> None:
    arrivals = Arrivals(1.0, 10, idle=3)
    arrivals.begin(A, 0.0)
    for n in range(50):
        arrivals.ask(f"198.51.100.{n}", 0.0)
    assert len(arrivals) == 4
    assert arrivals.connections(A) == 1
    arrivals.leave(A)
    assert (len(arrivals), arrivals.connections(A)) == (3, 0)


def test_one_who_was_forgotten_between_asking_and_entering_enters() -> None:
    arrivals = Arrivals(1.0, 10, idle=1)
    assert arrivals.ask(A, 0.0) is Verdict.WELCOME
    arrivals.ask(B, 0.0)
    arrivals.enter(A, 0.0)
    assert arrivals.connections(A) == 1
    arrivals.leave(A)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.floats(0, 1)), max_size=200))
def test_counts_are_those_of_whoever_is_there(steps: list[tuple[str, bool, float]]) -> None:
    arrivals, there, now = Arrivals(2.0, 3, idle=2), dict.fromkeys("abcdefgh", 0), 0.0
    for name, comes, passed in steps:
        now += passed
        if comes:
            there[name] += arrivals.begin(name, now) is Verdict.WELCOME
        elif there[name]:
            arrivals.leave(name)
            there[name] -= 1
        assert {each: arrivals.connections(each) for each in there} == there
        assert max(there.values()) <= 3
        assert len(arrivals) <= 2 + sum(count > 0 for count in there.values())
