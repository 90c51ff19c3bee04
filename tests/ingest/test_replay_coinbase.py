"""Coinbase Exchange as a replayed venue: its handshake by table."""

import pytest

from tests.ingest.personas import coinbase, said


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
