"""Replayed venues: handshakes by table, and no command that could break one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.ingest.replay.personas import PERSONAS, Dialogue, Persona, Refusal
from feed.ingest.replay.recording import Frame


def frame(message: object) -> Frame:
    return Frame(1, json.dumps(message, separators=(",", ":")).encode(), message, 1)


def said(dialogue: Dialogue, command: object, now_s: float = 0.0) -> list[object]:
    text = command if isinstance(command, bytes) else json.dumps(command).encode()
    return [json.loads(answer) for answer in dialogue.hear(text, now_s).frames]


# --- Binance ----------------------------------------------------------------------------------------------------------

TRADE = {"stream": "btcusdt@trade", "data": {"e": "trade", "p": "61837.63000000"}}


def binance(path: str = "/ws", **query: str) -> Dialogue:
    return PERSONAS["binance"]().open(path, query)


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


# --- Coinbase Exchange ------------------------------------------------------------------------------------------------


def coinbase_persona() -> Persona:
    persona = PERSONAS["coinbase"]()
    persona.learn({"type": "last_match", "product_id": "A-USD"})
    persona.learn({"type": "ticker", "product_id": "A-USD"})
    persona.learn({"type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["A-USD", "B-USD"]}]})
    return persona


def coinbase() -> Dialogue:
    return coinbase_persona().open("/", {})


def subscriptions(**channels: list[str]) -> dict[str, object]:
    held = [{"name": name, "product_ids": products} for name, products in channels.items()]
    return {"type": "subscriptions", "channels": held}


def test_coinbase_answers_with_the_whole_set() -> None:
    dialogue = coinbase()
    assert dialogue.greeting() == ()
    conversation = [
        (
            {"type": "subscribe", "product_ids": ["A-USD"], "channels": ["matches"]},
            subscriptions(matches=["A-USD"]),
        ),
        (
            {"type": "subscribe", "channels": [{"name": "ticker", "product_ids": ["A-USD"]}]},
            subscriptions(matches=["A-USD"], ticker=["A-USD"]),
        ),
        (
            {"type": "subscribe", "product_ids": ["B-USD"], "channels": [{"name": "matches"}]},
            subscriptions(matches=["A-USD", "B-USD"], ticker=["A-USD"]),
        ),
        (
            {"type": "unsubscribe", "product_ids": ["A-USD"], "channels": ["matches", "ticker"]},
            subscriptions(matches=["B-USD"]),
        ),
    ]
    for command, answer in conversation:
        assert said(dialogue, command) == [answer]
    assert dialogue.topics == {"matches:B-USD"}


@pytest.mark.parametrize(
    ("command", "message", "reason"),
    [
        (b"{", "Malformed JSON", None),
        ([], "Type has to be either subscribe or unsubscribe", None),
        ({"type": "hello"}, "Type has to be either subscribe or unsubscribe", None),
        ({"type": "subscribe", "product_ids": ["A-USD"]}, "Failed to subscribe", "No channels provided"),
        ({"type": "subscribe", "channels": "ticker"}, "Failed to subscribe", "No channels provided"),
        ({"type": "subscribe", "channels": ["ticker"]}, "Failed to subscribe", "No product IDs provided"),
        (
            {"type": "subscribe", "product_ids": ["A-USD", "C-USD"], "channels": ["matches"]},
            "Failed to subscribe",
            "C-USD is not a valid product",
        ),
        (
            {"type": "unsubscribe", "product_ids": ["A-USD"], "channels": ["matches", "full"]},
            "Failed to unsubscribe",
            "full is not a valid channel",
        ),
        (
            {"type": "subscribe", "product_ids": [["A"]], "channels": ["matches"]},
            "Failed to subscribe",
            "['A'] is not a valid product",
        ),
        (
            {"type": "subscribe", "channels": [{"name": []}]},
            "Failed to subscribe",
            "[] is not a valid channel",
        ),
    ],
)
def test_coinbase_errors_change_nothing(command: object, message: str, reason: str | None) -> None:
    dialogue = coinbase()
    error = {"type": "error", "message": message}
    assert said(dialogue, command) == [error if reason is None else {**error, "reason": reason}]
    assert not dialogue.topics


# --- Kraken v1 --------------------------------------------------------------------------------------------------------


def kraken_persona() -> Persona:
    persona = PERSONAS["kraken"]()
    persona.learn([993, [["354.1", "0.9", "1618678142.5", "s", "l", ""]], "trade", "XMR/USD"])
    status = {"event": "subscriptionStatus", "pair": "ADA/XBT", "status": "subscribed"}
    persona.learn({**status, "channelID": 1361, "channelName": "trade", "subscription": {"name": "trade"}})
    persona.learn([992, {"a": []}, {"b": []}, "book-1000", "XMR/USD"])
    return persona


def kraken() -> Dialogue:
    return kraken_persona().open("/", {})


def kraken_status(pair: str, channel_id: int, channel: str, subscription: object, **more: object) -> dict[str, object]:
    ids = {"channelID": channel_id, "channelName": channel}
    status = {"event": "subscriptionStatus", "pair": pair, "status": "subscribed", "subscription": subscription}
    return {**ids, **status, **more}


def test_kraken_greets_with_its_status() -> None:
    persona = kraken_persona()
    greetings = [json.loads(text) for _ in range(2) for text in persona.open("/", {}).greeting()]
    assert [(each["event"], each["status"]) for each in greetings] == [("systemStatus", "online")] * 2
    assert greetings[0]["connectionID"] != greetings[1]["connectionID"]


def test_kraken_answers_for_each_pair() -> None:
    dialogue = kraken()
    trade = {"name": "trade"}
    both = {"event": "subscribe", "pair": ["XMR/USD", "ADA/XBT"], "subscription": trade, "reqid": 7}
    assert said(dialogue, both) == [
        kraken_status("XMR/USD", 993, "trade", trade, reqid=7),
        kraken_status("ADA/XBT", 1361, "trade", trade, reqid=7),
    ]
    book = {"name": "book", "depth": 1_000}
    assert said(dialogue, {"event": "subscribe", "pair": ["XMR/USD"], "subscription": book}) == [
        kraken_status("XMR/USD", 992, "book-1000", book)
    ]
    assert dialogue.topics == {"trade:XMR/USD", "trade:ADA/XBT", "book-1000:XMR/USD"}
    assert said(dialogue, {**both, "event": "unsubscribe", "pair": ["ADA/XBT"]}) == [
        kraken_status("ADA/XBT", 1361, "trade", trade, reqid=7, status="unsubscribed")
    ]
    assert dialogue.topics == {"trade:XMR/USD", "book-1000:XMR/USD"}
    assert said(dialogue, {"event": "ping", "reqid": 42}) == [{"event": "pong", "reqid": 42}]
    assert said(dialogue, {"event": "ping"}) == [{"event": "pong"}]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (b"{", "Malformed request"),
        ([], "Unsupported event"),
        ({"event": "hello"}, "Unsupported event"),
        ({"event": "subscribe", "subscription": {"name": "trade"}}, "Pair field must be an array of strings"),
        ({"event": "subscribe", "pair": "XMR/USD", "subscription": {"name": "trade"}}, "Pair field must be an array"),
        ({"event": "subscribe", "pair": [["X"]], "subscription": {"name": "trade"}}, "Pair field must be an array"),
        ({"event": "subscribe", "pair": ["XMR/USD"]}, "Subscription name invalid"),
        ({"event": "subscribe", "pair": ["XMR/USD"], "subscription": {"name": ["trade"]}}, "Subscription name invalid"),
        ({"event": "subscribe", "pair": ["X/Y"], "subscription": {"name": "trade"}}, "Currency pair not supported X/Y"),
        ({"event": "subscribe", "pair": ["XMR/USD"], "subscription": {"name": "spread"}}, "Subscription name invalid"),
        (
            {"event": "subscribe", "pair": ["XMR/USD"], "subscription": {"name": "book"}},
            "Subscription depth not supported",
        ),
        ({"event": "subscribe", "pair": ["XMR/USD"], "subscription": {"name": "ohlc"}}, "Subscription name invalid"),
    ],
)
def test_kraken_errors(command: object, text: str) -> None:
    dialogue = kraken()
    (answer,) = said(dialogue, command)
    assert answer["errorMessage"].startswith(text)
    assert not dialogue.topics


# --- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "message", "topic"),
    [
        ("binance", TRADE, "btcusdt@trade"),
        ("binance", {"stream": "!serverShutdown", "data": {}}, None),
        ("binance", {"result": None, "id": 1}, None),
        ("binance", {"code": 2, "msg": "x"}, None),
        ("coinbase", {"type": "match", "product_id": "A-USD"}, "matches:A-USD"),
        ("coinbase", {"type": "last_match", "product_id": "A-USD"}, "matches:A-USD"),
        ("coinbase", {"type": "ticker", "product_id": "A-USD"}, "ticker:A-USD"),
        ("coinbase", {"type": "snapshot", "product_id": "A-USD"}, "level2:A-USD"),
        ("coinbase", {"type": "l2update", "product_id": "A-USD"}, "level2:A-USD"),
        ("coinbase", {"type": "heartbeat", "product_id": "A-USD"}, "heartbeat:A-USD"),
        ("coinbase", {"type": "subscriptions", "channels": []}, None),
        ("kraken", [1, [], "trade", "XBT/USD"], "trade:XBT/USD"),
        ("kraken", [1, {}, {}, "book-1000", "XBT/USD"], "book-1000:XBT/USD"),
        ("kraken", {"event": "heartbeat"}, None),
        ("kraken", {"event": "systemStatus"}, None),
        ("kraken", {"event": "subscriptionStatus", "status": "error"}, None),
    ],
)
def test_topics(venue: str, message: object, topic: str | None) -> None:
    persona = PERSONAS[venue]()
    persona.learn(message)
    assert persona.topic(message) == topic


@pytest.mark.parametrize(
    ("venue", "message"),
    [
        ("binance", {"e": "trade"}),
        ("binance", {"stream": 5, "data": {}}),
        ("binance", []),
        ("coinbase", {"type": 5}),
        ("coinbase", {"type": "match", "product_id": 5}),
        ("coinbase", []),
        ("kraken", {"event": 5}),
        ("kraken", [1, {}, "trade"]),
        ("kraken", [1, {}, "trade", 5]),
    ],
)
def test_frames_of_another_venue(venue: str, message: object) -> None:
    with pytest.raises(ValueError, match=" "):
        PERSONAS[venue]().topic(message)


WORDS = ["SUBSCRIBE", "SET_PROPERTY", "combined", "subscribe", "ticker", "matches", "A-USD", "XMR/USD", "trade", "book"]
FIELDS = ["method", "params", "id", "type", "channels", "product_ids", "name", "event", "pair", "subscription", "reqid"]
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=10,
)
DEEP = {"event": "subscribe", "pair": ["XMR/USD"], "subscription": {"name": "trade"}, "type": "subscribe"}
NEST = json.loads("[" * 900 + "]" * 900)


@settings(deadline=None)
@given(st.binary(max_size=40) | VALUE.map(lambda value: json.dumps(value).encode()))
def test_no_command_breaks_a_venue(text: bytes) -> None:
    for persona in (PERSONAS["binance"](), coinbase_persona(), kraken_persona()):
        for answer in persona.open("/ws", {}).hear(text, 0.0).frames:
            json.loads(answer)


@pytest.mark.parametrize(
    "field", ["reqid", "subscription", "pair", "channels", "product_ids", "params", "id", "method"]
)
def test_deep_nesting_breaks_no_venue(field: str) -> None:
    nested = {**DEEP, field: {"name": "trade", "depth": NEST} if field == "subscription" else NEST}
    for persona in (PERSONAS["binance"](), coinbase_persona(), kraken_persona()):
        for answer in persona.open("/ws", {}).hear(json.dumps(nested).encode(), 0.0).frames:
            json.loads(answer)
