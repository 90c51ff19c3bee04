"""Replayed venues: which frame belongs to which subscription, and no command that could break one."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.ingest.replay.personas import PERSONAS
from tests.ingest.personas import coinbase_persona, kraken_persona

TRADE = {"stream": "btcusdt@trade", "data": {"e": "trade", "p": "61837.63000000"}}


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
