"""Ticks for tests: some by hand, any by hypothesis."""

from hypothesis import strategies as st

from feed.core.ticks import BARS, BARS_1S, NS_PER_S, Bar, Quote, Tick, Trade

T0 = 1_723_161_600 * NS_PER_S

TRADE = Trade("BTC/USDT", 7, 61709.25, 0.5, "B", T0 + 123_456_789, T0 + 200_000_000, "V", ("@", "I"), "C")
QUOTE = Quote("BTC/USDT", 8, 61709.0, 2.0, 61709.5, 0.25, T0, T0 + 1_000, "V", "W", ("R",), "C")
BAR = Bar("BTC/USDT", T0, BARS, 1.5, 4.0, 1.25, 2.0, 1234.5, 42, 2.125, T0, T0 + 60 * NS_PER_S)

INT64 = st.integers(-(2**63), 2**63 - 1)
# what MessagePack can carry as nanoseconds, which is how ticks come over the bus
TIMES = st.one_of(st.integers(-(2**63), 2**64 - 1), st.integers(0, 2**34).map(lambda s: s * NS_PER_S))
FLOATS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 10**6).map(float))
SYMBOLS = st.from_regex(r"[A-Za-z0-9._/:^-]{1,64}", fullmatch=True)
TEXTS = st.text(max_size=5)
CONDITIONS = st.lists(TEXTS, max_size=3).map(tuple)
SIDES = st.sampled_from(["B", "S", ""])

TRADES = st.builds(
    Trade, SYMBOLS, st.none() | INT64, FLOATS, FLOATS, SIDES, TIMES, TIMES, TEXTS, CONDITIONS, TEXTS
)  # fmt: skip
QUOTES = st.builds(
    Quote, SYMBOLS, st.none() | INT64, FLOATS, FLOATS, FLOATS, FLOATS, TIMES, TIMES, TEXTS, TEXTS, CONDITIONS, TEXTS
)
BARS_ANY = st.builds(
    Bar, SYMBOLS, INT64, st.sampled_from([BARS, BARS_1S]), FLOATS, FLOATS, FLOATS, FLOATS, FLOATS,
    st.integers(0, 2**53), FLOATS, TIMES, TIMES,
)  # fmt: skip
TICKS: st.SearchStrategy[Tick] = st.one_of(TRADES, QUOTES, BARS_ANY)
