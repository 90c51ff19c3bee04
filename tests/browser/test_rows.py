"""What the page makes of messages: rows, their order, what to ask for, what a lost connection cost, and its words."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.modules import Run, modules


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    with modules(browser) as evaluate:
        yield evaluate


def test_a_row_tells_the_change_since_its_first_price(run: Run) -> None:
    code = """(() => {
        const kept = new row.Row('A');
        const before = kept.change;
        const trade = (p, s = 1) => ({T: 't', S: 'A', p, s, t: '2026-01-05T14:30:00Z'});
        kept.take({...trade(100), snap: true}, 5000);
        kept.take(trade(100.25), 6000);
        kept.take(trade(99.125), 7000);
        return [before, kept.change, kept.opened, kept.direction, kept.moves, kept.digits]; })()"""
    assert run(code, "row") == [None, -0.875, 100, -1, 2, 3]


def test_a_side_without_an_order_makes_no_spread(run: Run) -> None:
    code = """[[1, 1.5], [0, 1.5], [1, 0]].map(([bp, ap]) => {
        const kept = new row.Row('A');
        kept.take({T: 'q', S: 'A', bp, ap, t: '2026-01-05T14:30:00Z'}, 0);
        return kept.spread; })"""
    assert run(code, "row") == [0.5, None, None]


def test_a_row_keeps_each_minute_once_and_no_seconds(run: Run) -> None:
    code = """(() => {
        const kept = new row.Row('A');
        const bar = (minute, c, kind) => ({T: 'b', S: 'A', t: `2026-01-05T14:0${minute}:00Z`, c, kind});
        for (const message of [bar(1, 10), bar(2, 11), bar(2, 12), bar(3, 13, 'bars1s')]) kept.take(message, 0);
        return [kept.minutes.map(({c}) => c), kept.bar.c]; })()"""
    assert run(code, "row") == [[10, 12], 12]


ROWS = """['B', 'A', 'D', 'C'].map((symbol, i) => ({symbol, price: [3, 1, null, 2][i], opened: [4, 1, null, 1][i],
    change: [-1, 0, null, 1][i], spread: null, heardAt: [10, 30, null, 20][i],
    measured: {trades: i, quotes: 0, delay: i === 3 ? null : {p50: i}}}))"""


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("null", "BADC"),
        ("{column: 'symbol', direction: 'ascending'}", "ABCD"),
        ("{column: 'last', direction: 'descending'}", "BCAD"),
        ("{column: 'last', direction: 'ascending'}", "ACBD"),
        ("{column: 'change', direction: 'descending'}", "CABD"),
        ("{column: 'rate', direction: 'descending'}", "CDAB"),
        ("{column: 'delay', direction: 'ascending'}", "BADC"),
        ("{column: 'age', direction: 'ascending'}", "ACBD"),
        ("{column: 'spread', direction: 'descending'}", "BADC"),
    ],
)
def test_rows_are_ordered_by_a_column_and_those_without_a_value_are_last(run: Run, sort: str, order: str) -> None:
    assert "".join(run(f"sorting.ordered({ROWS}, {sort})", "sorting")) == order


def test_a_column_is_pressed_to_sort_to_turn_and_to_let_go(run: Run) -> None:
    code = """['last', 'last', 'last', 'symbol', 'last'].reduce(
        (seen, column) => [...seen, sorting.pressed(seen.at(-1), column)], [null])"""
    assert run(code, "sorting") == [
        None,
        {"column": "last", "direction": "descending"},
        {"column": "last", "direction": "ascending"},
        None,
        {"column": "symbol", "direction": "ascending"},
        {"column": "last", "direction": "descending"},
    ]


def test_the_last_minute_is_a_line_that_ends_now(run: Run) -> None:
    line = "trend.trendLine([{step: 80, price: 1}, {step: 90, price: 3}, {step: 100, price: 2}], 100)"
    found = run(line, "trend")
    assert found["edge"] == "M0.0,30.0L50.0,2.0L100.0,16.0L100,16.0"
    assert found["area"].startswith(found["edge"])
    assert found["rising"] is True
    assert run("trend.trendLine([{step: 5, price: 1}], 500)", "trend") is None
    assert run("trend.trendLine([{step: 5, price: 1}], 5).edge", "trend") == "M100.0,16.0L100,16.0"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("aapl, MSFT;tsla", ["AAPL", "MSFT", "TSLA"]),
        ("aapl aapl nothing", ["AAPL"]),
        ("nothing at all", []),
        ("aapl", None),
        ("", None),
    ],
)
def test_a_list_of_names_is_read_as_one(run: Run, text: str, found: list[str] | None) -> None:
    assert run(f"picker.listed(['AAPL', 'MSFT', 'TSLA', 'IBM'], {text!r})", "picker") == found


def test_what_is_asked_for_goes_in_commands_that_a_gateway_takes(run: Run) -> None:
    code = """(() => {
        const streams = asks.streamsOf(Array.from({length: 200}, (_, i) => 'X'.repeat(60) + i));
        const since = Object.fromEntries(streams.map((s) => [s, {epoch: 'k3J9x0Lm', seq: 1234567890}]));
        const sent = [];
        const asking = new asks.Asks({send: (command) => sent.push(command), wanted: () => true, denied: () => {},
            since: (named) => Object.fromEntries(named.map((s) => [s, since[s]]))});
        asking.add(streams);
        const named = sent.flatMap(({trades, quotes, bars}) => trades.length + quotes.length + bars.length);
        const lengths = sent.map((command) => JSON.stringify(command).length);
        return [Math.max(...lengths), named.reduce((a, b) => a + b)]; })()"""
    longest, named = run(code, "asks")
    assert longest < 65_536 - 1_000
    assert named == 600


def test_nothing_to_ask_for_is_not_asked(run: Run) -> None:
    assert run("[asks.inParts([]), asks.inParts(['a', 'b', 'c'], 2)]", "asks") == [[], [["a", "b"], ["c"]]]
    assert run("asks.apart(['trades:A', 'quotes:A', 'trades:B'])", "asks") == [["trades:A", "trades:B"], ["quotes:A"]]
    assert run("asks.apart(['trades:A', 'trades:B'])", "asks") == [["trades:A"], ["trades:B"]]
    assert run("asks.apart(['trades:A'])", "asks") == []


@pytest.mark.parametrize(
    ("after", "text"),
    [
        ("it.resumed(23); it.resumed(1);", "Back after 1.4 s: 24 streams resumed, nothing missed."),
        ("it.resumed(1); it.missed('trades:A', 3, 2500); it.missed('trades:A', 9, 2600);",
         "Back after 1.4 s: 1 stream resumed, missed 12 ticks of trades:A."),
        ("it.missed('a:A', 1, 2500); it.missed('b:B', 1, 2500); it.missed('c:C', 1, 2500); it.missed('d:D', 1, 2500);",
         "Back after 1.4 s: missed 4 ticks of a:A, b:B, c:C and 1 other."),
        ("it.missed('a:A', null, 2500); it.missed('b:B', 5, 2500);",
         "Back after 1.4 s: missed at least 5 ticks of a:A, b:B."),
        ("it.missed('a:A', null, 2500);", "Back after 1.4 s: missed an unknown number of ticks of a:A."),
        ("it.resumed(3); it.missed('a:A', 7, 60000);", "Back after 1.4 s: 3 streams resumed, nothing missed."),
        ("", None),
    ],
)  # fmt: skip
def test_what_a_lost_connection_cost_is_told(run: Run, after: str, text: str | None) -> None:
    code = f"""(() => {{ const it = new comeback.Comeback(); it.missed('a:A', 5, 0);
        it.lost(1000); it.lost(1500); it.back(2400); {after} return it.said(); }})()"""
    found = run(code, "comeback")
    assert (found and found["text"]) == text


def test_a_second_absence_is_counted_anew(run: Run) -> None:
    code = """(() => { const it = new comeback.Comeback();
        it.lost(1000); it.back(2000); it.resumed(3); it.missed('a:A', 7, 2100);
        it.lost(60000); const away = it.said(); it.back(60500); it.resumed(2);
        return [away, it.said().text]; })()"""
    assert run(code, "comeback") == [None, "Back after 0.5 s: 2 streams resumed, nothing missed."]


@pytest.mark.parametrize(
    ("link", "said", "bus_lost", "now", "tone"),
    [
        ("live", "null", False, 0, None),
        ("waiting", "null", False, 0, "warn"),
        ("live", "null", True, 0, "bad"),
        ("live", "{tone: 'good', text: 'x', backAt: 1000}", False, 8_999, "good"),
        ("live", "{tone: 'good', text: 'x', backAt: 1000}", False, 9_001, None),
        ("live", "{tone: 'warn', text: 'x', backAt: 1000}", False, 9_001, "warn"),
        ("live", "{tone: 'warn', text: 'x', backAt: 1000}", False, 21_001, None),
        ("stopped", "{tone: 'good', text: 'x', backAt: 1000}", False, 1_000, None),
    ],
)
def test_the_banner_says_what_happens_for_as_long_as_it_matters(
    run: Run, link: str, said: str, bus_lost: bool, now: int, tone: str | None
) -> None:
    lost = "true" if bus_lost else "false"
    found = run(f"banner.announced({{name: '{link}'}}, {said}, {lost}, {now})", "banner")
    assert (found and found["tone"]) == tone


def test_a_chart_is_told_in_words(run: Run) -> None:
    bars = "[{ms: 1000, l: 9, h: 12, v: 5}, {ms: 2000, l: 8.5, h: 11, v: 7}]"
    row = "{digits: 2, price: 10.5, quote: {bp: 10.25, ap: 0}}"
    state = f"{{symbol: 'A/B', mode: 'second', row: {row}, items: %s, missing: {{count: 3, certain: true}}}}"
    said = run(f"chartwords.summaryWords({state % bars})", "chartwords")
    assert said.startswith("A/B: last 10.50, bid 10.25, ask –. 2 one-second bars from ")
    assert said.endswith("lowest 8.50, highest 12.00, volume 12. 3 are missing, where it is hatched.")
    assert run(f"chartwords.summaryWords({state % '[]'})", "chartwords").endswith("No one-second bar yet.")


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("{count: 0, certain: true}", "Nothing is missing."),
        ("{count: 1, certain: true}", "1 is missing, where it is hatched."),
        ("{count: 4, certain: false}", "At least 4 are missing, where it is hatched."),
        ("{count: 0, certain: false}", "Some are missing, where it is hatched."),
    ],
)
def test_what_is_missing_is_said(run: Run, missing: str, text: str) -> None:
    assert run(f"chartwords.missingWords({missing})", "chartwords") == text


def test_a_bar_tells_no_delay_of_being_published(run: Run) -> None:
    """It was received with its last trade, which may be long ago."""
    code = """(() => {
        const board = new state.Board();
        board.show(['A']);
        const stamps = {q: 1, t: '2026-01-05T14:30:00Z', ti: 1_000_000, tp: 3_000_000, tg: 3_000_100, tw: 3_000_200};
        board.frame([{T: 'b', S: 'A', o: 1, h: 1, l: 1, c: 1, v: 1, n: 1, ...stamps}], 100, 3_001, 3_000_300);
        const of_bar = board.hops.map((hop) => hop.quantiles(3_001, 60_000)?.p50 ?? null);
        board.frame([{T: 't', S: 'A', p: 1, s: 1, ...stamps, ti: 2_999_900}], 100, 3_001, 3_000_300);
        return [of_bar, board.hops[0].quantiles(3_001, 60_000).p50]; })()"""
    of_bar, of_trade = run(code, "state")
    assert of_bar[:3] == [None, 100, 100]
    assert of_trade == 100
