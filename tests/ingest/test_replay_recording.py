"""Recordings: both line formats, every way in which a line can be wrong, and the order of several files."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.ingest.replay import RecordingError, recording
from feed.ingest.replay.recording import MAX_LINE_BYTES, Frame, merge, read
from feed.ingest.replay.survey import survey
from tests.data import recording as recorded

NS = b'1723161253937085768 {"stream":"btcusdt@trade","data":{}}\n'
SNAPSHOT = b'1723161254206652067 {"lastUpdateId":1,"bids":[],"asks":[]}\n'
OPENED = b"wss://ws.kraken.com <-> 1618678132.368463\n"
SENT = b'wss://ws.kraken.com <- 1618678132.83097: {"event":"subscribe"}\n'
SECONDS = b'1618678132.831468: {"event":"heartbeat"}\n'


def file(tmp_path: Path, content: bytes, name: str = "recording") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def brief(frames: object) -> list[tuple[int, bytes, int]]:
    return [(frame.ts_ns, frame.text, frame.line) for frame in frames]


@pytest.mark.parametrize(
    ("content", "frames"),
    [
        (NS, [(1723161253937085768, b'{"stream":"btcusdt@trade","data":{}}', 1)]),
        (NS.rstrip(b"\n"), [(1723161253937085768, b'{"stream":"btcusdt@trade","data":{}}', 1)]),
        (NS.replace(b"\n", b"\r\n"), [(1723161253937085768, b'{"stream":"btcusdt@trade","data":{}}', 1)]),
        (SNAPSHOT + b"\n \n" + NS, [(1723161253937085768, b'{"stream":"btcusdt@trade","data":{}}', 4)]),
        (OPENED + SENT + SECONDS + b"\n\n", [(1618678132831468000, b'{"event":"heartbeat"}', 3)]),
        (b"1618678132: [1,2]", [(1618678132000000000, b"[1,2]", 1)]),
        (b"1618678132.8: [1]", [(1618678132800000000, b"[1]", 1)]),
        (b"1618678132.1234567: [1]", [(1618678132123456700, b"[1]", 1)]),
        (b"1618678132.123456789987: [1]", [(1618678132123456789, b"[1]", 1)]),
        (b"", []),
        (b"\n\n", []),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_formats(tmp_path: Path, content: bytes, frames: list[tuple[int, bytes, int]], pack: object) -> None:
    assert brief(read(file(tmp_path, pack(content)))) == frames


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"ts_utc,symbol,ex,price\n2018-01-02,XXX,P,1\n", 1, "not a recording of frames, but a CSV table"),
        (b'{\n  "results": []\n}\n', 1, "not a recording of frames, but a JSON document"),
        (b"[1,2,3]\n", 1, "not a recording of frames, but a JSON document"),
        (b"\x28\xb5\x2f\xfd\x00\x01\n", 1, "not a recording of frames, but Zstandard data such as DBN"),
        (b"hello\n", 1, "not a recording of frames, whose lines start with the receive time: 'hello'"),
        (b"1723161253937 {}\n", 1, "not a recording of frames, whose lines start with the receive time"),
        (b"\n\nhello\n", 3, "not a recording of frames"),
        (NS + b"hello\n", 2, "is not `<nanoseconds> <JSON>`: 'hello'"),
        (NS + SECONDS, 2, "is not `<nanoseconds> <JSON>`"),
        (OPENED + NS, 2, "is not `<seconds>: <JSON>`, nor a note"),
        (NS + b'1723161253937085768 {"stream":"btc\n' + NS, 2, "bad JSON"),
        (NS + b"1723161253937085768 \n" + NS, 2, "is not `<nanoseconds> <JSON>`"),
        (NS * 3 + b"1723161253937085768 5\n", 4, "neither an object nor an array: '5'"),
        (NS + b'1723161253937085768 "\xff"\n', 2, "bad JSON"),
        (NS + b"1723161253937085768 " + b"[" * 100_000, 2, "bad JSON"),
        (NS + b"-" * (MAX_LINE_BYTES + 1), 2, "longer than 16777216 bytes"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, lambda content: gzip.compress(content, 1)], ids=["plain", "gzip"])
def test_lines_that_are_not_frames(tmp_path: Path, content: bytes, line: int, reason: str, pack: object) -> None:
    path = file(tmp_path, pack(content))
    with pytest.raises(RecordingError) as error:
        list(read(path))
    assert error.value.line == line
    assert str(error.value).startswith(f"{path}:{line}: {reason}")
    assert len(str(error.value)) < len(str(path)) + 250


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_gzip_that_breaks_off(tmp_path: Path, keep: float) -> None:
    packed = gzip.compress(NS * 1_000)
    path = file(tmp_path, packed[: int(len(packed) * keep)])
    with pytest.raises(RecordingError, match=r"recording:\d+: gzip data is damaged"):
        list(read(path))


def test_gzip_with_flipped_bits(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(NS * 1_000))
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(RecordingError, match=r"recording:\d+: "):
        list(read(file(tmp_path, bytes(packed))))


def test_files_that_can_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere: No such file"):
        list(read(tmp_path / "nowhere"))
    with pytest.raises(RecordingError, match="directory"):
        list(read(tmp_path))


UNREADABLE = [
    "us_equity_taq/xxx_20180102_trades.csv.gz",
    "massive_rest/aapl_quotes_page1.json",
    "dbn/XNAS.ITCH.tbbo.dbn.zst",
]


@pytest.mark.parametrize("name", UNREADABLE)
def test_other_market_data_is_refused_at_its_first_line(name: str) -> None:
    with pytest.raises(RecordingError, match=r":1: not a recording of frames, but "):
        list(read(recorded(name)))


# --- several files ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(times=st.lists(st.lists(st.integers(10**17, 10**17 + 20), max_size=12), max_size=4))
def test_merge_keeps_every_frame_in_order(tmp_path_factory: pytest.TempPathFactory, times: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("merge")
    paths = [
        file(folder, b"".join(b'%d {"n":%d}\n' % (ts, place) for place, ts in enumerate(stamps)), f"{number}")
        for number, stamps in enumerate(times)
    ]
    merged = list(merge(paths))
    assert len(merged) == sum(map(len, times))
    assert [frame.ts_ns for frame in merged] == sorted(frame.ts_ns for frame in merged)
    if all(stamps == sorted(stamps) for stamps in times):
        everything = [(ts, number, place) for number, stamps in enumerate(times) for place, ts in enumerate(stamps)]
        assert [frame.message["n"] for frame in merged] == [place for _, _, place in sorted(everything)]


def test_a_clock_that_stepped_back_does_not_change_a_files_order(tmp_path: Path) -> None:
    stepped = file(tmp_path, b"".join(b"1000000000.%d: [%d]\n" % (ts, ts) for ts in (5, 3, 4, 7)), "stepped")
    steady = file(tmp_path, b"1000000000.6: [6]\n", "steady")
    assert [frame.message[0] for frame in merge([stepped, steady])] == [5, 3, 4, 6, 7]
    assert [frame.ts_ns % 10**9 // 10**8 for frame in merge([stepped, steady])] == [5, 5, 5, 6, 7]


def test_merge_holds_few_frames_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(*fields: object) -> Frame:
        nonlocal made
        made += 1
        return Frame(*fields)

    monkeypatch.setattr(recording, "Frame", counted)
    frames = merge([file(tmp_path, NS * 10_000, "a"), file(tmp_path, NS * 10_000, "b")])
    for _ in range(10):
        next(frames)
    assert made <= 14
    frames.close()


# --- survey -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "venue", "frames"),
    [
        # the counts of the data's README: all but snapshots, answers and heartbeats can be subscribed to
        (["binance_spot/btcusdt_20240808.gz"], "binance", 28_040 + 9_757 + 3_451),
        (["binance_spot_2021/BINANCE.ws.1.0.gz"], "binance", 265),
        (["coinbase_exchange/COINBASE.ws.28.0.gz"], "coinbase", 9_946 - 3),
        ([f"kraken_v1/KRAKEN.ws.{number}.0.gz" for number in (48, 49, 50)], "kraken", 8 + 18 + 4_279),
    ],
)
def test_survey_counts_what_can_be_played(names: list[str], venue: str, frames: int) -> None:
    found = survey([recorded(name) for name in names], None)
    assert (found.persona.name, found.total_frames) == (venue, frames)


KRAKEN = b'1618678132.8: [993,[["1","2","3","s","l",""]],"trade","XMR/USD"]\n'
COINBASE = b'1618678132.8: {"type":"match","product_id":"BTC-USD"}\n'


@pytest.mark.parametrize(
    ("contents", "venue", "message"),
    [
        ([NS, KRAKEN], None, "1:1: not a combined-stream frame of Binance"),
        ([KRAKEN + COINBASE], None, "0:2: neither an event nor a channel's array of Kraken v1"),
        ([COINBASE + b'1618678132.9: {"type":"match"}\n'], None, "0:2: a match without `product_id`"),
        ([COINBASE + b'1618678132.9: {"a":1}\n'], None, "0:2: not a frame of Coinbase Exchange"),
        ([COINBASE + b'1618678132.9: {"type":"subscriptions","channels":[1]}\n'], None, "0:2: a subscriptions frame"),
        ([COINBASE + b'1618678132.9: {"type":"subscriptions"}\n'], None, "0:2: a subscriptions frame"),
        ([COINBASE], "kraken", "0:1: neither an event"),
        ([b'1618678132.8: {"channel":"trade","data":[]}\n'], None, "0:1: a frame of none of binance, coinbase, kraken"),
        ([NS, SNAPSHOT], None, "1: holds no frames"),
        ([OPENED + SENT], None, "0: holds no frames"),
        ([NS, b""], "binance", "1: holds no frames"),
    ],
)
def test_survey_refuses(tmp_path: Path, contents: list[bytes], venue: str | None, message: str) -> None:
    paths = [file(tmp_path, content, str(number)) for number, content in enumerate(contents)]
    with pytest.raises(RecordingError) as error:
        survey(paths, venue)
    assert str(error.value).startswith(f"{tmp_path}/{message}")
