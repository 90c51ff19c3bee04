"""What the gateway writes is read back as it was: ticks, marks and answers, in both encodings."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client.decode import Encoding, gap_of, granted_of, messages_of, parse_time
from feed.client.errors import Unreadable
from feed.client.events import Event, Granted, Heartbeat, Stamps, Update
from feed.client.session import Session
from feed.core.conflation import Totals
from feed.core.streams import Position
from feed.core.ticks import NS_PER_S, Quote, Tick, Trade, kind_of
from feed.wire import messages
from feed.wire.codec import JSON, MSGPACK, Codec, rfc3339
from tests.wire.reading import frames_of
from tests.wire.ticks import BAR, QUOTE, TICKS, TRADE

ENCODINGS: list[tuple[Encoding, Codec]] = [("json", JSON), ("msgpack", MSGPACK)]
SOON = st.integers(0, 2**33 * NS_PER_S)
MICROS = st.integers(1, 2**53)


def events(encoding: Encoding, codec: Codec, *parts: bytes) -> list[Event]:
    """What a client makes of these messages in one frame, whose streams it was not told of."""
    (frame,) = frames_of(codec.frame(len(parts), [codec.join(parts)]))
    session = Session()
    session.feed(messages_of(frame.data if encoding == "msgpack" else frame.data.decode(), encoding), len(frame.data))
    return list(iter(session.next, None))


def received(tick: Tick, ts_recv: int) -> Tick:
    """As it can be known from a message: a quote's id is not in it, a bar's is its start."""
    if isinstance(tick, Trade):
        return tick._replace(ts_recv=ts_recv)
    if isinstance(tick, Quote):
        return tick._replace(ts_recv=ts_recv, id=None)
    return tick._replace(ts_recv=ts_recv, id=tick.ts_event)


@pytest.mark.parametrize(("encoding", "codec"), ENCODINGS)
@given(tick=TICKS, ts_event=SOON, seq=st.integers(1, 2**53), snapshot=st.booleans())
def test_a_tick_is_what_was_sent(
    encoding: Encoding, codec: Codec, tick: Tick, ts_event: int, seq: int, snapshot: bool
) -> None:
    tick = tick._replace(ts_event=ts_event)
    extra = {"snap": True} if snapshot else None
    _, update = events(encoding, codec, codec.depth_two(codec.body(tick), tick, seq, extra))
    stream = f"{kind_of(tick)}:{tick.symbol}"
    assert update == Update(stream, None, seq, received(tick, 0), snapshot=snapshot)
    assert isinstance(update, Update)
    assert type(update.tick) is type(tick)
    floats = [type(value) for value, sent in zip(update.tick, tick, strict=True) if isinstance(sent, float)]
    assert set(floats) == {float}


@pytest.mark.parametrize(("encoding", "codec"), ENCODINGS)
@given(tick=TICKS, ts_event=SOON, hops=st.tuples(MICROS, MICROS, MICROS), published=st.none() | MICROS)
def test_stamps_are_nanoseconds(
    encoding: Encoding, codec: Codec, tick: Tick, ts_event: int, hops: tuple[int, int, int], published: int | None
) -> None:
    tick, (ti, tg, tw) = tick._replace(ts_event=ts_event), hops
    stamps = {"ti": ti, "tg": tg} | ({} if published is None else {"tp": published})
    _, update = events(encoding, codec, codec.stamped(codec.body(tick), tick, 9, stamps, codec.stamp(tw)))
    assert isinstance(update, Update)
    assert update.stamps == Stamps(ti * 1000, published and published * 1000, tg * 1000, tw * 1000)
    assert update.tick == received(tick, ti * 1000)


@pytest.mark.parametrize(("encoding", "codec"), ENCODINGS)
@pytest.mark.parametrize(
    ("tick", "totals"),
    [(TRADE, Totals(12, 301, 6.5, 61710.0, 61700.25)), (TRADE, Totals(2, 3, 4.0, 1.0, 1.0)), (QUOTE, Totals(3, 1)),
     (BAR, Totals(2, 8))],
)  # fmt: skip
def test_totals(encoding: Encoding, codec: Codec, tick: Tick, totals: Totals) -> None:
    (_, update) = events(encoding, codec, codec.depth_two(codec.body(tick), tick, 9, {"m": messages.totals(totals)}))
    assert isinstance(update, Update)
    assert update.merged == totals


@given(st.integers(0, 2**33 * NS_PER_S))
def test_a_time_is_read_to_the_nanosecond(ns: int) -> None:
    assert parse_time(rfc3339(ns)) == ns


@pytest.mark.parametrize(
    "text", ["2026-11-22T09:05:08", "2026-11-22T09:05:08+01:00", "now", "Z", "2026-11-22T09:05:08.xZ"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


@pytest.mark.parametrize(("encoding", "codec"), ENCODINGS)
def test_gaps_epochs_and_heartbeats(encoding: Encoding, codec: Codec) -> None:
    time = codec.time(TRADE.ts_event)
    sent = [
        messages.epoch("trades:AAPL", Position("e1", 1)),
        messages.gap("trades:AAPL", "e1", 1, 4, Position("e2", 5), "bus"),
        messages.gap("trades:AAPL", "e2", 5, 5, Position("e2", 6), "venue", seq=5, ids=(30, 31)),
        messages.gap("trades:AAPL", "e2", 6, None, Position("e3", 2), "bus"),
        messages.heartbeat(time, {"trades:AAPL": 1}),
        messages.heartbeat(time, None),
        messages.status("AAPL", "stale", time),
        messages.notice("slow", "too slow", 40),
        messages.notice("drain", "restarting"),
        {"T": "error", "code": 407, "msg": "slow client"},
        messages.pong(1, time),
        messages.CONNECTED,
    ]
    at = TRADE.ts_event
    assert events(encoding, codec, *map(codec.message, sent)) == [
        ("trades:AAPL", "e1", 1),
        ("trades:AAPL", "e1", 1, 4, ("e2", 5), "bus", None, None),
        ("trades:AAPL", "e2", 5, 5, ("e2", 6), "venue", (30, 31), 5),
        ("trades:AAPL", "e2", 6, None, ("e3", 2), "bus", None, None),
        Heartbeat(at, bus_up=True),
        Heartbeat(at, bus_up=False),
        ("AAPL", "stale", at),
        ("slow", "too slow", 40),
        ("drain", "restarting", None),
        (407, "slow client", ""),
    ]


@pytest.mark.parametrize("recovered", [None, True, False])
def test_where_a_stream_was_granted(recovered: bool | None) -> None:
    state = messages.stream_state(Position("e1", 9), 0.5, recovered)
    assert granted_of(state) == Granted("e1", 9, 0.5, recovered)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("json", "{"),
        ("json", "7"),
        ("json", "[7]"),
        ("json", '["T"]'),
        ("json", '{"T":"t"}'),
        ("json", '[{"S":"AAPL"}]'),
        ("json", '[{"T":"t","t":"yesterday"}]'),
        ("msgpack", b"\xc1"),
        ("msgpack", msgpack.packb(7)),
        ("msgpack", msgpack.packb([None])),
        ("msgpack", msgpack.packb([{"T": "t"}])[:-1]),
    ],
)
def test_what_is_no_frame_of_messages(encoding: Encoding, data: Any) -> None:
    with pytest.raises(Unreadable):
        messages_of(data, encoding)


@pytest.mark.parametrize(
    "message",
    [
        {"T": "t", "S": "AAPL"},
        {"T": "q", "S": "AAPL", "q": 1},
        {"T": "b", "S": "AAPL", "q": 1, "t": 0, "v": None},
        {"T": "gap", "stream": "trades:AAPL", "next": None},
        {"T": "heartbeat"},
        {"T": "epoch", "stream": "trades:AAPL"},
        {"T": "status", "S": "AAPL"},
        {"T": "notice"},
        {"T": "error"},
    ],
)
def test_what_lacks_a_field(message: dict[str, Any]) -> None:
    session = Session()
    session.feed([message], 1)
    with pytest.raises(Unreadable):
        session.next()


def test_types_to_come_are_passed_over() -> None:
    session = Session()
    session.feed([{"T": "correction", "S": "AAPL"}, {"T": "success", "msg": "connected"}], 1)
    assert session.next() is None


def test_a_gap_of_the_log_has_ids_and_a_number_of_its_own() -> None:
    fields = messages.gap("trades:AAPL", "e1", 5, 5, Position("e1", 6), "ingest", seq=5, ids=(1, 2))
    assert (gap_of(fields).ids, gap_of(fields).seq) == ((1, 2), 5)
