"""Binance spot's wire format: golden frames, whole recordings, and everything that a frame must not be."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.core.ticks import Quote, Tick, Trade
from feed.ingest.venues import VENUES, ConnectionEnds, VenueError
from feed.ingest.venues.binance import Binance
from tests.data import recording

GOLDEN = json.loads((Path(__file__).parent / "golden" / "binance.json").read_text())
TS_RECV = 7
TRADE = {"e": "trade", "E": 2, "s": "BTCUSDT", "t": 5, "p": "1.5", "q": "2", "T": 1, "m": True, "M": True}
QUOTE = {"u": 6, "s": "BTCUSDT", "b": "1.5", "B": "2", "a": "1.6", "A": "3"}


def binance() -> Binance:
    return Binance(["BTC/USDT", "ETH/USDT"])


def written(tick: Tick) -> dict[str, object]:
    """A tick as the golden file writes it: its type, and what differs from the defaults."""
    named = {name: value for name, value in tick._asdict().items() if value not in ("", ())}
    return {"tick": type(tick).__name__, **named}


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "bytes"])
def test_golden_frames(case: dict[str, object], encode: object) -> None:
    ticks = binance().parse(encode(case["frame"]), TS_RECV)
    assert [written(tick) for tick in ticks] == case["ticks"]


# --- recordings -------------------------------------------------------------------------------------------------------

RECORDED = [  # file, trades, quotes: the table in the data's README
    ("btcusdt_20240808.gz", 9_757, 28_040),
    ("btcusdt_20240809.gz", 10_147, 45_134),
    ("ethusdt_20240808.gz", 6_106, 24_077),
    ("ethusdt_20240809.gz", 8_409, 34_681),
]


def asked_for(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as lines:
        for line in lines:
            frame = line.partition(b" ")[2]
            if b'@trade","data":' in frame or b'@bookTicker","data":' in frame:
                yield frame


def check_numbers(tick: Tick, payload: dict[str, str]) -> None:
    if isinstance(tick, Trade):
        pairs = [(tick.price, payload["p"]), (tick.size, payload["q"])]
    else:
        assert isinstance(tick, Quote)
        pairs = [(tick.bid, payload["b"]), (tick.bid_size, payload["B"])]
        pairs += [(tick.ask, payload["a"]), (tick.ask_size, payload["A"])]
    for value, text in pairs:
        assert Decimal(repr(value)) == Decimal(text)


@pytest.mark.parametrize("symbol", ["btcusdt", "ethusdt"])
def test_every_recorded_frame_parses(symbol: str) -> None:
    venue, last = binance(), dict[type, int]()
    for name, trades, quotes in RECORDED:
        if not name.startswith(symbol):
            continue
        counts = Counter[type]()
        for frame in asked_for(recording(f"binance_spot/{name}")):
            (tick,) = venue.parse(frame, TS_RECV)
            kind = type(tick)
            counts[kind] += 1
            check_numbers(tick, json.loads(frame)["data"])
            assert tick.id is not None
            if kind in last:
                # across the two files too: the second goes on where the first ended
                assert tick.id == last[kind] + 1 if kind is Trade else tick.id > last[kind]
            last[kind] = tick.id
        assert counts == {Trade: trades, Quote: quotes}
    assert venue.inexact == 0


# --- malformed --------------------------------------------------------------------------------------------------------


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


@settings(deadline=None)
@given(st.decimals(min_value=0, max_value=10**9, places=8))
def test_any_price_of_eight_decimals_survives_or_is_counted(price: Decimal) -> None:
    venue = binance()
    (tick,) = venue.parse(json.dumps({**TRADE, "p": f"{price:.8f}"}), TS_RECV)
    assert isinstance(tick, Trade)
    assert venue.inexact == (0 if Decimal(repr(tick.price)) == price else 1)


# --- numbers ----------------------------------------------------------------------------------------------------------


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


def test_duplicate_ids_pass() -> None:
    venue = binance()
    assert venue.parse(json.dumps(QUOTE), 1) == venue.parse(json.dumps(QUOTE), 1)


# --- control ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('{"e":"serverShutdown","E":1700000000000}', "shutdown"),
        ('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1700000000000}}', "shutdown"),
        ('{"code":2,"msg":"Invalid request: too many parameters"}', "refused"),
        ('{"code":0,"msg":"Unknown property","id":4}', "refused"),
        ('{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"},"id":1}', "refused"),
    ],
)
def test_the_venue_ends_the_connection(frame: str, reason: str) -> None:
    with pytest.raises(ConnectionEnds) as ends:
        binance().parse(frame, TS_RECV)
    assert ends.value.reason == reason


# --- subscriptions ----------------------------------------------------------------------------------------------------


def test_few_symbols_are_one_url() -> None:
    (only,) = binance().subscriptions("wss://data-stream.binance.vision/")
    streams = "btcusdt@trade/btcusdt@bookTicker/ethusdt@trade/ethusdt@bookTicker"
    assert only.url == f"wss://data-stream.binance.vision/stream?streams={streams}&timeUnit=MICROSECOND"
    assert only.frames == ()


@pytest.mark.parametrize("count", [1, 99, 100, 101, 512, 513, 1_300])
def test_many_symbols_stay_within_the_limits(count: int) -> None:
    venue = Binance([f"C{number}/USDT" for number in range(count)])
    asked = []
    for connection in venue.subscriptions(venue.url):
        in_url = connection.url.partition("streams=")[2].partition("&")[0].split("/")
        commands = [json.loads(frame) for frame in connection.frames]
        streams = in_url + [stream for command in commands for stream in command["params"]]
        assert len(streams) <= 1_024
        assert len(connection.url) < 8_000
        assert [command["id"] for command in commands] == list(range(1, len(commands) + 1))
        assert connection.interval_s * 5 > 1
        asked += streams
    assert sorted(asked) == sorted(
        f"c{number}usdt@{kind}" for number in range(count) for kind in ("trade", "bookTicker")
    )


@pytest.mark.parametrize(
    ("symbols", "reason"),
    [
        ([], "no symbols"),
        (["btc/usdt"], "'btc/usdt' is not a Binance symbol"),
        (["BTC/USDT/X"], "not a Binance symbol"),
        (["/"], "not a Binance symbol"),
        ([""], "not a Binance symbol"),
        (["BTC USDT"], "not a Binance symbol"),
        (["BTC/USDT", "BTC/USDT"], "both BTCUSDT"),
        (["BTC/USDT", "BTCU/SDT"], "'BTC/USDT' and 'BTCU/SDT' are both BTCUSDT"),
    ],
)
def test_symbols_that_are_no_use(symbols: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Binance(symbols)


def test_registry_knows_it() -> None:
    venue = VENUES["binance"](["BTC/USDT"])
    assert (venue.name, venue.contiguous) == ("binance", {"trades"})
