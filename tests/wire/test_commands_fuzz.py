"""Whatever bytes a client sends: a command comes out, or a ProtocolError that can be told, and nothing else."""

import json
from typing import Any

import msgpack
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feed.wire import commands
from feed.wire.commands import Auth, Subscribe
from feed.wire.errors import ProtocolError
from tests.fuzz.judge import judged

DEPTHS = st.sampled_from([1, 2])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.sampled_from(["A", "*"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
SYMBOLS = st.lists(st.sampled_from(["A", "*", "?", "BTC/USDT"]), max_size=3)
STREAMS = st.sampled_from(["trades:A", "quotes:*", "bars:BTC/USDT", "orders:A", "A", ":", "trades:" + "x" * 5_000])
SINCE = st.dictionaries(
    STREAMS | st.text(),
    JSON_VALUES
    | st.fixed_dictionaries(
        {}, optional={"epoch": st.none() | st.text(), "seq": st.integers() | JSON_VALUES, "x": JSON_VALUES}
    ),
    max_size=3,
)
RATES = st.sampled_from([0, 5, 0.1, 0.05, 1e300, -1, True, "5"]) | st.floats() | st.integers()
NAMES = ("id", "trades", "quotes", "bars", "bars1s", "snapshot", "stamps", "tw", "key", "secret", "token", "lulds", "x")
ALMOST = st.fixed_dictionaries(
    {"action": st.sampled_from(["auth", "subscribe", "unsubscribe", "ping", "echo"]) | JSON_VALUES},
    optional=dict.fromkeys(NAMES, JSON_VALUES | SYMBOLS) | {"since": SINCE, "rate": RATES},
)


@given(data=st.binary() | st.text().map(str.encode), depth=DEPTHS)
@example(data=b"\x81\xa6action" + b"\x91" * 1_000 + b"\x90", depth=1)
def test_any_bytes_are_understood_or_refused(data: bytes, depth: int) -> None:
    judged(data, depth, packed=False)
    judged(data, depth, packed=True)


@given(message=ALMOST | JSON_VALUES, depth=DEPTHS)
def test_almost_commands_in_json_are_understood_or_refused(message: Any, depth: int) -> None:
    judged(json.dumps(message).encode(), depth, packed=False)


def in_msgpacks_range(value: Any) -> Any:
    """The same with integers that MessagePack can carry, and some keys that are no text."""
    if isinstance(value, dict):
        return {in_msgpacks_range(key): in_msgpacks_range(item) for key, item in value.items()}
    if isinstance(value, list):
        return [in_msgpacks_range(item) for item in value]
    return max(-(2**63), min(2**64 - 1, value)) if isinstance(value, int) else value


KEYS = st.one_of(st.integers(0, 9), st.binary(max_size=2), st.just("id"))


@given(message=ALMOST | JSON_VALUES, more=st.dictionaries(KEYS, st.binary(max_size=3), max_size=2), depth=DEPTHS)
def test_almost_commands_in_msgpack_are_understood_or_refused(message: Any, more: dict[Any, bytes], depth: int) -> None:
    value = in_msgpacks_range(message)
    data = msgpack.packb(value | more if isinstance(value, dict) else value, unicode_errors="surrogatepass")
    judged(data, depth, packed=True)


@given(data=st.data(), depth=DEPTHS)
def test_damaged_commands_in_msgpack_are_understood_or_refused(data: st.DataObject, depth: int) -> None:
    whole = bytearray(msgpack.packb({"action": "subscribe", "trades": ["BTC/USDT", "*"], "id": 7, "stamps": True}))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    judged(bytes(whole[: data.draw(st.integers(0, len(whole)))]), depth, packed=True)


@given(key=st.text(), secret=st.text(), token=st.text(), packed=st.booleans(), depth=DEPTHS)
def test_credentials_arrive_as_they_were_sent(key: str, secret: str, token: str, packed: bool, depth: int) -> None:
    message = {"action": "auth", "key": key, "secret": secret, "token": token}
    command = judged(msgpack.packb(message) if packed else json.dumps(message).encode(), depth, packed=packed)
    assert isinstance(command, Auth)
    assert (command.key, command.secret, command.token) == (key, secret, token)


@given(
    symbols=st.lists(st.sampled_from(["A", "BTC/USDT", "x.y"]), min_size=1, unique=True),
    seq=st.integers(0, 2**53),
    rate=st.just(0) | st.floats(0.1, 1_000) | st.integers(1, 1_000),
    packed=st.booleans(),
)
def test_positions_and_rates_arrive_as_they_were_sent(symbols: list[str], seq: int, rate: float, packed: bool) -> None:
    since = {f"trades:{symbol}": {"epoch": "e", "seq": seq} for symbol in symbols}
    message = {"action": "subscribe", "trades": symbols, "since": since, "rate": rate}
    command = judged(msgpack.packb(message) if packed else json.dumps(message).encode(), 2, packed=packed)
    assert isinstance(command, Subscribe)
    assert command.rate == rate
    assert {key: position.seq for key, position in command.positions().items()} == {
        ("trades", symbol): seq for symbol in symbols
    }


@pytest.mark.parametrize("fault", [KeyError("action"), RecursionError(), UnicodeDecodeError("utf-8", b"", 0, 1, "")])
def test_a_parser_that_raises_anything_else_is_noticed(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise fault

    monkeypatch.setattr(commands, "_command", broken)
    with pytest.raises(type(fault)):
        judged(b"{}", 1, packed=False)


def test_a_refusal_that_is_too_long_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_short", str)
    with pytest.raises(AssertionError, match="characters"):
        judged(json.dumps({"action": "x" * 60_000}).encode(), 2, packed=False)
    assert isinstance(judged(b"{}", 2, packed=False), ProtocolError)
