"""Everything that a frame of Binance must not be: each is refused, and nothing else is raised."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.core.ticks import Trade
from feed.ingest.venues import ConnectionEnds, VenueError
from tests.ingest.binance_frames import QUOTE, TRADE, TS_RECV, binance


def without(payload: dict[str, object], field: str) -> dict[str, object]:
    return {name: value for name, value in payload.items() if name != field}


NOT_A_NUMBER = [
    "-1",
    "-0",
    "+1",
    "nan",
    "NaN",
    "inf",
    "Infinity",
    "",
    " ",
    " 1",
    "1 ",
    "1_000",
    "1,5",
    "1.2.3",
    ".",
    "0x1",
]


NOT_A_NUMBER += ["١٢", "²", "1e", "e5", "9e999", "9" * 65, "1.5\n", 1.5, 1, None, True, [], {}, ["1"]]


NOT_AN_ID = ["5", 5.0, -1, True, None, 2**63, 10**30, [5], {}]


NOT_A_TIME = ["1", 1.0, -1, True, None, 2**62, 10**13, []]


NOT_A_SYMBOL = ["XRPUSDT", "btcusdt", "BTC/USDT", "", None, 1, [], {}]


MALFORMED = [
    *[(f"trade without {field}", "trade", without(TRADE, field)) for field in "stpqTm"],
    *[(f"quote without {field}", "bookTicker", without(QUOTE, field)) for field in "sbBaA"],
    *[(f"trade {field}={bad!r:.20}", "trade", {**TRADE, field: bad}) for field in "pq" for bad in NOT_A_NUMBER],
    *[(f"quote {field}={bad!r:.20}", "bookTicker", {**QUOTE, field: bad}) for field in "bBaA" for bad in NOT_A_NUMBER],
    *[(f"trade t={bad!r:.20}", "trade", {**TRADE, "t": bad}) for bad in NOT_AN_ID],
    *[(f"quote u={bad!r:.20}", "bookTicker", {**QUOTE, "u": bad}) for bad in NOT_AN_ID],
    *[(f"trade T={bad!r:.20}", "trade", {**TRADE, "T": bad}) for bad in NOT_A_TIME],
    *[(f"trade m={bad!r}", "trade", {**TRADE, "m": bad}) for bad in [0, 1, 1.0, "true", None, []]],
    *[(f"trade s={bad!r}", "trade", {**TRADE, "s": bad}) for bad in NOT_A_SYMBOL],
    *[(f"quote s={bad!r}", "bookTicker", {**QUOTE, "s": bad}) for bad in NOT_A_SYMBOL],
    ("depth", "unknown", {"e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 1, "u": 2, "b": [], "a": []}),
    ("kline", "unknown", {"e": "kline", "E": 1, "s": "BTCUSDT", "k": {}}),
    ("aggregate trade", "unknown", {"e": "aggTrade", "a": 1, "s": "BTCUSDT", "p": "1", "q": "1", "T": 1, "m": True}),
    ("partial depth", "unknown", {"lastUpdateId": 160, "bids": [], "asks": []}),
    ("event of a wrong type", "unknown", {"e": ["trade"]}),
    ("empty object", "unknown", {}),
    ("result without id", "unknown", {"result": None}),
    ("data that is no object", "json", {"stream": "btcusdt@trade", "data": [1]}),
    ("data that is nothing", "json", {"stream": "btcusdt@trade", "data": None}),
    ("array", "json", [TRADE]),
    ("number", "json", 5),
    ("null", "json", None),
    ("string", "json", "trade"),
]


@pytest.mark.parametrize(("what", "frame"), [pytest.param(what, frame, id=name) for name, what, frame in MALFORMED])
@pytest.mark.parametrize("combined", [False, True])
def test_malformed_messages(what: str, frame: object, combined: bool) -> None:
    if combined and isinstance(frame, dict) and "data" not in frame:
        frame = {"stream": "btcusdt@trade", "data": frame}
    with pytest.raises(VenueError) as error:
        binance().parse(json.dumps(frame), TS_RECV)
    assert error.value.what == what
    assert error.value.reason


WHOLE = json.dumps({"stream": "btcusdt@trade", "data": TRADE})


@pytest.mark.parametrize(
    "frame",
    [
        "",
        b"",
        b"\x00\xff\xfe",
        b"\x28\xb5\x2f\xfd" + bytes(64),
        "{",
        '{"e":"trade","p":NaN}',
        "\ud800",
        '{"s":"\ud800"}',
        "[" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        b'{"e":"trade","s":"\xff"}',
        *[WHOLE[:cut] for cut in range(1, len(WHOLE), 7)],
    ],
    ids=lambda frame: f"{frame[:12]!r}-{len(frame)}",
)
def test_what_is_not_json(frame: str | bytes) -> None:
    with pytest.raises(VenueError) as error:
        binance().parse(frame, TS_RECV)
    assert error.value.what == "json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("estpqTmubBaA"), inner, max_size=6),
    max_leaves=12,
)


def parse_or_refuse(frame: str | bytes) -> None:
    try:
        ticks = binance().parse(frame, TS_RECV)
    except (VenueError, ConnectionEnds):
        return
    for tick in ticks:
        assert tick.symbol in ("BTC/USDT", "ETH/USDT")
        numbers = (tick.price, tick.size) if isinstance(tick, Trade) else (tick.bid, tick.ask)
        assert all(0 <= number < float("inf") for number in numbers)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_parse_or_are_refused(frame: str | bytes) -> None:
    parse_or_refuse(frame)


@settings(deadline=None)
@given(JSON, st.sampled_from("estpqTmubBaA"), st.sampled_from([TRADE, QUOTE]))
def test_any_value_in_any_field_parses_or_is_refused(value: object, field: str, payload: dict[str, object]) -> None:
    parse_or_refuse(json.dumps({**payload, field: value}))


@settings(deadline=None)
@given(JSON)
def test_any_json_parses_or_is_refused(message: object) -> None:
    parse_or_refuse(json.dumps(message))
