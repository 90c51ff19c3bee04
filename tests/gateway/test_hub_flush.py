"""When the hub flushes, and what it makes only once."""

from collections import Counter
from typing import Any

import pytest

from feed.core.ticks import TRADES, Tick, Trade
from feed.gateway import forms
from feed.wire.codec import JSON, MSGPACK
from tests.gateway.hub_stage import Client, Stage, seqs, stream
from tests.wire.reading import frames_of, messages_of

A, B, C = stream("A"), stream("B"), stream("C")


def test_the_first_tick_after_a_pause_goes_at_once() -> None:
    stage, client = Stage(), Client()
    stage.subscribe(client, A)
    stage.ticks(A)
    assert client.writes == []
    assert stage.clock.due_in == [0.0]
    stage.clock.turn()
    assert seqs(client.read()) == [1]


def test_what_one_read_from_the_bus_brought_goes_in_one_write() -> None:
    stage, client = Stage(), Client()
    stage.subscribe(client, A, B)
    stage.ticks(A, 3)
    stage.ticks(B, 2)
    stage.clock.turn()
    assert client.frames == 1
    messages = client.read()
    assert (seqs(messages, "A"), seqs(messages, "B")) == ([1, 2, 3], [1, 2])


def test_the_rest_of_a_window_goes_together_at_its_end() -> None:
    stage, client = Stage(window_min_s=0.005, window_max_s=0.02), Client()
    stage.subscribe(client, A)
    stage.ticks(A)
    stage.clock.turn()
    client.read()
    for _ in range(3):
        stage.clock.turn(0.001)
        stage.ticks(A)
    assert client.writes == []
    stage.clock.turn(0.0019)
    assert client.writes == []
    stage.clock.turn(0.0001)
    assert client.frames == 1
    assert seqs(client.read()) == [2, 3, 4]


def test_a_window_in_which_nothing_came_ends_the_rhythm() -> None:
    stage, client = Stage(window_min_s=0.005), Client()
    stage.subscribe(client, A)
    stage.ticks(A)
    stage.clock.turn(0.005)
    assert stage.clock.due_in == []
    stage.ticks(A)
    assert stage.clock.due_in == [0.0]


def test_a_cohort_shares_one_frame() -> None:
    stage, clients = Stage(), [Client() for _ in range(5)]
    for client in clients:
        stage.subscribe(client, A, B)
    stage.ticks(A, 3)
    stage.ticks(B)
    stage.clock.turn()
    assert [len(client.writes) for client in clients] == [1] * 5
    assert len({id(client.writes[0]) for client in clients}) == 1


def test_the_order_of_subscribing_makes_no_cohort_of_its_own() -> None:
    stage, one, two = Stage(), Client(), Client()
    stage.subscribe(one, A, B)
    stage.subscribe(two, B)
    stage.subscribe(two, A)
    assert len(stage.hub.interest.cohorts) == 1


def test_a_tick_is_encoded_once_per_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: Counter[tuple[str, int]] = Counter()

    def counting(codec: Any) -> None:
        real = codec.body

        def body(tick: Tick) -> bytes:
            assert isinstance(tick, Trade)
            assert tick.id is not None
            bodies[codec.name, tick.id] += 1
            return bytes(real(tick))

        monkeypatch.setattr(codec, "body", body)

    counting(JSON)
    counting(MSGPACK)
    stage = Stage()
    for codec in (JSON, MSGPACK):
        for depth, stamps in ((1, False), (2, False), (2, True)):
            stage.subscribe(Client(), A, codec=codec, depth=depth, stamps=stamps)
            stage.subscribe(Client(), A, B, codec=codec, depth=depth, stamps=stamps)
            stage.subscribe(Client(), kinds=[TRADES], codec=codec, depth=depth, stamps=stamps)
    stage.ticks(A, 4)
    stage.clock.turn()
    assert bodies == {(name, n): 1 for name in ("json", "msgpack") for n in (1, 2, 3, 4)}


def test_a_form_is_joined_once_for_all_its_cohorts(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()
    real = forms.Form.segments

    def segments(form: forms.Form, *args: Any, **options: Any) -> list[forms.Segment]:
        made[form.codec.name] += 1
        return real(form, *args, **options)

    monkeypatch.setattr(forms.Form, "segments", segments)
    stage = Stage()
    for streams in ([A], [A, B], [A, C], [A, B, C]):
        stage.subscribe(Client(), *streams)
    stage.ticks(A)
    stage.clock.turn()
    assert made == {"json": 1}


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 300])
def test_frames_keep_to_their_size_and_lose_nothing(codec: Any, count: int) -> None:
    stage, client = Stage(max_frame_bytes=4_096), Client()
    stage.subscribe(client, A, B, codec=codec)
    stage.ticks(A, count)
    stage.ticks(B, count)
    stage.clock.turn()
    (write,) = client.writes
    frames = frames_of(write)
    assert all(len(frame.data) <= 4_096 + 100 for frame in frames)
    assert (len(frames) > 1) == (count == 300)
    messages = messages_of(write)
    assert seqs(messages, "A") == seqs(messages, "B") == list(range(1, count + 1))
