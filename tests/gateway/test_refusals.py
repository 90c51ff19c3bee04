"""Which refusals are logged."""

from hypothesis import given
from hypothesis import strategies as st

from feed.gateway.refusals import BURST, LINES_PER_S, MAX_SHOWN, Refusals, shown


@given(st.lists(st.floats(0, 2), max_size=200))
def test_every_refusal_is_a_line_or_counted_in_a_later_one(pauses: list[float]) -> None:
    refusals, now, lines, counted = Refusals(0.0), 0.0, 0, 0
    for pause in pauses:
        now += pause
        left_out = refusals.line(now)
        if left_out is not None:
            lines += 1
            counted += left_out
    assert lines <= BURST + LINES_PER_S * now + 1
    assert lines + counted <= len(pauses)
    last = refusals.line(now + 60.0)
    assert last is not None
    assert lines + counted + last == len(pauses)


def test_a_flood_is_a_few_lines() -> None:
    refusals = Refusals(0.0)
    lines = [refusals.line(n / 10_000) for n in range(10_000)]
    assert sum(line is not None for line in lines) <= BURST + LINES_PER_S + 1


def test_what_a_stranger_sent_is_shown_short_and_on_one_line() -> None:
    assert shown("fk_abc") == "fk_abc"
    assert shown("a\nb\x1b[31m\u202ec") == "a?b?[31m?c"
    assert len(shown("x" * 10_000)) == MAX_SHOWN + 3
