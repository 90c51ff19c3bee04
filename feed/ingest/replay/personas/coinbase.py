"""Coinbase Exchange as a replayed venue: one subscribe message, answered with the whole current set.

Only what was recorded can be subscribed to. The rest is refused in the venue's words, and then, as there, nothing of
that message counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from feed.ingest.replay.personas.persona import Reply, Rhythm
from feed.ingest.replay.recording import Frame

CHANNELS: Final = {
    "match": "matches",
    "last_match": "matches",
    "snapshot": "level2",
    "l2update": "level2",
}
"""The channel of a message type, where it is not called the same."""


class Coinbase:
    name = "coinbase"
    rhythm = Rhythm()

    def __init__(self) -> None:
        self._products: dict[str, set[str]] = {}

    def topic(self, message: Any) -> str | None:
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str):
            raise ValueError("not a frame of Coinbase Exchange: no `type`")
        if kind in ("subscriptions", "error"):
            return None
        product = message.get("product_id")
        if not isinstance(product, str):
            raise ValueError(f"a {kind} without `product_id`")
        return f"{CHANNELS.get(kind, kind)}:{product}"

    def learn(self, message: Any) -> None:
        topic = self.topic(message)
        if topic is not None:
            channel, product = topic.split(":", 1)
            self._products.setdefault(channel, set()).add(product)
        elif message["type"] == "subscriptions":
            # A product that stayed silent can be subscribed to as well.
            try:
                for each in message["channels"]:
                    self._products.setdefault(each["name"], set()).update(each["product_ids"])
            except (KeyError, TypeError):
                raise ValueError("a subscriptions frame without channels of `name` and `product_ids`") from None

    def open(self, _path: str, _query: Mapping[str, str]) -> "CoinbaseDialogue":
        return CoinbaseDialogue(self._products)


class CoinbaseDialogue:
    def __init__(self, products: Mapping[str, set[str]]) -> None:
        self._products = products
        self._subscribed: dict[str, dict[str, None]] = {}
        self.topics: frozenset[str] = frozenset()

    def greeting(self) -> Sequence[bytes]:
        return ()

    def payload(self, frame: Frame) -> bytes:
        return frame.text

    def hear(self, text: bytes, _now_s: float) -> Reply:
        try:
            command = orjson.loads(text)
        except orjson.JSONDecodeError:
            return _error("Malformed JSON")
        kind = command.get("type") if isinstance(command, dict) else None
        if kind not in ("subscribe", "unsubscribe"):
            return _error("Type has to be either subscribe or unsubscribe")
        try:
            wanted = self._wanted(command)
        except ValueError as error:
            return _error(f"Failed to {kind}", str(error))
        for channel, products in wanted.items():
            held = self._subscribed.setdefault(channel, {})
            for product in products:
                if kind == "subscribe":
                    held[product] = None
                else:
                    held.pop(product, None)
        self._subscribed = {channel: products for channel, products in self._subscribed.items() if products}
        self.topics = frozenset(f"{channel}:{one}" for channel, held in self._subscribed.items() for one in held)
        return Reply([self._subscriptions()])

    def _wanted(self, command: dict[str, Any]) -> dict[str, list[str]]:
        """Products by channel. A channel is a name, for the whole message's products, or has its own."""
        everywhere, channels = command.get("product_ids", []), command.get("channels", [])
        if not isinstance(channels, list) or not channels:
            raise ValueError("No channels provided")
        wanted: dict[str, list[str]] = {}
        for channel in channels:
            own = channel if isinstance(channel, dict) else {"name": channel}
            name, products = own.get("name"), own.get("product_ids", everywhere)
            if not isinstance(name, str) or name not in self._products:
                raise ValueError(f"{name} is not a valid channel")
            if not isinstance(products, list) or not products:
                raise ValueError("No product IDs provided")
            for product in products:
                if not isinstance(product, str) or product not in self._products[name]:
                    raise ValueError(f"{product} is not a valid product")
            wanted.setdefault(name, []).extend(products)
        return wanted

    def _subscriptions(self) -> bytes:
        channels = [{"name": name, "product_ids": list(held)} for name, held in self._subscribed.items()]
        return orjson.dumps({"type": "subscriptions", "channels": channels})


def _error(message: str, reason: str | None = None) -> Reply:
    error = {"type": "error", "message": message}
    return Reply([orjson.dumps(error if reason is None else {**error, "reason": reason})])
