"""Forms: the same messages in each, and compressed ones once for all who share them."""

from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY
from websockets.extensions.permessage_deflate import PerMessageDeflate

from feed.core.ticks import QUOTES
from feed.gateway import forms
from feed.gateway.forms import Segment, form_of
from feed.gateway.message import Message
from feed.wire.codec import JSON, MSGPACK, Codec
from feed.wire.deflate import compressed
from tests.gateway import hub_stage
from tests.gateway.hub_stage import FEED, T0, Client, Stage, stream, tick
from tests.wire.reading import content_of, frames_of

CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
MESSAGES = [Message("e1", n, tick(stream("A", QUOTES), n), T0 + n, T0 + n) for n in range(1, 101)]


def inflated(data: bytes) -> list[list[dict[str, Any]]]:
    """The frames' messages, as a client reads them that keeps one inflater."""
    return [content_of(frame) for frame in frames_of(data, PerMessageDeflate(False, False, 15, 15))]


def test_forms_are_told_apart_by_identity() -> None:
    asked = [
        form_of(codec, depth, stamps, deflate)
        for codec in (JSON, MSGPACK)
        for depth in (1, 2)
        for stamps in (False, True)
        for deflate in (False, True)
    ]
    assert len(set(asked)) == 12  # depth one has no stamps
    assert form_of(JSON, 1, True) is form_of(JSON, 1, False, False)


@CODECS
@pytest.mark.parametrize(("depth", "stamps"), [(1, False), (2, False), (2, True)])
def test_compressed_messages_are_those_of_the_plain_form(codec: Codec, depth: int, stamps: bool) -> None:
    plain, deflated = (form_of(codec, depth, stamps, deflate) for deflate in (False, True))
    for count in (1, 2, 5, 100):
        segments = plain.segments(MESSAGES[:count], T0 // 1000, 1 << 20)
        (whole,), (small,) = plain.frames(segments, 1 << 20), deflated.frames(segments, 1 << 20)
        assert inflated(small) == inflated(whole)
        assert len(small) <= len(whole)
        assert count < 100 or len(small) < len(whole) / 5


@CODECS
def test_frames_are_cut_by_what_a_client_reads_not_by_what_is_sent(codec: Codec) -> None:
    segments = [Segment(1, form_of(codec, 2, False).encode(message)) for message in MESSAGES]
    plain, deflated = (form_of(codec, 2, False, deflate).frames(segments, 4_096) for deflate in (False, True))
    assert len(deflated) == len(plain) > 1
    assert inflated(b"".join(deflated)) == inflated(b"".join(plain))


def test_a_cohort_is_compressed_for_once_a_flush_and_what_is_counted_is_what_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[bytes] = []

    def noted(data: bytes) -> bytes:
        made.append(compressed(data))
        return made[-1]

    monkeypatch.setattr(forms, "compressed", noted)
    monkeypatch.setattr(hub_stage, "form_of", partial(form_of, deflate=True))
    stage, clients = Stage(), [Client(str(n)) for n in range(5)]
    for client in clients:
        stage.subscribe(client, stream(), stream("B"))
    before = REGISTRY.get_sample_value("feed_gateway_bytes_out_total", {"feed": FEED}) or 0.0
    stage.ticks(stream(), 20)
    stage.ticks(stream("B"), 20)
    stage.clock.turn()
    assert [client.writes for client in clients] == [made] * 5
    assert len(made) == 1
    (messages,) = inflated(made[0])
    assert [message["q"] for message in messages if "q" in message] == [*range(1, 21)] * 2
    sent = (REGISTRY.get_sample_value("feed_gateway_bytes_out_total", {"feed": FEED}) or 0.0) - before
    assert sent == 5 * len(made[0])


def test_a_client_that_was_slow_reads_on_with_the_same_inflater(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_stage, "form_of", partial(form_of, deflate=True))
    stage, client, other = Stage(), Client(), Client("other")
    stage.subscribe(client, stream())
    stage.subscribe(other, stream())
    for waiting in (0, 1 << 20, 0, 0):
        client.waiting = waiting
        stage.ticks(stream(), 50)
        stage.clock.turn(1.0)
    for each in (client, other):
        messages = [message for messages in inflated(b"".join(each.writes)) for message in messages]
        assert [message["q"] for message in messages if message["T"] == "t"] == list(range(1, 201))
    assert client.writes != other.writes
