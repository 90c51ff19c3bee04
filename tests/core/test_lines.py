"""Which lines of a log are written."""

from hypothesis import given
from hypothesis import strategies as st

from feed.core.lines import WINDOW_S, Lines

STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.1, 1.0, 9.9, 10.0, 25.0])), max_size=120)


@given(STEPS, st.integers(1, 5))
def test_each_line_is_written_or_counted_once(steps: list[tuple[str, float]], most: int) -> None:
    lines: Lines[str] = Lines(most)
    now, told = 0.0, dict.fromkeys("ab", 0)
    for kind, pause in steps:
        now += pause
        left_out = lines.line(kind, now)
        if left_out is not None:
            told[kind] += 1 + left_out
    rest = lines.rest()
    assert {kind: told[kind] + rest.get(kind, 0) for kind in "ab"} == {
        kind: sum(each == kind for each, _ in steps) for kind in "ab"
    }
    assert 0 not in rest.values()
    assert lines.rest() == {}


@given(STEPS, st.integers(1, 5))
def test_no_window_has_more_lines_of_a_kind_and_a_kind_with_room_is_never_left_out(
    steps: list[tuple[str, float]], most: int
) -> None:
    lines: Lines[str] = Lines(most)
    now = 0.0
    written: dict[str, list[float]] = {"a": [], "b": []}
    for kind, pause in steps:
        now += pause
        recent = [at for at in written[kind] if now - at < WINDOW_S]
        assert (lines.line(kind, now) is None) == (len(recent) >= most)
        if len(recent) < most:
            written[kind].append(now)


def test_a_flood_is_a_few_lines_and_the_first_after_it_says_how_many_there_were() -> None:
    lines: Lines[str] = Lines(20)
    flood = [lines.line("refused", n / 1_000) for n in range(10_000)]
    assert flood == [0] * 20 + [None] * 9_980
    assert lines.line("another", 9.0) == 0
    assert lines.line("refused", 10.0) == 9_980
    assert lines.line("refused", 10.0005) is None
    assert lines.line("refused", 60.0) == 1
    assert lines.line("refused", 60.0) == 0
