"""Binance spot as a replayed venue: streams by URL or command, combined or bare, a ping every 20 seconds.

Source: "Web Socket Streams for Binance", binance/binance-spot-api-docs, whose error texts it gives. What happens beyond
1024 streams is not documented; here the connection ends, so that a client's fault shows. Times stay as they were
recorded: `timeUnit` changes nothing.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from feed.ingest.replay.personas.persona import Refusal, Reply, Rhythm
from feed.ingest.replay.recording import Frame

MAX_STREAMS: Final = 1024
COMMANDS_PER_S: Final = 5
POLICY_VIOLATION: Final = 1008
METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class Binance:
    name = "binance"
    rhythm = Rhythm(ping_s=20.0, pong_within_s=60.0)

    def topic(self, message: Any) -> str | None:
        if isinstance(message, dict):
            stream = message.get("stream")
            if isinstance(stream, str) and "data" in message:
                return None if stream.startswith("!") else stream
            if "result" in message or "code" in message or "error" in message:
                return None
        raise ValueError("not a combined-stream frame of Binance")

    def learn(self, _message: Any) -> None:
        pass  # it takes subscriptions to streams that never come, as the venue does

    def open(self, path: str, query: Mapping[str, str]) -> "BinanceDialogue":
        parts = [part for part in path.split("/") if part]
        if parts[:1] == ["ws"]:
            streams = parts[1:]
        elif parts == ["stream"]:
            streams = [stream for stream in query.get("streams", "").split("/") if stream]
        else:
            raise Refusal(404, "paths are /ws, /ws/STREAM and /stream?streams=STREAM/STREAM")
        if len(streams) > MAX_STREAMS:
            raise Refusal(400, f"more than {MAX_STREAMS} streams")
        return BinanceDialogue(streams, combined=parts[0] == "stream")


class BinanceDialogue:
    def __init__(self, streams: Sequence[str], combined: bool) -> None:
        self._streams = dict.fromkeys(streams)  # a set that keeps the order of subscribing
        self._combined = combined
        self._heard: deque[float] = deque(maxlen=COMMANDS_PER_S)

    @property
    def topics(self) -> Any:
        return self._streams.keys()

    def greeting(self) -> Sequence[bytes]:
        return ()

    def payload(self, frame: Frame) -> bytes:
        return frame.text if self._combined else orjson.dumps(frame.message["data"])

    def hear(self, text: bytes, now_s: float) -> Reply:
        if len(self._heard) == COMMANDS_PER_S and now_s - self._heard[0] < 1.0:
            return Reply(close=POLICY_VIOLATION)
        self._heard.append(now_s)
        try:
            command = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return _error(3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}")
        if not isinstance(command, dict) or "method" not in command:
            return _error(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
        method, id_ = command["method"], command.get("id")
        if method not in METHODS:
            known = ", ".join(f"`{each}`" for each in METHODS)
            return _error(2, f"Invalid request: unknown variant {method}, expected one of {known} at line 1 column 28")
        if "id" not in command or not _is_id(id_):
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        return self._answer(method, command.get("params"), id_)

    def _answer(self, method: str, params: Any, id_: object) -> Reply:
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self._streams), id_)
        if not isinstance(params, list) or not params or not isinstance(params[0], str):
            return _error(2, "Invalid request: property name must be a string")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params, id_)
        if not all(isinstance(stream, str) for stream in params):
            return _error(2, "Invalid request: property name must be a string")
        for stream in params:
            if method == "SUBSCRIBE":
                self._streams[stream] = None
            else:
                self._streams.pop(stream, None)
        if len(self._streams) > MAX_STREAMS:
            return Reply(close=POLICY_VIOLATION)
        return _result(None, id_)

    def _property(self, method: str, params: list[Any], id_: object) -> Reply:
        if params[0] != "combined":
            return _error(0, "Unknown property", id=id_)
        if len(params) > (2 if method == "SET_PROPERTY" else 1):
            return _error(2, "Invalid request: too many parameters")
        if method == "GET_PROPERTY":
            return _result(self._combined, id_)
        if len(params) < 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean")
        self._combined = params[1]
        return _result(None, id_)


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 36 and value.isascii() and value.isalnum()
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63)


def _result(result: object, id_: object) -> Reply:
    return Reply([orjson.dumps({"result": result, "id": id_})])


def _error(code: int, text: str, **more: object) -> Reply:
    return Reply([orjson.dumps({"code": code, "msg": text, **more})])
