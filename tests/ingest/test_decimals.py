"""Decimal text to float64, as the Binance parser reads it."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.core.ticks import Trade
from tests.ingest.binance_frames import TRADE, TS_RECV, binance


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=10**9, places=8))
def test_any_price_of_eight_decimals_survives_or_is_counted(price: Decimal) -> None:
    venue = binance()
    (tick,) = venue.parse(json.dumps({**TRADE, "p": f"{price:.8f}"}), TS_RECV)
    assert isinstance(tick, Trade)
    assert venue.inexact == (0 if Decimal(repr(tick.price)) == price else 1)


@pytest.mark.parametrize(
    ("text", "value", "inexact"),
    [
        ("0", 0.0, 0),
        ("0.00000000", 0.0, 0),
        ("00012.50", 12.5, 0),
        ("1.1e-7", 1.1e-7, 0),
        ("1E5", 1e5, 0),
        ("999999.99999999", 999999.99999999, 0),
        ("123456789.12345678", 123456789.12345678, 0),  # 17 digits, and the shortest repr is the same
        ("12345678.123456789012", 12345678.123456789, 1),
        ("9007199254740993", 9007199254740992.0, 1),
        ("0.1000000000000000000000", 0.1, 0),
        ("9" * 64, 1e64, 1),
        ("1e-400", 0.0, 1),
    ],
)
def test_numbers_and_what_float64_does_not_hold(text: str, value: float, inexact: int) -> None:
    venue = binance()
    for times in (1, 2):
        (tick,) = venue.parse(json.dumps({**TRADE, "p": text}), TS_RECV)
        assert isinstance(tick, Trade)
        assert tick.price == value
        assert venue.inexact == inexact * times


def test_more_numbers_than_are_remembered() -> None:
    venue = binance()
    for size in range(10_000):
        (tick,) = venue.parse(json.dumps({**TRADE, "q": str(size)}), TS_RECV)
        assert isinstance(tick, Trade)
        assert tick.size == size
