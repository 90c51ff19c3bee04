"""What a grant lets through: feeds and kinds by name, symbols by pattern."""

from fnmatch import translate
from re import fullmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.grant import EVERYTHING, MAX_PATTERNS, Grant, grant
from feed.core.streams import Stream

BTC = Stream("binance", "trades", "BTC/USDT")


@pytest.mark.parametrize(
    ("pattern", "symbol", "matches"),
    [
        ("*", "BTC/USDT", True),
        ("BTC/USDT", "BTC/USDT", True),
        ("BTC/USDT", "BTC/USDTX", False),
        ("BTC/USDT", "XBTC/USDT", False),
        ("BTC/*", "BTC/USDT", True),
        ("BTC/*", "BTC/", True),
        ("BTC/*", "WBTC/USDT", False),
        ("*/USDT", "ETH/USDT", True),
        ("*/USDT", "ETH/USDTX", False),
        ("B*/U*T", "BTC/USDT", True),
        ("B**T", "BT", True),
        ("*T*", "ETH", True),
        ("BRK.B", "BRK.B", True),
        ("BRK.B", "BRKxB", False),  # a dot is a dot
        ("^*", "^GSPC", True),
        ("btc/*", "BTC/USDT", False),
        ("A", "", False),
    ],
)
def test_a_pattern_matches_the_whole_symbol(pattern: str, symbol: str, matches: bool) -> None:
    assert grant(symbols=[pattern]).allows_symbol(symbol) is matches


def test_no_pattern_takes_long() -> None:
    # as a naive expression it would try some 10^18 ways; the time limit of every test is what notices
    hostile = grant(symbols=["*a" * 31 + "*b"])
    assert not hostile.allows_symbol("a" * 64)
    assert hostile.allows_symbol("a" * 63 + "b")


symbols = st.text("AB/.^", min_size=1, max_size=12)
patterns = st.text("AB/.^*", min_size=1, max_size=8)


@given(st.lists(patterns, min_size=1, max_size=4), symbols)
def test_one_of_the_patterns_must_match(chosen: list[str], symbol: str) -> None:
    # of a shell's patterns ours have only the star
    expected = any(fullmatch(translate(pattern), symbol) for pattern in chosen)
    assert grant(symbols=chosen).allows_symbol(symbol) is expected


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (EVERYTHING, True),
        (grant(feeds=["binance"]), True),
        (grant(feeds=["sim"]), False),
        (grant(kinds=["trades", "quotes"]), True),
        (grant(kinds=["quotes"]), False),
        (grant(symbols=["BTC/*"]), True),
        (grant(symbols=["ETH/*"]), False),
        (grant(["binance"], ["trades"], ["ETH/*", "*/USDT"]), True),
        (grant(["sim"], ["trades"], ["*"]), False),
        (grant(feeds=[]), False),
        (grant(kinds=[]), False),
        (Grant(symbols=frozenset()), False),
    ],
)
def test_a_stream_needs_feed_kind_and_symbol(allowed: Grant, expected: bool) -> None:
    assert allowed.allows(BTC) is expected


def test_nothing_said_is_everything() -> None:
    assert grant() == EVERYTHING


def test_nobody_is_an_operator_unasked() -> None:
    assert [grant().operator, EVERYTHING.operator, grant(operator=True).operator] == [False, False, True]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"feeds": ["binance", "Sim"]}, "feeds: 'Sim'"),
        ({"feeds": ["*"]}, "feeds: '*'"),
        ({"kinds": ["trade"]}, "kinds: 'trade' is not one of trades, quotes, bars, bars1s"),
        ({"symbols": ["BTC USDT"]}, "symbols: 'BTC USDT'"),
        ({"symbols": [""]}, "symbols: ''"),
        ({"symbols": ["A" * 65]}, "symbols: 'AAAA"),
        ({"symbols": ["[A-Z]"]}, "symbols: "),
        ({"symbols": ["A\n"]}, "symbols: "),
        ({"symbols": [f"S{at}" for at in range(MAX_PATTERNS + 1)]}, f"symbols: {MAX_PATTERNS + 1} patterns"),
        ({"max_rate": -1}, "max_rate: -1"),
        ({"max_rate": 1_001}, "max_rate: 1001"),
        ({"max_rate": float("nan")}, "max_rate: nan"),
        ({"max_connections": 0}, "max_connections: 0"),
        ({"max_symbols": -5}, "max_symbols: -5"),
    ],
)
def test_what_cannot_be_granted_is_named(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its text follows
        grant(**fields)  # type: ignore[arg-type]
    assert str(refused.value).startswith(words)
