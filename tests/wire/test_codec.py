"""Both encodings against decoders that other people wrote."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.ticks import BARS_1S, NS_PER_S, Bar, Quote, Tick, Trade
from feed.wire import codec as codec_module
from feed.wire.codec import JSON, MSGPACK, Codec, rfc3339
from feed.wire.fields import tick_fields
from tests.wire.reading import messages_of
from tests.wire.ticks import BAR, QUOTE, T0, TICKS, TIMES, TRADE

BOTH = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])


def read(codec: Codec, *messages: bytes) -> list[dict[str, Any]]:
    return messages_of(codec.frame(len(messages), [codec.join(messages)]))


def one(codec: Codec, tick: Tick, form: str = "one", **extra: Any) -> dict[str, Any]:
    body = codec.body(tick)
    if form == "one":
        data = codec.depth_one(body, tick)
    elif form == "two":
        data = codec.depth_two(body, tick, 9, extra or None)
    else:
        data = codec.stamped(body, tick, 9, {"ti": 1, "tg": 2, "tp": 3}, codec.stamp(4))
    (message,) = read(codec, data)
    return message


def ns_of(time: Any) -> int:
    """Nanoseconds of a message's `t`, by a reader of its own."""
    if isinstance(time, msgpack.Timestamp):
        return time.to_unix_nano()
    whole, _, fraction = time.removesuffix("Z").partition(".")
    assert time.endswith("Z")
    seconds = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (seconds.days * 86_400 + seconds.seconds) * NS_PER_S + int(fraction.ljust(9, "0"))


@BOTH
def test_a_trade_at_depth_one_is_alpacas(codec: Codec) -> None:
    message = one(codec, TRADE)
    assert ns_of(message.pop("t")) == TRADE.ts_event
    assert message == {
        "T": "t", "S": "BTC/USDT", "i": 7, "x": "V", "p": 61709.25, "s": 0.5, "c": ["@", "I"], "z": "C",
    }  # fmt: skip


@BOTH
def test_a_quote_at_depth_one_is_alpacas(codec: Codec) -> None:
    message = one(codec, QUOTE)
    assert ns_of(message.pop("t")) == QUOTE.ts_event
    assert message == {
        "T": "q", "S": "BTC/USDT", "bx": "V", "bp": 61709.0, "bs": 2, "ax": "W", "ap": 61709.5, "as": 0.25,
        "c": ["R"], "z": "C",
    }  # fmt: skip


@BOTH
def test_a_bar_at_depth_one_is_alpacas(codec: Codec) -> None:
    message = one(codec, BAR)
    assert ns_of(message.pop("t")) == BAR.ts_event
    assert message == {
        "T": "b", "S": "BTC/USDT", "o": 1.5, "h": 4.0, "l": 1.25, "c": 2.0, "v": 1234.5, "n": 42, "vw": 2.125,
    }  # fmt: skip


@BOTH
@pytest.mark.parametrize(
    ("tick", "more"),
    [
        (TRADE, {"q": 9, "tks": "B"}),
        (TRADE._replace(side=""), {"q": 9}),
        (QUOTE, {"q": 9}),
        (BAR, {"q": 9}),
        (BAR._replace(kind=BARS_1S), {"q": 9, "kind": "bars1s"}),
    ],
)
def test_depth_two_adds_number_side_and_kind(codec: Codec, tick: Tick, more: dict[str, Any]) -> None:
    plain = one(codec, tick)
    assert one(codec, tick, "two") == plain | more
    assert one(codec, tick, "two", snap=True) == plain | more | {"snap": True}
    assert one(codec, tick, "stamped") == plain | more | {"ti": 1, "tg": 2, "tp": 3, "tw": 4}


@BOTH
def test_an_id_that_does_not_exist_is_left_out(codec: Codec) -> None:
    assert "i" not in one(codec, TRADE._replace(id=None))
    assert one(codec, TRADE._replace(id=0))["i"] == 0


@BOTH
@pytest.mark.parametrize("size", [0.0, 3.0, 3, -2.0, 2.0**53, 1e16, 2**63 - 1024, 2**63 - 1, -(2.0**63)])
def test_sizes_without_a_fraction_are_integers(codec: Codec, size: float) -> None:
    trade, quote = one(codec, TRADE._replace(size=size)), one(codec, QUOTE._replace(bid_size=size, ask_size=size))
    for value in (trade["s"], quote["bs"], quote["as"], one(codec, BAR._replace(volume=size))["v"]):
        assert (value, type(value)) == (size, int)


@BOTH
@pytest.mark.parametrize("size", [0.1, 2.0**51 + 0.5, 2.0**63, -(2.0**64), 1e300])
def test_sizes_that_are_no_exact_integers_stay_floats(codec: Codec, size: float) -> None:
    value = one(codec, TRADE._replace(size=size))["s"]
    assert (value, type(value)) == (size, float)


@BOTH
def test_prices_stay_floats(codec: Codec) -> None:
    assert type(one(codec, TRADE._replace(price=100.0))["p"]) is float


@BOTH
@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_number_breaks_no_frame(codec: Codec, number: float) -> None:
    assert one(codec, TRADE._replace(price=number, size=number))["i"] == 7


