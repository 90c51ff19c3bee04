"""Kraken v1 as a replayed venue: a status on connecting, an answer per pair, a heartbeat in each quiet second.

Only what was recorded can be subscribed to, under the channel ids that it had.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import orjson

from feed.ingest.replay.personas.persona import Reply, Rhythm
from feed.ingest.replay.recording import Frame

VERSION: Final = "1.9.6"
DEFAULTS: Final = {"book": ("depth", 10), "ohlc": ("interval", 1)}
"""Channels with a parameter, which their names end in."""


class Kraken:
    name = "kraken"
    rhythm = Rhythm(heartbeat=b'{"event":"heartbeat"}')

    def __init__(self) -> None:
        self._channel_ids: dict[str, Any] = {}
        self._connections = count(1)

    def topic(self, message: Any) -> str | None:
        if isinstance(message, dict) and isinstance(message.get("event"), str):
            return None
        if isinstance(message, list) and len(message) >= 4:
            channel, pair = message[-2:]
            if isinstance(channel, str) and isinstance(pair, str):
                return f"{channel}:{pair}"
        raise ValueError("neither an event nor a channel's array of Kraken v1")

    def learn(self, message: Any) -> None:
        topic = self.topic(message)
        if topic is not None:
            self._channel_ids[topic] = message[0]
        elif message.get("status") == "subscribed" and "pair" in message:
            # A pair that stayed silent can be subscribed to as well.
            self._channel_ids[f"{message.get('channelName')}:{message['pair']}"] = message.get("channelID")

    def open(self, _path: str, _query: Mapping[str, str]) -> "KrakenDialogue":
        return KrakenDialogue(self._channel_ids, next(self._connections))


class KrakenDialogue:
    def __init__(self, channel_ids: Mapping[str, Any], connection: int) -> None:
        self._channel_ids = channel_ids
        self._channels = {topic.split(":", 1)[0] for topic in channel_ids}
        self._connection = connection
        self.topics: set[str] = set()

    def greeting(self) -> Sequence[bytes]:
        status = {"connectionID": self._connection, "event": "systemStatus", "status": "online", "version": VERSION}
        return (orjson.dumps(status),)

    def payload(self, frame: Frame) -> bytes:
        return frame.text

    def hear(self, text: bytes, _now_s: float) -> Reply:
        try:
            command = orjson.loads(text)
        except orjson.JSONDecodeError:
            return _error("Malformed request")
        event = command.get("event") if isinstance(command, dict) else None
        if event == "ping":
            return _reply({"event": "pong", **_reqid(command)})
        if event not in ("subscribe", "unsubscribe"):
            return _error("Unsupported event")
        pairs, subscription = command.get("pair"), command.get("subscription")
        if not isinstance(pairs, list) or not all(isinstance(pair, str) for pair in pairs):
            return _error("Pair field must be an array of strings", **_reqid(command))
        if not isinstance(subscription, dict) or not isinstance(subscription.get("name"), str):
            return _error("Subscription name invalid", **_reqid(command))
        asked = {
            name: subscription[name] for name in ("name", "depth", "interval") if _is_plain(subscription.get(name))
        }
        return Reply([self._answer(event, pair, asked, _reqid(command)) for pair in pairs])

    def _answer(self, event: str, pair: str, subscription: dict[str, Any], reqid: dict[str, Any]) -> bytes:
        channel = subscription["name"]
        if channel in DEFAULTS:
            parameter, default = DEFAULTS[channel]
            channel = f"{channel}-{subscription.get(parameter, default)}"
        topic = f"{channel}:{pair}"
        answer = {"event": "subscriptionStatus", "pair": pair, "subscription": subscription, **reqid}
        if topic not in self._channel_ids:
            why = self._refusal(subscription["name"], channel, pair)
            return orjson.dumps({"errorMessage": why, **answer, "status": "error"})
        if event == "subscribe":
            self.topics.add(topic)
        else:
            self.topics.discard(topic)
        ids = {"channelID": self._channel_ids[topic], "channelName": channel}
        return orjson.dumps({**ids, **answer, "status": f"{event}d"})

    def _refusal(self, name: str, channel: str, pair: str) -> str:
        if channel in self._channels:
            return f"Currency pair not supported {pair}"
        if name in DEFAULTS and any(known.startswith(f"{name}-") for known in self._channels):
            return f"Subscription {DEFAULTS[name][0]} not supported"
        return "Subscription name invalid"


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int)


def _reqid(command: dict[str, Any]) -> dict[str, Any]:
    return {"reqid": command["reqid"]} if _is_plain(command.get("reqid")) else {}


def _reply(message: dict[str, Any]) -> Reply:
    return Reply([orjson.dumps(message)])


def _error(text: str, **more: Any) -> Reply:
    return _reply({"errorMessage": text, "event": "error", **more})
