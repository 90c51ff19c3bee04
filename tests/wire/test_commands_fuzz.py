"""Whatever bytes a client sends: a command comes out, or a ProtocolError that can be told, and nothing else."""

import json
from collections.abc import Callable
from typing import Any

import msgpack
import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from feed.wire.commands import Auth, Command, Echo, Ping, Subscribe, Unsubscribe, parse_json, parse_msgpack
from feed.wire.errors import Code, ProtocolError

Parse = Callable[[Any, int], Command]
COMMANDS = (Auth, Subscribe, Unsubscribe, Ping, Echo)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.sampled_from(["A", "*"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
ALMOST = st.fixed_dictionaries(
    {"action": st.sampled_from(["auth", "subscribe", "unsubscribe", "ping", "echo"]) | JSON_VALUES},
    optional={
        name: JSON_VALUES | st.lists(st.sampled_from(["A", "*", "?"]))
        for name in (
            "id",
            "trades",
            "quotes",
            "bars",
            "bars1s",
            "snapshot",
            "stamps",
            "tw",
            "key",
            "token",
            "lulds",
            "x",
        )
    },
)


def understood_or_refused(parse: Parse, data: Any, depth: int) -> None:
    try:
        outcome: Command | ProtocolError = parse(data, depth)
    except ProtocolError as fault:
        outcome = fault
    if isinstance(outcome, ProtocolError):
        assert outcome.code in (Code.INVALID_SYNTAX, Code.INVALID_SUBSCRIBE)
        assert outcome.command_id is None or type(outcome.command_id) in (int, str)
        # the answer can be encoded
        orjson.dumps([str(outcome), outcome.command_id])
        msgpack.packb([str(outcome), outcome.command_id])
    else:
        assert isinstance(outcome, COMMANDS)


@given(data=st.binary() | st.text().map(str.encode), depth=st.sampled_from([1, 2]))
@example(data=b"\x81\xa6action" + b"\x91" * 1_000 + b"\x90", depth=1)
def test_any_bytes_are_understood_or_refused(data: bytes, depth: int) -> None:
    understood_or_refused(parse_json, data, depth)
    understood_or_refused(parse_msgpack, data, depth)


@given(message=ALMOST | JSON_VALUES, depth=st.sampled_from([1, 2]))
def test_almost_commands_in_json_are_understood_or_refused(message: Any, depth: int) -> None:
    understood_or_refused(parse_json, json.dumps(message), depth)


def in_msgpacks_range(value: Any) -> Any:
    """The same with integers that MessagePack can carry, and some keys that are no text."""
    if isinstance(value, dict):
        return {in_msgpacks_range(key): in_msgpacks_range(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_msgpacks_range(item) for item in value]
    return max(-(2**63), min(2**64 - 1, value)) if isinstance(value, int) else value


KEYS = st.one_of(st.integers(0, 9), st.binary(max_size=2), st.just("id"))


@given(
    message=ALMOST | JSON_VALUES,
    more=st.dictionaries(KEYS, st.binary(max_size=3), max_size=2),
    depth=st.just(1) | st.just(2),
)
def test_almost_commands_in_msgpack_are_understood_or_refused(message: Any, more: dict[Any, bytes], depth: int) -> None:
    value = in_msgpacks_range(message)
    data = msgpack.packb(value | more if isinstance(value, dict) else value, unicode_errors="surrogatepass")
    understood_or_refused(parse_msgpack, data, depth)


@given(data=st.data(), depth=st.sampled_from([1, 2]))
def test_damaged_commands_in_msgpack_are_understood_or_refused(data: st.DataObject, depth: int) -> None:
    whole = bytearray(msgpack.packb({"action": "subscribe", "trades": ["BTC/USDT", "*"], "id": 7, "stamps": True}))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    understood_or_refused(parse_msgpack, bytes(whole[: data.draw(st.integers(0, len(whole)))]), depth)
