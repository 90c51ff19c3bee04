"""Binance payloads that are right, for tests to spoil."""

from feed.ingest.venues.binance import Binance

TS_RECV = 7


TRADE = {"e": "trade", "E": 2, "s": "BTCUSDT", "t": 5, "p": "1.5", "q": "2", "T": 1, "m": True, "M": True}


QUOTE = {"u": 6, "s": "BTCUSDT", "b": "1.5", "B": "2", "a": "1.6", "A": "3"}


def binance() -> Binance:
    return Binance(["BTC/USDT", "ETH/USDT"])
