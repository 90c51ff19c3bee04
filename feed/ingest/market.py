"""The simulated market: prices that move like prices, the same for the same seed, in about 3 us a tick.

Log-normal walks whose volatility clusters and returns to its mean, a spread of a few price steps that widens with it,
trades at the bid or the ask, popular symbols first (Zipf), three quotes to a trade. No real instrument's prices.
"""

import struct
from collections.abc import Iterator
from itertools import accumulate, islice
from math import exp, log, sqrt
from random import Random
from statistics import NormalDist
from typing import Final, NamedTuple

from feed.core.ticks import Quote, Trade

_POPULARITY: Final = 0.8  # exponent of Zipf's law: with 20 symbols the first has 15 % of the ticks, the last 1.4 %
_RANGE: Final = 100.0  # a walk has no bounds: no price passes this many times, or parts, of what it began with,
_FLOOR: Final = 100.0  # nor falls under this many steps, so that a step stays a small move
_WILDEST: Final = 0.1  # relative move of a tick: at very low rates each stands for days
_BLOCK: Final = 1024  # draws made at once: 0.5 ms

# GARCH(1,1) per tick: a shock raises the variance, which returns to 1 with a half-life of 140 of its symbol's ticks.
_SHOCK: Final = 0.04
_PERSISTENCE: Final = 0.955
_RETURN: Final = 1 - _SHOCK - _PERSISTENCE

_NORMAL: Final = tuple(NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(4096))

# One-letter codes of US venues, by their rough share. D reports trades made off exchange: it has no quotes.
_TRADING: Final = "QQQPPZZKKNVUDDDD"
_QUOTING: Final = "QQQQPPPPZZZKKNVU"
_REGULAR: Final = ("@",)
_CONDITIONS: Final = (*[_REGULAR] * 13, ("@", "F"), ("@", "F"), ("@", "T"))  # by their share; F sweep, T extended hours
_ODD_LOT: Final = ("@", "I")
_QUOTE_CONDITIONS: Final = ("R",)

_EQUITY_YEAR_S: Final = 252 * 6.5 * 3600
_YEAR_S: Final = 365 * 24 * 3600


class Listing(NamedTuple):
    """What a symbol is like. The price step is 10**-digits, `spread` is the usual one in steps. Equities have a tape.

    `size` is the median size of what has no tape, `size_digits` its decimals.
    """

    symbol: str
    price: float
    digits: int
    spread: float
    year_volatility: float
    tape: str = ""
    size: float = 0.0
    size_digits: int = 0


LISTINGS: Final = (
    Listing("AAPL", 231.40, 2, 1.3, 0.27, "C"),
    Listing("NVDA", 141.95, 2, 1.2, 0.50, "C"),
    Listing("SPY", 594.20, 2, 1.1, 0.15, "B"),
    Listing("BTC/USD", 97_500.00, 2, 150.0, 0.55, "", 0.02, 8),
    Listing("TSLA", 352.60, 2, 4.0, 0.60, "C"),
    Listing("MSFT", 417.00, 2, 3.0, 0.22, "C"),
    Listing("ETH/USD", 3_330.00, 2, 12.0, 0.70, "", 0.4, 6),
    Listing("AMZN", 197.10, 2, 1.5, 0.30, "C"),
    Listing("QQQ", 505.80, 2, 1.2, 0.20, "C"),
    Listing("GOOGL", 164.80, 2, 1.6, 0.28, "C"),
    Listing("EUR/USD", 1.04180, 5, 2.0, 0.08, "", 25_000.0, 0),
    Listing("SOL/USD", 255.30, 2, 3.0, 0.90, "", 6.0, 4),
    Listing("META", 559.10, 2, 6.0, 0.33, "C"),
    Listing("AMD", 138.30, 2, 1.4, 0.48, "C"),
    Listing("JPM", 248.50, 2, 3.0, 0.24, "A"),
    Listing("NFLX", 897.80, 2, 25.0, 0.34, "C"),
    Listing("IWM", 238.80, 2, 1.2, 0.21, "B"),
    Listing("GBP/USD", 1.25310, 5, 3.0, 0.08, "", 20_000.0, 0),
    Listing("XRP/USD", 1.4820, 4, 3.0, 0.95, "", 800.0, 2),
    Listing("GE", 180.10, 2, 5.0, 0.29, "A"),
)


