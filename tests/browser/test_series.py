"""What a chart is drawn from: entries in order, what is missing, bars, time and scales."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.modules import Run, modules

T = "2026-01-05T14:30:"


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    with modules(browser) as evaluate:
        yield evaluate


def taken(run: Run, *messages: str, capacity: int = 100, length_ms: int = 0) -> Any:
    """Numbers of the entries, holes in seconds of the minute, and what is missing, after these messages."""
    code = f"""(() => {{
        const held = new series.Series({{capacity: {capacity}, lengthMs: {length_ms}}});
        const news = [{", ".join(messages)}].map((message) => held.take(message));
        const at = (ms) => ms === null ? null : (ms % 60000) / 1000;
        const holes = held.holes.map((hole) => [at(hole.fromMs), at(hole.toMs), hole.missing, hole.cause]);
        return {{news, q: held.entries.map(({{message}}) => message.q), holes, missing: held.missing()}}; }})()"""
    return run(code, "series")


def tick(q: int, second: float, rest: str = "") -> str:
    return f"{{T: 't', q: {q}, t: '{T}{second:06.3f}Z'{rest}}}"


def test_entries_are_kept_once_and_in_order(run: Run) -> None:
    found = taken(run, tick(5, 1), tick(6, 2), tick(6, 2), tick(4, 0), tick(7, 3))
    assert (found["q"], found["holes"]) == ([5, 6, 7], [])
    assert found["news"] == [True, True, False, False, True]
    assert found["missing"] == {"count": 0, "certain": True}


def test_numbers_that_were_skipped_are_a_hole_from_entry_to_entry(run: Run) -> None:
    found = taken(run, tick(5, 1), tick(9, 4), tick(10, 5), tick(12, 7, ", m: {n: 2, q0: 11}"))
    assert found["holes"] == [[1, 4, 3, "not seen by this page"]]
    assert found["missing"] == {"count": 3, "certain": True}


def test_a_hole_begins_where_a_bar_ends(run: Run) -> None:
    found = taken(run, tick(1, 10), tick(3, 12), length_ms=1000)
    assert found["holes"] == [[11, 12, 1, "not seen by this page"]]


@pytest.mark.parametrize(
    ("gap", "hole"),
    [
        ("{from: 6, to: 8, next: {epoch: 'e', seq: 9}, cause: 'history'}", [1, 4, 3, "history"]),
        ("{from: 6, to: null, next: {epoch: 'f', seq: 9}, cause: 'bus'}", [1, 4, None, "bus"]),
        ("{from: 6, to: 6, q: 6, next: {epoch: 'e', seq: 7}, cause: 'venue', ids: [3, 5]}", [1, 4, 3, "venue"]),
        ("{from: 6, to: 6, q: 6, next: {epoch: 'e', seq: 7}, cause: 'ingest'}", [1, 4, None, "ingest"]),
    ],
)
def test_a_gap_is_a_hole_until_the_next_entry(run: Run, gap: str, hole: list[Any]) -> None:
    said = gap.replace("{from", "{T: 'gap', from", 1)
    open_end = [hole[0], None, *hole[2:]]
    assert taken(run, tick(5, 1, ", epoch: 'e'"), said)["holes"] == [open_end]
    following = 7 if "q: 6" in gap else 9
    found = taken(run, tick(5, 1, ", epoch: 'e'"), said, tick(following, 4))
    assert (found["q"], found["holes"]) == ([5, following], [hole])
    assert found["missing"]["certain"] is (hole[2] is not None)


def test_a_gap_that_came_by_history_and_live_is_one(run: Run) -> None:
    gap = "{T: 'gap', from: 6, to: 6, q: 6, next: {epoch: 'e', seq: 7}, cause: 'venue'}"
    found = taken(run, tick(5, 1, ", epoch: 'e'"), gap, gap, tick(7, 2), gap)
    assert len(found["holes"]) == 1


def test_an_epoch_that_numbers_from_further_back_goes_on(run: Run) -> None:
    gap = "{T: 'gap', from: 6, to: null, next: {epoch: 'f', seq: 2}, cause: 'bus'}"
    found = taken(run, tick(5, 1, ", epoch: 'e'"), gap, tick(2, 3), tick(3, 4))
    assert found["q"] == [5, 2, 3]
    assert found["holes"] == [[1, 3, None, "bus"]]


def test_old_entries_and_their_holes_leave(run: Run) -> None:
    found = taken(run, tick(1, 1), tick(3, 2), *(tick(q, q) for q in range(4, 20)), capacity=8)
    assert len(found["q"]) <= 8
    assert found["q"][-1] == 19
    assert found["holes"] == []


@pytest.mark.parametrize(
    ("ms", "first", "near"), [(0, 0, 0), (10, 0, 0), (14, 1, 0), (16, 1, 1), (30, 2, 2), (99, 3, 2)]
)
def test_entries_are_found_by_time(run: Run, ms: int, first: int, near: int) -> None:
    entries = "[{ms: 10}, {ms: 20}, {ms: 30}]"
    assert run(f"[series.indexAt({entries}, {ms}), series.nearest({entries}, {ms})]", "series") == [first, near]
    assert run(f"[series.indexAt([], {ms}), series.nearest([], {ms})]", "series") == [0, -1]


def test_the_open_minute_is_that_of_its_seconds(run: Run) -> None:
    def bar(ms: int, o: float, h: float, low: float, c: float) -> str:
        return f"{{ms: {ms}, message: {{o: {o}, h: {h}, l: {low}, c: {c}, v: 2, n: 3}}}}"

    seconds = f"[{bar(59_000, 9, 9, 9, 9)}, {bar(60_000, 10, 12, 9, 11)}, {bar(61_000, 11, 14, 10, 13)}]"
    whole = {"ms": 60_000, "o": 10, "h": 14, "l": 9, "c": 13, "v": 4, "n": 6, "open": True}
    assert run(f"candles.openMinute({seconds}, [{{ms: 0}}])", "candles") == whole
    assert run(f"candles.openMinute({seconds}, [{{ms: 60000}}])", "candles") is None
    assert run("candles.openMinute([], [])", "candles") is None


def test_live_bars_follow_the_history_that_came_after_them(run: Run) -> None:
    code = f"""(() => {{
        const data = new chartdata.ChartData('A');
        const bar = (q, s) => ({{T: 'b', S: 'A', kind: 'bars1s', q, t: '{T}0' + s + 'Z', o: 1, h: 1, l: 1, c: 1}});
        const early = [data.take(bar(3, 3), 'second'), data.take(bar(4, 4), 'second')];
        data.loaded('bars1s', [bar(1, 1), bar(2, 2), bar(3, 3)]);
        const late = [data.take(bar(5, 5), 'second'), data.take(bar(6, 6), 'tick'), data.take(bar(5, 5), 'second')];
        const other = data.take({{...bar(9, 9), S: 'B'}}, 'second');
        const q = data.series('bars1s').entries.map(({{message}}) => message.q);
        return {{early, late, other, q, loading: data.loading, drawn: data.candles('second').length}}; }})()"""
    found = run(code, "chartdata")
    assert found["q"] == [1, 2, 3, 4, 5, 6]
    assert (found["early"], found["late"], found["other"]) == ([False, False], [True, False, False], False)
    assert (found["loading"], found["drawn"]) == (True, 6)


def test_minutes_that_the_page_kept_are_older_than_the_history(run: Run) -> None:
    code = """(() => {
        const data = new chartdata.ChartData('A');
        const bar = (q) => ({T: 'b', S: 'A', q, t: `2026-01-05T14:0${q}:00Z`, o: 1, h: 1, l: 1, c: 1});
        data.loaded('bars', [bar(5), bar(6)], [bar(2), bar(3), bar(5)]);
        const kept = data.series('bars').entries.map(({message}) => message.q);
        return [kept, data.missing('minute'), data.holes('minute').length]; })()"""
    assert run(code, "chartdata") == [[2, 3, 5, 6], {"count": 1, "certain": True}, 1]


def test_a_span_follows_is_held_zooms_about_a_point_and_returns(run: Run) -> None:
    code = """(() => {
        const held = new span.Span({firstMs: 100, leastMs: 10, mostMs: 400});
        const seen = [];
        const see = (newest) => {
            const {fromMs, toMs} = held.shown(newest);
            seen.push([Math.round(fromMs), Math.round(toMs), held.follows]);
        };
        see(1000); see(1010);
        held.pan(200, 0, 1010); see(1010); see(2000);
        held.zoom(0.5, 0, 2000); see(2000);
        held.zoom(0.001, 0.5, 2000); see(2000);
        held.zoom(1000, 0.5, 2000); see(2000);
        held.pan(1e9, 500, 2000); see(2000);
        held.pan(-1e9, 500, 2000); see(2000);
        return seen; })()"""
    found = run(code, "span")
    assert found[:2] == [[903, 1003, True], [913, 1013, True]]
    assert found[2] == found[3] == [713, 813, False]
    assert found[4] == [713, 763, False]
    assert [last - first for first, last, _ in found[5:7]] == [10, 400]
    assert found[7] == [200, 600, False]
    assert found[8][2] is True


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("niceStep(1, 5)", 0.2),
        ("niceStep(0.07, 6)", 0.02),
        ("niceStep(900, 4)", 500),
        ("multiples(0.13, 0.51, 0.1)", pytest.approx([0.2, 0.3, 0.4, 0.5])),
        ("multiples(5, 4, 1)", []),
        ("timeStep(90000, 9)", 10_000),
        ("timeStep(1e12, 3)", 14_400_000),
        ("padded(10, 20)", pytest.approx([9.2, 20.8])),
        ("padded(10, 10)[0] < 10", True),
        ("padded(0, 0)[1] > 0", True),
    ],
)
def test_axes_have_round_numbers(run: Run, expression: str, value: Any) -> None:
    assert run(f"scale.{expression}", "scale") == value
