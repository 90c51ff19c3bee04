"""Answers of processes: read as they were written, never longer than their bound, and odd bytes are one error."""

import asyncio
import os
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge

from feed.bus.answer import (
    LONG_BYTES,
    MAX_BYTES,
    MAX_INFLATED,
    TOO_LONG,
    Answer,
    Who,
    about,
    numbers,
    pack,
    stream_of,
    unpack,
)
from feed.core.streams import Stream
from feed.exposition import of_plain

WHO = Who("host-1", "gateway", "0.1.0")
STREAM = Stream("binance", "trades", "BTC/USDT")

data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(data)
def test_an_answer_is_read_as_it_was_written(said: object) -> None:
    assert unpack(pack(WHO, 10_000, said), 12_500) == Answer(WHO, 2.5, "", said)


@pytest.mark.parametrize("size", [LONG_BYTES, MAX_BYTES * 4])
def test_a_long_answer_is_deflated(size: int) -> None:
    packed = pack(WHO, 0, "x" * size)
    assert len(packed) < size / 4
    assert unpack(packed, 0).data == "x" * size


def test_an_answer_that_is_too_long_says_so_in_place_of_its_data() -> None:
    packed = pack(WHO, 0, os.urandom(MAX_BYTES + 1))
    assert len(packed) < 100
    assert unpack(packed, 0) == Answer(WHO, 0.0, TOO_LONG, None)
    assert len(pack(WHO, 0, os.urandom(MAX_BYTES - 1_000))) > MAX_BYTES - 1_000


def test_what_a_newer_process_says_besides_is_left_out() -> None:
    newer = b"p" + msgpack.packb((*WHO, 0, "", 7, "news", {"more": 1}))
    assert unpack(newer, 0) == Answer(WHO, 0.0, "", 7)


@given(st.binary() | st.binary().map(lambda rest: b"p" + rest) | st.binary().map(lambda rest: b"z" + rest))
def test_anything_else_is_one_error(packed: bytes) -> None:
    with pytest.raises(ValueError, match="unreadable answer of a process"):
        unpack(packed, 0)


def test_what_would_inflate_without_end_is_not_read() -> None:
    with pytest.raises(ValueError, match=TOO_LONG):
        unpack(b"z" + zlib.compress(b"\xc0" * (MAX_INFLATED + 1)), 0)


@pytest.mark.parametrize(
    ("question", "stream"),
    [
        (about(STREAM), STREAM),
        ("stream:binance:trades:BTC/USDT", STREAM),
        ("metrics", None),
        ("stream:", None),
        ("stream:binance:candles:BTC/USDT", None),
        ("something:newer", None),
    ],
)
def test_questions(question: str, stream: Stream | None) -> None:
    assert stream_of(question) == stream


def test_only_this_service_s_own_numbers_and_only_numbers() -> None:
    registry = CollectorRegistry()
    Counter("feed_things", "Words.", ["feed"], registry=registry).labels("sim").inc(3, {"stream": "a"})
    Gauge("process_things", "Not ours.", registry=registry)
    families = unpack(pack(WHO, 0, asyncio.run(numbers(registry))), 0).data
    (family,) = (of_plain(*each) for each in families)
    assert (family.name, family.words, family.kind) == ("feed_things", "", "counter")
    assert family.samples == (("feed_things_total", (("feed", "sim"),), 3.0, None),)
