"""Kraken v1 as a replayed venue: its handshake by table."""

import json

import pytest

from tests.ingest.personas import kraken, kraken_persona, said


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