@BOTH
@given(tick=TICKS)
def test_any_tick_survives(codec: Codec, tick: Tick) -> None:
    message = one(codec, tick)
    assert ns_of(message["t"]) == tick.ts_event
    assert message["S"] == tick.symbol
    if isinstance(tick, Trade):
        assert (message.get("i"), message["p"], message["s"]) == (tick.id, tick.price, tick.size)
        assert (message["x"], tuple(message["c"]), message["z"]) == (tick.exchange, tick.conditions, tick.tape)
        assert one(codec, tick, "two").get("tks", "") == tick.side
    elif isinstance(tick, Quote):
        assert (message["bp"], message["bs"], message["ap"], message["as"]) == (
            tick.bid, tick.bid_size, tick.ask, tick.ask_size,
        )  # fmt: skip
        assert (message["bx"], message["ax"]) == (tick.bid_exchange, tick.ask_exchange)
        assert (tuple(message["c"]), message["z"]) == (tick.conditions, tick.tape)
    else:
        assert isinstance(tick, Bar)
        assert [message[name] for name in ("o", "h", "l", "c", "v", "n", "vw")] == list(tick[3:10])


@given(tick=TICKS)
def test_the_count_of_fields_is_the_real_one(tick: Tick) -> None:
    assert codec_module._body_fields(tick) == len(tick_fields(tick)) + 1


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (T0, "2024-08-09T00:00:00Z"),
        (T0 + 100_000_000, "2024-08-09T00:00:00.1Z"),
        (T0 + 120_000_000, "2024-08-09T00:00:00.12Z"),
        (T0 + 123_000_000, "2024-08-09T00:00:00.123Z"),
        (T0 + 123_400_000, "2024-08-09T00:00:00.1234Z"),
        (T0 + 123_450_000, "2024-08-09T00:00:00.12345Z"),
        (T0 + 123_456_000, "2024-08-09T00:00:00.123456Z"),
        (T0 + 123_456_700, "2024-08-09T00:00:00.1234567Z"),
        (T0 + 123_456_780, "2024-08-09T00:00:00.12345678Z"),
        (T0 + 123_456_789, "2024-08-09T00:00:00.123456789Z"),
        (T0 + 10, "2024-08-09T00:00:00.00000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (-NS_PER_S, "1969-12-31T23:59:59Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (253_402_300_799 * NS_PER_S, "9999-12-31T23:59:59Z"),
    ],
)
def test_times_are_rfc_3339_with_no_digit_too_many(ns: int, text: str) -> None:
    assert rfc3339(ns) == text
    assert JSON.time(ns) == text


@BOTH
@given(ns=TIMES)
def test_any_time_survives_in_control_messages_too(codec: Codec, ns: int) -> None:
    (message,) = messages_of(codec.control({"T": "heartbeat", "t": codec.time(ns)}))
    assert ns_of(message["t"]) == ns


@given(ns=TIMES)
def test_a_ticks_timestamp_is_the_one_that_msgpack_would_write(ns: int) -> None:
    # the shortest form is not asked for, but type and value are
    (message,) = read(MSGPACK, MSGPACK.depth_one(MSGPACK.body(TRADE._replace(ts_event=ns)), TRADE))
    assert message["t"] == msgpack.Timestamp.from_unix_nano(ns)


@BOTH
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 65_535, 65_536])
def test_a_frame_holds_as_many_messages_as_it_says(codec: Codec, count: int) -> None:
    message = codec.message({"T": "x"})
    half = count // 2
    contents = [codec.join([message] * part) for part in (half, count - half) if part]
    assert messages_of(codec.frame(count, contents)) == [{"T": "x"}] * count


@BOTH
@given(ticks=st.lists(TICKS, min_size=1, max_size=7))
def test_messages_of_all_kinds_go_together(codec: Codec, ticks: list[Tick]) -> None:
    makers: list[Callable[[Tick], bytes]] = [
        lambda tick: codec.depth_one(codec.body(tick), tick),
        lambda tick: codec.depth_two(codec.body(tick), tick, 2**40),
        lambda tick: codec.stamped(codec.body(tick), tick, 5, {"ti": 1, "tg": 2, "tp": 3}, codec.stamp(4)),
    ]
    data = [makers[i % 3](tick) for i, tick in enumerate(ticks)]
    found = read(codec, *data)
    assert [message["S"] for message in found] == [tick.symbol for tick in ticks]


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
@given(st.lists(TICKS, min_size=1, max_size=5))
def test_ticks_made_at_once_say_what_they_say_one_by_one(codec: Codec, ticks: list[Tick]) -> None:
    numbered = list(enumerate(ticks, 7))
    singly = {
        1: [codec.depth_one(codec.body(tick), tick) for _, tick in numbered],
        2: [codec.depth_two(codec.body(tick), tick, seq) for seq, tick in numbered],
    }
    for depth, messages in singly.items():
        whole = codec.frame(len(ticks), [codec.whole(numbered, depth)])
        assert messages_of(whole) == messages_of(codec.frame(len(ticks), [codec.join(messages)]))


@BOTH
def test_a_control_frame_is_an_array(codec: Codec) -> None:
    assert messages_of(codec.control({"T": "a", "n": None}, {"T": "b", "l": ["x"]})) == [
        {"T": "a", "n": None},
        {"T": "b", "l": ["x"]},
    ]