class Market:
    """`symbols` symbols: those of LISTINGS, then SIM0021 and on. `ticks_per_s` sets how much a price moves per tick.

    Ids are contiguous per stream. The first is the start in microseconds: a later run then starts above every id of
    this one (no stream has a million ticks a second), where ids from 1 would be dropped as published already.
    """

    def __init__(self, symbols: int, ticks_per_s: float, seed: int, start_ns: int) -> None:
        self._random = Random(seed)
        weights = [rank**-_POPULARITY for rank in range(1, symbols + 1)]
        self._popularity = list(accumulate(weights))
        pools = _Pools(self._random)
        first_id = start_ns // 1000
        tick_rate = ticks_per_s / self._popularity[-1]
        self._lines = [
            _Line(listing, pools, first_id, tick_rate * weight)
            for listing, weight in zip(self._listings(symbols), weights, strict=True)
        ]
        self._draws = self._draw()

    @property
    def symbols(self) -> list[str]:
        """Every symbol, the most popular first."""
        return [line.symbol for line in self._lines]

    def ticks(self, count: int, first_ns: int, step_ns: int, ts_recv: int) -> list[Trade | Quote]:
        """The next `count` ticks, `step_ns` apart from `first_ns` on. How they are sliced changes nothing but times."""
        out: list[Trade | Quote] = []
        ts_event = first_ns
        for line, bits in islice(self._draws, count):
            shock = line.move(bits)
            if bits & 0x3000:
                out.append(line.quote(bits, ts_event, ts_recv))
            else:
                out.append(line.trade(bits, shock, ts_event, ts_recv))
            ts_event += step_ns
        return out

    def _draw(self) -> "Iterator[tuple[_Line, int]]":
        """Which symbol ticks next, and 64 random bits that decide the rest of the tick."""
        random, unpack = self._random, struct.Struct(f"<{_BLOCK}Q").unpack
        while True:
            lines = random.choices(self._lines, cum_weights=self._popularity, k=_BLOCK)
            yield from zip(lines, unpack(random.randbytes(8 * _BLOCK)), strict=True)

    def _listings(self, symbols: int) -> Iterator[Listing]:
        yield from LISTINGS[:symbols]
        for number in range(len(LISTINGS) + 1, symbols + 1):
            price = exp(self._random.uniform(log(5), log(500)))
            spread = self._random.uniform(1, 1 + price / 25)
            yield Listing(f"SIM{number:04d}", price, 2, spread, self._random.uniform(0.2, 0.8), "AC"[number % 2])


class _Pools:
    """Sizes drawn beforehand: equities share theirs."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.shares = [self._shares() for _ in range(_BLOCK)]
        self.lots = [100.0 * (1 + int(random.expovariate(0.4))) for _ in range(_BLOCK)]

    def _shares(self) -> float:
        kind = self._random.random()
        if kind < 0.4:
            return float(self._random.randint(1, 99))
        if kind < 0.7:
            return 100.0
        return 100.0 * (1 + int(self._random.paretovariate(1.3)))

    def amounts(self, median: float, digits: int) -> list[float]:
        """Around the median, spread over some three powers of ten, on the grid of `digits` decimals."""
        scale = 10**digits
        return [round(median * scale * self._random.lognormvariate(0, 1.2)) / scale for _ in range(_BLOCK)]


class _Line:
    """One symbol: its state between ticks. Prices are in price steps until they are told."""

    __slots__ = (
        "_ask", "_bid", "_depths", "_equity", "_high", "_low", "_mid", "_quote_id", "_scale", "_sigma", "_sizes",
        "_spread", "_tape", "_trade_id", "_variance", "symbol",
    )  # fmt: skip

    def __init__(self, listing: Listing, pools: _Pools, first_id: int, ticks_per_s: float) -> None:
        self.symbol = listing.symbol
        self._trade_id = self._quote_id = first_id - 1
        self._scale = 10**listing.digits
        self._mid = listing.price * self._scale
        self._low = max(self._mid / _RANGE, _FLOOR)
        self._high = self._mid * _RANGE
        self._variance = 1.0
        self._equity = bool(listing.tape)
        year_s = _EQUITY_YEAR_S if self._equity else _YEAR_S
        self._sigma = min(listing.year_volatility / sqrt(year_s * ticks_per_s), _WILDEST)
        self._spread = listing.spread
        self._tape = listing.tape
        if self._equity:
            self._sizes, self._depths = pools.shares, pools.lots
        else:
            self._sizes = self._depths = pools.amounts(listing.size, listing.size_digits)
        self._bid = int(self._mid) / self._scale
        self._ask = (int(self._mid) + 1) / self._scale

    def move(self, bits: int) -> float:
        """One step of the walk; the shock, in standard deviations."""
        shock = _NORMAL[bits & 0xFFF]
        variance = self._variance
        mid = self._mid * exp(shock * self._sigma * sqrt(variance))
        self._mid = mid if self._low < mid < self._high else self._mid
        self._variance = _RETURN + variance * (_PERSISTENCE + _SHOCK * shock * shock)
        return shock

    def quote(self, bits: int, ts_event: int, ts_recv: int) -> Quote:
        # The low bits round the width up or down at random, so that its mean is the usual spread.
        width = int(self._spread * sqrt(self._variance) + (bits >> 46 & 15) / 16) or 1
        bid = int(self._mid - width / 2 + 0.5)
        # A quotient of integers is the float nearest to the decimal: exact where `steps * 0.01` is not.
        self._bid = bid / self._scale
        self._ask = (bid + width) / self._scale
        self._quote_id += 1
        bid_size, ask_size = self._depths[bits >> 14 & 1023], self._depths[bits >> 24 & 1023]
        head = (self.symbol, self._quote_id, self._bid, bid_size, self._ask, ask_size, ts_event, ts_recv)
        if not self._equity:
            return Quote(*head)
        return Quote(*head, _QUOTING[bits >> 34 & 15], _QUOTING[bits >> 38 & 15], _QUOTE_CONDITIONS, self._tape)

    def trade(self, bits: int, shock: float, ts_event: int, ts_recv: int) -> Trade:
        """At the ask of the last quote when the price rises, else at its bid."""
        self._trade_id += 1
        price, side = (self._ask, "B") if shock > 0 else (self._bid, "S")
        size = self._sizes[bits >> 14 & 1023]
        head = (self.symbol, self._trade_id, price, size, side, ts_event, ts_recv)
        if not self._equity:
            return Trade(*head)
        conditions = _CONDITIONS[bits >> 42 & 15] if size >= 100 else _ODD_LOT
        return Trade(*head, _TRADING[bits >> 34 & 15], conditions, self._tape)
