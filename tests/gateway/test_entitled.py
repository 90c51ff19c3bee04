"""What a grant leaves of a subscription."""

from typing import Any

import pytest

from feed.core.grant import EVERYTHING, Grant, grant
from feed.gateway.entitled import NotGranted, capped, check, reaches, scope_of
from feed.wire.commands import Subscribe

SOME = grant(kinds=["trades", "bars"], symbols=["BTC/*", "AAPL"], max_rate=5)


def subscribe(**fields: Any) -> Subscribe:
    return Subscribe.model_validate({"action": "subscribe", "id": 7, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"trades": ["BTC/USDT", "AAPL"], "bars": ["*"]},
        {"trades": ["*"]},
        {"trades": ["AAPL"], "rate": 5},
        {"trades": ["AAPL"], "rate": 0.5},
    ],
)
def test_what_is_granted(fields: dict[str, Any]) -> None:
    check(SOME, subscribe(**fields), 2)


@pytest.mark.parametrize(
    ("fields", "what", "named"),
    [
        ({"quotes": ["AAPL"]}, "kind", "quotes:AAPL"),
        ({"quotes": ["*"]}, "kind", "quotes:*"),
        ({"trades": ["AAPL", "ETH/USDT", "X"]}, "symbol", "trades:ETH/USDT"),
        ({"trades": ["*", "MSFT"]}, "symbol", "trades:MSFT"),
        ({"trades": ["AAPL"], "rate": 6}, "rate", "at most 5"),
        ({"trades": ["AAPL"], "rate": 0}, "rate", "at most 5"),
    ],
)
def test_what_is_not_granted(fields: dict[str, Any], what: str, named: str) -> None:
    with pytest.raises(NotGranted) as caught:
        check(SOME, subscribe(**fields), 2)
    assert (caught.value.what, caught.value.code, caught.value.command_id) == (what, 409, 7)
    assert named in caught.value.detail
    check(EVERYTHING, subscribe(**fields), 2)


def test_depth_one_knows_of_no_rates_and_is_capped() -> None:
    check(SOME, subscribe(trades=["AAPL"], rate=0), 1)


@pytest.mark.parametrize(
    ("most", "rate", "result"), [(0, 0, 0), (0, 7, 7), (5, 0, 5), (5, 7, 5), (5, 5, 5), (5, 0.5, 0.5)]
)
def test_capped(most: float, rate: float, result: float) -> None:
    assert capped(grant(max_rate=most), rate) == result


@pytest.mark.parametrize(
    ("granted", "reached"),
    [
        (EVERYTHING, ["AAPL", "BTC/USDT", "X"]),
        (grant(symbols=["AAPL", "*"]), ["AAPL", "BTC/USDT", "X"]),
        (SOME, ["AAPL", "BTC/USDT"]),
        (grant(symbols=[]), []),
    ],
)
def test_how_far_wildcards_reach(granted: Grant, reached: list[str]) -> None:
    scope = scope_of(granted)
    assert [symbol for symbol in ("AAPL", "BTC/USDT", "X") if reaches(scope, symbol)] == reached
