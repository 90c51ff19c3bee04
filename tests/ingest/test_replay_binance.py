"""Binance as a replayed venue: its handshake by table."""

import json

import pytest

from feed.ingest.replay.personas import Refusal
from tests.ingest.personas import binance, frame, said

TRADE = {"stream": "btcusdt@trade", "data": {"e": "trade", "p": "61837.63000000"}}


@pytest.mark.parametrize(
    ("path", "query", "topics"),
    [
        ("/ws", {}, []),
        ("/ws/btcusdt@trade", {}, ["btcusdt@trade"]),
        ("/ws/btcusdt@trade/ethusdt@bookTicker", {}, ["btcusdt@trade", "ethusdt@bookTicker"]),
        ("/stream", {}, []),
        ("/stream", {"streams": "a@trade/b@trade/a@trade", "timeUnit": "MICROSECOND"}, ["a@trade", "b@trade"]),
    ],
)
def test_binance_streams_by_url(path: str, query: dict[str, str], topics: list[str]) -> None:
    dialogue = binance(path, **query)
    assert list(dialogue.topics) == topics
    assert dialogue.greeting() == ()
    whole = dialogue.payload(frame(TRADE)) == frame(TRADE).text
    bare = json.loads(dialogue.payload(frame(TRADE))) == TRADE["data"]
    assert (whole, bare) == ((True, False) if path == "/stream" else (False, True))


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/", {}, 404),
        ("/wss", {}, 404),
        ("/stream/x", {}, 404),
        ("/stream", {"streams": "/".join(f"s{number}@trade" for number in range(1_025))}, 400),
    ],
)
def test_binance_refuses_the_handshake(path: str, query: dict[str, str], status: int) -> None:
    with pytest.raises(Refusal) as refusal:
        binance(path, **query)
    assert refusal.value.status == status


def test_binance_commands() -> None:
    dialogue = binance("/ws/a@trade")
    conversation = [
        ({"method": "SUBSCRIBE", "params": ["b@trade", "c@bookTicker"], "id": 1}, {"result": None, "id": 1}),
        ({"method": "LIST_SUBSCRIPTIONS", "id": "x7"}, {"result": ["a@trade", "b@trade", "c@bookTicker"], "id": "x7"}),
        ({"method": "UNSUBSCRIBE", "params": ["a@trade", "never@trade"], "id": None}, {"result": None, "id": None}),
        ({"method": "LIST_SUBSCRIPTIONS", "id": 2}, {"result": ["b@trade", "c@bookTicker"], "id": 2}),
        ({"method": "GET_PROPERTY", "params": ["combined"], "id": 3}, {"result": False, "id": 3}),
        ({"method": "SET_PROPERTY", "params": ["combined", True], "id": 4}, {"result": None, "id": 4}),
        ({"method": "GET_PROPERTY", "params": ["combined"], "id": 5}, {"result": True, "id": 5}),
    ]
    for second, (command, answer) in enumerate(conversation):
        assert said(dialogue, command, second) == [answer]
    assert set(dialogue.topics) == {"b@trade", "c@bookTicker"}
    assert dialogue.payload(frame(TRADE)) == frame(TRADE).text


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (b"{", 3, "Invalid JSON: expected value at line 1 column"),
        ({"params": [], "id": 1}, 2, "Invalid request: missing field `method`"),
        ([], 2, "Invalid request: missing field `method`"),
        (
            {"method": "subscribe", "id": 1},
            2,
            "Invalid request: unknown variant subscribe, expected one of `SUBSCRIBE`",
        ),
        ({"method": {"a": []}, "id": 1}, 2, "Invalid request: unknown variant"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"]}, 2, "Invalid request: request ID must be an unsigned integer"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": 1.5}, 2, "Invalid request: request ID"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": True}, 2, "Invalid request: request ID"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": "x" * 37}, 2, "Invalid request: request ID"),
        ({"method": "SUBSCRIBE", "params": ["a@trade"], "id": 2**63}, 2, "Invalid request: request ID"),
        ({"method": "SUBSCRIBE", "params": "a@trade", "id": 1}, 2, "Invalid request: property name must be a string"),
        ({"method": "SUBSCRIBE", "params": ["a", 5], "id": 1}, 2, "Invalid request: property name must be a string"),
        ({"method": "SUBSCRIBE", "params": [], "id": 1}, 2, "Invalid request: property name must be a string"),
        ({"method": "GET_PROPERTY", "params": ["colour"], "id": 1}, 0, "Unknown property"),
        ({"method": "GET_PROPERTY", "params": ["combined", 1], "id": 1}, 2, "Invalid request: too many parameters"),
        ({"method": "SET_PROPERTY", "params": ["combined"], "id": 1}, 1, "Invalid value type: expected Boolean"),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1, "Invalid value type: expected Boolean"),
    ],
)
def test_binance_errors(command: object, code: int, text: str) -> None:
    dialogue = binance()
    (answer,) = said(dialogue, command)
    assert answer["code"] == code
    assert answer["msg"].startswith(text)
    assert not dialogue.topics


def test_binance_ends_a_connection_that_sends_too_much() -> None:
    listing = b'{"method":"LIST_SUBSCRIPTIONS","id":1}'
    dialogue = binance()
    assert [dialogue.hear(listing, now_s).close for now_s in (0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.19)] == [None] * 6 + [1008]
    dialogue = binance()
    streams = [f"s{number}@trade" for number in range(1_024)]
    assert said(dialogue, {"method": "SUBSCRIBE", "params": streams, "id": 1}) == [{"result": None, "id": 1}]
    assert dialogue.hear(b'{"method":"SUBSCRIBE","params":["more@trade"],"id":2}', 1).close == 1008
