"""Binance spot: trades and best bid and ask, as its market-data streams send them.

Source: "Web Socket Streams for Binance", binance/binance-spot-api-docs. Only `@trade` and `@bookTicker` are asked for:
any other payload (depth, klines, aggregate trades) is a VenueError of kind "unknown".
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from feed.core.streams import valid_symbol
from feed.core.ticks import TRADES, Quote, Tick, Trade
from feed.ingest.venues.decimals import Decimals
from feed.ingest.venues.venue import ConnectionEnds, Subscription, VenueError

STREAMS: Final = ("trade", "bookTicker")
MAX_STREAMS_PER_CONNECTION: Final = 1024
# The first streams go into the URL, where they need no answer. So many keep it under the 8 kB that proxies let pass.
STREAMS_IN_URL: Final = 100
STREAMS_PER_COMMAND: Final = 200
# At most 5 messages a second are allowed, and our pongs count too.
COMMAND_INTERVAL_S: Final = 0.25

CODE = re.compile(r"[A-Z0-9]{1,32}")
MAX_ID: Final = 2**63 - 1
MAX_TIME_MS: Final = (2**63 - 1) // 1_000_000
# Milliseconds reach this in the year 5138, microseconds passed it in 1973.
FIRST_MICROSECOND: Final = 100_000_000_000_000


class Binance:
    """Binance spot for `symbols` in canonical form: BASE/QUOTE, such as BTC/USDT."""

    name = "binance"
    url = "wss://data-stream.binance.vision"
    faults: tuple[str, ...] = ("json", "unknown", "trade", "bookTicker")
    contiguous = frozenset({TRADES})  # a quote's update id rises too, but skips what left the best prices alone

    def __init__(self, symbols: Sequence[str]) -> None:
        """Raises ValueError for a symbol that is no Binance symbol, or that comes twice."""
        self._symbols: dict[str, str] = {}
        for symbol in symbols:
            code = symbol.replace("/", "", 1)
            if not valid_symbol(symbol) or CODE.fullmatch(code) is None:
                raise ValueError(f"symbol {symbol!r} is not a Binance symbol: BASE/QUOTE in capitals and digits")
            if code in self._symbols:
                raise ValueError(f"symbols {self._symbols[code]!r} and {symbol!r} are both {code} at Binance")
            self._symbols[code] = symbol
        if not self._symbols:
            raise ValueError("no symbols to read from Binance")
        self._decimals = Decimals()

    @property
    def inexact(self) -> int:
        return self._decimals.inexact

    def subscriptions(self, url: str) -> Sequence[Subscription]:
        """One connection for each 512 symbols, whose trades and quotes stay together."""
        codes, per = list(self._symbols), MAX_STREAMS_PER_CONNECTION // len(STREAMS)
        return [self._subscription(url, codes[first : first + per]) for first in range(0, len(codes), per)]

    def _subscription(self, url: str, codes: Sequence[str]) -> Subscription:
        streams = [f"{code.lower()}@{kind}" for code in codes for kind in STREAMS]
        in_url, rest = streams[:STREAMS_IN_URL], streams[STREAMS_IN_URL:]
        commands = [rest[first : first + STREAMS_PER_COMMAND] for first in range(0, len(rest), STREAMS_PER_COMMAND)]
        return Subscription(
            f"{url.rstrip('/')}/stream?streams={'/'.join(in_url)}&timeUnit=MICROSECOND",
            tuple(
                orjson.dumps({"method": "SUBSCRIBE", "params": params, "id": count}).decode()
                for count, params in enumerate(commands, 1)
            ),
            COMMAND_INTERVAL_S,
            tuple(self._symbols[code] for code in codes),
        )

    def parse(self, frame: str | bytes, ts_recv: int) -> Sequence[Tick]:
        """The ticks of one frame, combined (`{"stream":..,"data":..}`) or bare."""
        try:
            message = orjson.loads(frame)
        except orjson.JSONDecodeError as error:
            raise VenueError("json", str(error)) from None
        if message.__class__ is not dict:
            raise VenueError("json", f"a {type(message).__name__} instead of an object")
        payload = message.get("data", message)
        if payload.__class__ is not dict:
            raise VenueError("json", f"`data` is a {type(payload).__name__} instead of an object")
        event = payload.get("e")
        if event is None and "u" in payload:
            return (self._quote(payload, ts_recv),)
        if event == "trade":
            return (self._trade(payload, ts_recv),)
        _check_control(payload, event)
        return ()

    def _trade(self, payload: dict[str, Any], ts_recv: int) -> Trade:
        decimals = self._decimals
        try:
            return Trade(
                self._symbols[payload["s"]],
                _id(payload["t"]),
                decimals[payload["p"]],
                decimals[payload["q"]],
                _side(payload["m"]),
                _time_ns(payload["T"]),
                ts_recv,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed("trade", ("s", "t", "p", "q", "m", "T"), payload, error) from None

    def _quote(self, payload: dict[str, Any], ts_recv: int) -> Quote:
        decimals = self._decimals
        try:
            return Quote(
                self._symbols[payload["s"]],
                _id(payload["u"]),
                decimals[payload["b"]],
                decimals[payload["B"]],
                decimals[payload["a"]],
                decimals[payload["A"]],
                ts_recv,  # spot's bookTicker has no time of its own
                ts_recv,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed("bookTicker", ("s", "u", "b", "B", "a", "A"), payload, error) from None


def _malformed(what: str, fields: Sequence[str], payload: dict[str, Any], error: Exception) -> VenueError:
    missing = [field for field in fields if field not in payload]
    if missing:
        return VenueError(what, f"no {', '.join(missing)} in it")
    if isinstance(error, KeyError):
        return VenueError(what, f"symbol {payload['s']!r:.40} was not asked for")
    return VenueError(what, str(error))


def _side(buyer_is_maker: Any) -> str:
    """The aggressor's side: a buyer who was the maker was hit by a seller."""
    if buyer_is_maker is True:
        return "S"
    if buyer_is_maker is False:
        return "B"
    raise ValueError(f"`m` is {buyer_is_maker!r:.40}, not true or false")


def _id(value: Any) -> int:
    if value.__class__ is int and 0 <= value <= MAX_ID:
        return value
    raise ValueError(f"id {value!r:.40} is not an integer of 0 to {MAX_ID}")


def _time_ns(value: Any) -> int:
    if value.__class__ is int:
        if 0 <= value <= MAX_TIME_MS:
            return value * 1_000_000
        if FIRST_MICROSECOND <= value <= MAX_TIME_MS * 1_000:
            return value * 1_000
    raise ValueError(f"time {value!r:.40} is not in milliseconds or microseconds since 1970")


def _check_control(payload: dict[str, Any], event: object) -> None:
    """Passes answers to our commands; raises for a shutdown, a refusal, and what was never asked for."""
    if event == "serverShutdown":
        raise ConnectionEnds("shutdown", "the venue announced that it disconnects")
    if event is not None:
        raise VenueError("unknown", f"event {event!r:.40} was not asked for")
    if "result" in payload and "id" in payload:
        return
    refusal = payload.get("error", payload)
    if isinstance(refusal, dict) and "code" in refusal and "msg" in refusal:
        raise ConnectionEnds("refused", f"{refusal['code']!r:.40}: {refusal['msg']!r:.200}")
    raise VenueError("unknown", f"an object of {', '.join(payload)!r:.80}")
