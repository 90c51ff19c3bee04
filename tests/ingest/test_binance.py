"""Binance spot's wire format: golden frames, whole recordings, answers, and how to subscribe."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from feed.core.ticks import Quote, Tick, Trade
from feed.ingest.venues import VENUES, ConnectionEnds
from feed.ingest.venues.binance import Binance
from tests.data import recording
from tests.ingest.binance_frames import QUOTE, TS_RECV, binance

GOLDEN = json.loads((Path(__file__).parent / "golden" / "binance.json").read_text())


def written(tick: Tick) -> dict[str, object]:
    """A tick as the golden file writes it: its type, and what differs from the defaults."""
    named = {name: value for name, value in tick._asdict().items() if value not in ("", ())}
    return {"tick": type(tick).__name__, **named}


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
@pytest.mark.parametrize("encode", [str, str.encode], ids=["text", "bytes"])
def test_golden_frames(case: dict[str, object], encode: object) -> None:
    ticks = binance().parse(encode(case["frame"]), TS_RECV)
    assert [written(tick) for tick in ticks] == case["ticks"]


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


def test_duplicate_ids_pass() -> None:
    venue = binance()
    assert venue.parse(json.dumps(QUOTE), 1) == venue.parse(json.dumps(QUOTE), 1)


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
