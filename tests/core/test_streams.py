"""Names of feeds, symbols and streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.streams import START, Position, Stream, parse_stream, valid_feed, valid_symbol
from feed.core.ticks import KINDS

SYMBOLS = st.from_regex(r"[A-Za-z0-9._/:^-]{1,64}", fullmatch=True)
FEEDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)


@pytest.mark.parametrize("symbol", ["A", "BTC/USDT", "BRK.B", "^GSPC", "a_b-c:d", "x" * 64, "0"])
def test_good_symbols(symbol: str) -> None:
    assert valid_symbol(symbol)


@pytest.mark.parametrize(
    "symbol", ["", "*", "x" * 65, "A B", "A,B", "Ä", "A\n", "\nA", "A{B}", "A\x00", "٣", "A+B", "A'"]
)
def test_bad_symbols(symbol: str) -> None:
    assert not valid_symbol(symbol)


@pytest.mark.parametrize("feed", ["sim", "binance", "a", "9x", "a_b-c", "x" * 32])
def test_good_feeds(feed: str) -> None:
    assert valid_feed(feed)


@pytest.mark.parametrize("feed", ["", "Sim", "_a", "-a", "a:b", "a/b", "x" * 33, "sim\n", "é"])
def test_bad_feeds(feed: str) -> None:
    assert not valid_feed(feed)


@given(feed=FEEDS, kind=st.sampled_from(KINDS), symbol=SYMBOLS)
def test_a_streams_name_is_read_back(feed: str, kind: str, symbol: str) -> None:
    stream = Stream(feed, kind, symbol)
    assert parse_stream(stream.name) == stream
    assert parse_stream(f"{feed}:{stream.key}") == stream


def test_symbols_may_hold_colons() -> None:
    assert parse_stream("sim:trades:A:B:C") == Stream("sim", "trades", "A:B:C")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "feed:kind:symbol"),
        ("sim", "feed:kind:symbol"),
        ("sim:trades", "feed:kind:symbol"),
        ("Sim:trades:A", "feed 'Sim'"),
        (":trades:A", "feed ''"),
        ("sim:trade:A", "kind 'trade'"),
        ("sim::A", "kind ''"),
        ("sim:trades:", "symbol ''"),
        ("sim:trades:A B", "symbol 'A B'"),
        ("sim:trades:*", "symbol '*'"),
    ],
)
def test_what_is_no_name_is_said(name: str, says: str) -> None:
    with pytest.raises(ValueError, match="stream") as caught:
        parse_stream(name)
    assert says in str(caught.value)


@given(text=st.text(max_size=80))
def test_any_text_is_a_stream_or_a_value_error(text: str) -> None:
    try:
        stream = parse_stream(text)
    except ValueError:
        return
    assert stream.name == text


def test_the_start_is_a_position_like_another() -> None:
    assert Position(None, 0) == START
