"""Counting frames: whatever the chunks, the same as counting them whole."""

import json
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bench.clients import Reader, Tally
from feed.bench.frames import BINARY, COMPRESSED, PING, QUOTE, TEXT, TRADE, command, count, masked, split
from feed.wire.frames import frame

TRADES = st.integers(0, 400).map(lambda many: [{"T": "t", "S": f"S{n}", "q": n} for n in range(many)])
CONTROL = st.sampled_from(
    [[{"T": "success", "msg": "connected"}], [{"T": "heartbeat", "t": "now"}], [{"T": "subscription", "trades": []}]]
)


def compressed(payload: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def wire(messages: list[dict[str, object]], way: str) -> bytes:
    text = json.dumps(messages, separators=(",", ":")).encode()
    if way == "json":
        return frame(TEXT, text)
    if way == "deflate":
        return frame(TEXT | COMPRESSED, compressed(text))
    return frame(BINARY, msgpack.packb(messages))


WAYS = st.sampled_from(["json", "msgpack", "deflate"])
FRAMES = st.lists(st.tuples(st.one_of(TRADES, CONTROL), WAYS), max_size=6)


def data(messages: list[dict[str, object]]) -> int:
    return sum(message["T"] == "t" for message in messages)


@given(FRAMES, st.lists(st.integers(1, 3_000), max_size=30))
def test_any_chunking_counts_as_the_whole(frames: list[tuple[list[dict[str, object]], str]], cuts: list[int]) -> None:
    stream = b"".join(wire(messages, way) for messages, way in frames)
    tally = Tally((TRADE,))
    reader = Reader(None, tally, sampled=False)  # type: ignore[arg-type]
    for cut in cuts:
        reader.data_received(stream[:cut])
        stream = stream[cut:]
    reader.data_received(stream)
    assert tally.messages == sum(data(messages) for messages, _ in frames)
    assert tally.frames == sum(data(messages) > 0 for messages, _ in frames)


@given(FRAMES)
def test_used_ends_at_a_frame(frames: list[tuple[list[dict[str, object]], str]]) -> None:
    wires = [wire(messages, way) for messages, way in frames]
    stream = b"".join(wires)
    counted = count(stream + frame(TEXT, b"x" * 200)[:50], (TRADE,))
    assert counted.used == len(stream)
    assert counted.frames + counted.others == len(frames)
    assert [one.end for one in split(stream)] == [sum(map(len, wires[: n + 1])) for n in range(len(wires))]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_lengths(size: int) -> None:
    payload = b"." * size
    (only,) = split(frame(TEXT, payload))
    assert only == (TEXT, payload, len(frame(TEXT, payload)))
    assert count(frame(TEXT, payload), (TRADE,)).used == only.end


def test_kinds_are_counted_apart() -> None:
    both = frame(TEXT, b'[{"T":"t","S":"A"},{"T":"q","S":"A"},{"T":"t","S":"B"}]')
    assert count(both, (TRADE,)).messages == 2
    assert count(both, (QUOTE,)).messages == 1
    assert count(both, (TRADE, QUOTE)).messages == 3


def test_a_ping_is_no_delivery_and_is_shown() -> None:
    assert count(frame(PING, b"1"), (TRADE,)) == (0, 0, 3, 1)


@pytest.mark.parametrize("packed", [False, True])
def test_commands_are_masked(packed: bool) -> None:
    sent = command('{"action":"subscribe"}', packed)
    assert sent[1] & 0x80
    payload = sent[6:]  # a mask of nought leaves it as it is
    assert (msgpack.unpackb(payload) if packed else json.loads(payload)) == {"action": "subscribe"}
    assert len(masked(TEXT, b"." * 126)) == 126 + 8
