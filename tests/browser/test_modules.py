"""The page's pure modules, by tables of cases that run in the browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.modules import Run, modules


@pytest.fixture(scope="module")
def run(browser: Any) -> Iterator[Run]:
    with modules(browser) as evaluate:
        yield evaluate


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("price(190.1, 2)", "190.10"),
        ("price(61234.5, 2)", "61,234.50"),
        ("price(0.00001234, 8)", "0.00001234"),
        ("price(null, 2)", "–"),
        ("size(300)", "300"),
        ("size(0.0125)", "0.0125"),
        ("size(12345.678)", "12,345.68"),
        ("size(undefined)", ""),
        ("decimals(0.00001)", "5"),
        ("decimals(190)", "0"),
        ("decimals(190.25)", "2"),
        ("rate(0)", "0"),
        ("rate(3.26)", "3.3"),
        ("rate(12345)", "12,345"),
        ("delay(420)", "0.42 ms"),
        ("delay(-1277000)", "-1.3 s"),
        ("delay(12340)", "12.3 ms"),
        ("delay(250000)", "250 ms"),
        ("delay(7200000000)", "120.0 min"),
        ("age(120)", "0.1 s"),
        ("age(-5)", "0.0 s"),
        ("age(59000)", "59 s"),
        ("age(600000)", "10 min"),
        ("age(7200000)", "2 h"),
        ("age(172800000)", "2 d"),
        ("percent(0.01234)", "+1.23 %"),
        ("percent(-0.5)", "−50.00 %"),
        ("percent(0.000004)", "0.00 %"),
        ("change(0.25, 2)", "+0.25"),
        ("change(-1234.5, 1)", "−1,234.5"),
        ("change(0, 2)", "0.00"),
        ("count(1, 'stream')", "1 stream"),
        ("count(1200, 'tick')", "1,200 ticks"),
    ],
)
def test_numbers_read_as_prices_do(run: Any, expression: str, text: str) -> None:
    assert str(run(f"format.{expression}", "format")) == text


def test_measures(run: Any) -> None:
    steady = """(() => { const rate = new measure.Rate(); let last = 0;
        for (let i = 1; i <= 100; i += 1) { rate.add(5, 1e12 + i * 100); last = rate.perSecond(1e12 + i * 100); }
        return [last, rate.perSecond(1e12 + 14000)]; })()"""
    last, silent = run(steady, "measure")
    assert 45 <= last <= 56
    assert silent == 0
    quantiles = """(() => { const samples = new measure.Samples(128); samples.add(1e9, 0);
        for (let i = 1; i <= 100; i += 1) samples.add(i, 6000);
        return [samples.quantiles(6000, 5000), samples.quantiles(12000, 5000)]; })()"""
    assert run(quantiles, "measure") == [{"p50": 50, "p99": 99, "count": 100}, None]
    assert run("measure.parseMicros('2026-01-05T14:30:00.123456789Z')", "measure") == 1767623400123456
    assert run("measure.parseMicros('2026-01-05T14:30:00Z')", "measure") == 1767623400000000


def test_a_clock_is_corrected_only_where_the_round_trip_proves_it_wrong(run: Any) -> None:
    skew = """(trips => { const skew = new measure.Skew(); for (const trip of trips) skew.add(...trip);
        return [skew.rttUs, skew.correctionUs]; })"""
    assert run(f"{skew}([])", "measure") == [None, 0]
    assert run(f"{skew}([[0, 900, 2000]])", "measure") == [2000, 0]
    assert run(f"{skew}([[0, 501000, 2000]])", "measure") == [2000, 500000]
    assert run(f"{skew}([[0, 509000, 20000], [0, 500500, 1000], [0, 700000, 90000]])", "measure") == [1000, 500000]


def test_the_clock_is_finer_than_a_millisecond_and_follows_when_it_is_set(run: Any) -> None:
    clock = "(() => { const clock = new measure.Clock(); return [%s]; })()"
    reads = "clock.micros(5000, 100.4), clock.micros(5001, 100.6), clock.micros(5001, 101.5), clock.micros(9000, 102)"
    assert run(clock % reads, "measure") == pytest.approx([5000000, 5001000, 5001900, 9000000])


@pytest.mark.parametrize(
    ("hash_", "view"),
    [
        ("", {"feed": "sim", "symbols": None}),
        ("#feed=binance", {"feed": "binance", "symbols": None}),
        ("#feed=nope&symbols=A", {"feed": "sim", "symbols": ["A"]}),
        ("#feed=sim&symbols=", {"feed": "sim", "symbols": []}),
        ("#symbols=BTC/USDT,A,A,<b>,^GSPC,x:y", {"feed": "sim", "symbols": ["BTC/USDT", "A", "^GSPC", "x:y"]}),
        ("#symbols=%3Cimg%3E,A%2FB", {"feed": "sim", "symbols": ["A/B"]}),
        ("#symbols=A,B&tab=chart&chart=B", {"feed": "sim", "symbols": ["A", "B"], "tab": "chart", "chart": "B"}),
        ("#tab=operator", {"feed": "sim", "symbols": None, "tab": "operator"}),
        ("#tab=__proto__&chart=<b>", {"feed": "sim", "symbols": None}),
    ],
)
def test_reads_the_view_from_the_address(run: Any, hash_: str, view: dict[str, Any]) -> None:
    assert run(f"view.readView({hash_!r}, ['sim', 'binance'])", "view") == {"tab": "prices", "chart": None, **view}


@pytest.mark.parametrize(
    ("view", "address"),
    [
        ("{feed: 'sim'}", "#feed=sim"),
        ("{feed: 'sim', tab: 'prices', chart: 'A'}", "#feed=sim"),
        ("{feed: 'sim', tab: 'chart', chart: 'A/B'}", "#feed=sim&tab=chart&chart=A/B"),
        ("{feed: 'sim', symbols: [], tab: 'operator', chart: 'A'}", "#feed=sim&symbols=&tab=operator"),
    ],
)
def test_the_address_names_what_is_looked_at_and_no_more(run: Any, view: str, address: str) -> None:
    assert run(f"view.writeView({view})", "view") == address


def test_an_address_that_was_written_reads_the_same(run: Any) -> None:
    view = "{feed: 'sim', symbols: ['BTC/USDT', '^GSPC', 'a:b', 'x_y.z-1']}"
    assert run(f"view.writeView({view})", "view") == "#feed=sim&symbols=BTC/USDT,%5EGSPC,a:b,x_y.z-1"
    assert run(f"view.readView(view.writeView({view}), ['sim'])", "view")["symbols"] == [
        "BTC/USDT",
        "^GSPC",
        "a:b",
        "x_y.z-1",
    ]


@pytest.mark.parametrize(
    ("code", "again"),
    [(1000, True), (1006, True), (1009, False), (1012, True), (4008, True), (4500, False), (4503, False)],
)
def test_close_codes_say_whether_to_come_back(run: Any, code: int, again: bool) -> None:
    assert run(f"connection.mayReconnect({code})", "connection") is again


def test_delays_grow_to_a_ceiling(run: Any) -> None:
    delays = "[0, 1, 3, 50].map((attempt) => connection.retryDelay(attempt, 1))"
    assert run(delays, "connection") == [500, 1000, 4000, 15000]
    assert run("connection.retryDelay(3, 0)", "connection") == 0


@pytest.mark.parametrize(
    ("at", "message", "verdict"),
    [
        (10, "{q: 11}", "next"),
        (10, "{q: 12}", "hole"),
        (10, "{q: 10}", "repeat"),
        (10, "{q: 10, snap: true}", "snapshot"),
        (10, "{q: 14, m: {n: 4, q0: 11}}", "next"),
        (10, "{q: 14, m: {n: 3, q0: 12}}", "hole"),
        (None, "{q: 700}", "first"),
    ],
)
def test_judges_a_tick_by_its_number(run: Any, at: int | None, message: str, verdict: str) -> None:
    granted = "" if at is None else f"standing.granted('trades:A', {{epoch: 'e', seq: {at}}});"
    begin = f"const standing = new positions.Positions(); {granted}"
    code = f"(() => {{ {begin} return standing.tick('trades:A', {message}); }})()"
    assert run(code, "positions") == verdict


def test_positions_to_resume_from_have_an_epoch(run: Any) -> None:
    code = """(() => { const standing = new positions.Positions();
        standing.granted('trades:A', {epoch: 'e', seq: 4}); standing.granted('quotes:A', {epoch: null, seq: 0});
        standing.granted('bars:A', {epoch: null, seq: 0}); standing.tick('bars:A', {q: 1});
        return standing.since(['trades:A', 'quotes:A', 'bars:A', 'trades:B']); })()"""
    assert run(code, "positions") == {"trades:A": {"epoch": "e", "seq": 4}, "quotes:A": {"epoch": None, "seq": 0}}


def test_symbols_that_begin_with_the_text_come_first(run: Any) -> None:
    found = run("picker.matches(['BTC/USDT', 'INTC', 'TCX', 'TSLA'], ' tc')", "picker")
    assert found == ["TCX", "BTC/USDT", "INTC"]
