"""Replayed venues, as if they had read a recording, and what they say."""

import json

from feed.ingest.replay.personas import PERSONAS, Dialogue, Persona
from feed.ingest.replay.recording import Frame


def frame(message: object) -> Frame:
    return Frame(1, json.dumps(message, separators=(",", ":")).encode(), message, 1)


def said(dialogue: Dialogue, command: object, now_s: float = 0.0) -> list[object]:
    text = command if isinstance(command, bytes) else json.dumps(command).encode()
    return [json.loads(answer) for answer in dialogue.hear(text, now_s).frames]


def binance(path: str = "/ws", **query: str) -> Dialogue:
    return PERSONAS["binance"]().open(path, query)


def coinbase_persona() -> Persona:
    persona = PERSONAS["coinbase"]()
    persona.learn({"type": "last_match", "product_id": "A-USD"})
    persona.learn({"type": "ticker", "product_id": "A-USD"})
    persona.learn({"type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["A-USD", "B-USD"]}]})
    return persona


def coinbase() -> Dialogue:
    return coinbase_persona().open("/", {})


def kraken_persona() -> Persona:
    persona = PERSONAS["kraken"]()
    persona.learn([993, [["354.1", "0.9", "1618678142.5", "s", "l", ""]], "trade", "XMR/USD"])
    status = {"event": "subscriptionStatus", "pair": "ADA/XBT", "status": "subscribed"}
    persona.learn({**status, "channelID": 1361, "channelName": "trade", "subscription": {"name": "trade"}})
    persona.learn([992, {"a": []}, {"b": []}, "book-1000", "XMR/USD"])
    return persona


def kraken() -> Dialogue:
    return kraken_persona().open("/", {})
