"""Commands: what each means, and that nothing a client can send raises anything but a ProtocolError."""

import json
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from feed.wire.commands import (
    FOREIGN_CHANNELS,
    Auth,
    Command,
    Echo,
    Ping,
    Subscribe,
    Unsubscribe,
    parse_json,
    parse_msgpack,
)
from feed.wire.errors import Code, ProtocolError

Parse = Callable[[Any, int], Command]
DEPTHS = pytest.mark.parametrize("depth", [1, 2])


def from_json(message: Any, depth: int) -> Command:
    return parse_json(json.dumps(message), depth)


def from_msgpack(message: Any, depth: int) -> Command:
    return parse_msgpack(msgpack.packb(message), depth)


BOTH = pytest.mark.parametrize("read", [from_json, from_msgpack], ids=["json", "msgpack"])


def refused(parse: Parse, data: Any, depth: int) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse(data, depth)
    return caught.value


@BOTH
@DEPTHS
@pytest.mark.parametrize(
    ("message", "command"),
    [
        ({"action": "auth", "key": "k", "secret": "s"}, Auth(action="auth", key="k", secret="s")),
        ({"action": "auth", "token": "t"}, Auth(action="auth", token="t")),
        ({"action": "auth"}, Auth(action="auth")),
        ({"action": "subscribe", "trades": ["A"]}, Subscribe(action="subscribe", trades=["A"])),
        ({"action": "subscribe"}, Subscribe(action="subscribe")),
        ({"action": "subscribe", "quotes": ["*"], "bars": []}, Subscribe(action="subscribe", quotes=["*"])),
        ({"action": "unsubscribe", "bars": ["*", "B"]}, Unsubscribe(action="unsubscribe", bars=["*", "B"])),
        ({"action": "subscribe", "lulds": [], "statuses": None}, Subscribe(action="subscribe")),
        ({"action": "unsubscribe", "lulds": ["A"]}, Unsubscribe(action="unsubscribe")),
    ],
)
def test_what_both_depths_understand(read: Parse, depth: int, message: dict[str, Any], command: Command) -> None:
    assert read(message, depth) == command


@BOTH
@pytest.mark.parametrize(
    ("message", "command"),
    [
        ({"action": "ping"}, Ping(action="ping")),
        ({"action": "ping", "id": 9}, Ping(action="ping", id=9)),
        ({"action": "ping", "id": "nine"}, Ping(action="ping", id="nine")),
        ({"action": "echo", "tw": 1_700_000_000_000_000}, Echo(action="echo", tw=1_700_000_000_000_000)),
        ({"action": "auth", "id": 1, "token": "t"}, Auth(action="auth", id=1, token="t")),
        (
            {"action": "subscribe", "id": 7, "bars1s": ["A"], "snapshot": True, "stamps": True},
            Subscribe(action="subscribe", id=7, bars1s=["A"], snapshot=True, stamps=True),
        ),
    ],
)
def test_what_only_depth_two_understands(read: Parse, message: dict[str, Any], command: Command) -> None:
    assert read(message, 2) == command
    with_less = {key: value for key, value in message.items() if key in ("action", "token", "trades")}
    if message["action"] in ("ping", "echo"):
        with pytest.raises(ProtocolError):
            read(with_less, 1)


@BOTH
def test_depth_one_does_not_mind_keys_that_it_does_not_know(read: Parse) -> None:
    message = {"action": "subscribe", "trades": ["A"], "id": [1], "snapshot": "?", "rate": -1, "wrapper": {"x": 1}}
    assert read(message, 1) == Subscribe(action="subscribe", trades=["A"])


@BOTH
def test_alpacas_client_for_go_sends_null_for_channels_without_symbols(read: Parse) -> None:
    channels = ("trades", "quotes", "bars", *FOREIGN_CHANNELS)
    message = {"action": "subscribe", **dict.fromkeys(channels), "trades": ["A"]}
    assert read(message, 1) == Subscribe(action="subscribe", trades=["A"])


@BOTH
@pytest.mark.parametrize("channel", FOREIGN_CHANNELS)
def test_channels_that_are_not_carried_are_410(read: Parse, channel: str) -> None:
    for depth in (1, 2):
        with pytest.raises(ProtocolError) as caught:
            read({"action": "subscribe", channel: ["*"], "trades": ["A"]}, depth)
        assert caught.value.code is Code.INVALID_SUBSCRIBE
        assert channel in caught.value.detail


@BOTH
def test_second_bars_are_for_depth_two(read: Parse) -> None:
    with pytest.raises(ProtocolError) as caught:
        read({"action": "subscribe", "bars1s": ["*"]}, 1)
    assert caught.value.code is Code.INVALID_SUBSCRIBE


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


MALFORMED: list[Any] = [
    None, True, 0, 1.5, "", "subscribe", [], ["subscribe"], [{"action": "ping"}], {}, {"Action": "ping"},
    {"action": None}, {"action": 1}, {"action": True}, {"action": ["subscribe"]}, {"action": {"subscribe": 1}},
    {"action": ""}, {"action": "Subscribe"}, {"action": "listen", "data": {"streams": ["T"]}}, {"action": "x" * 60_000},
    {"action": "subscribe", "trades": "A"}, {"action": "subscribe", "trades": {"A": 1}},
    {"action": "subscribe", "trades": [1]}, {"action": "subscribe", "trades": [None]},
    {"action": "subscribe", "trades": [["A"]]}, {"action": "subscribe", "trades": [True]},
    {"action": "subscribe", "trades": [""]}, {"action": "subscribe", "trades": ["A B"]},
    {"action": "subscribe", "trades": ["A", "**"]}, {"action": "subscribe", "trades": ["A\n"]},
    {"action": "subscribe", "trades": ["x" * 65]}, {"action": "subscribe", "trades": ["Ä"]},
    {"action": "subscribe", "trades": ["A", "\u0000"]}, {"action": "subscribe", "bars": 0},
    {"action": "unsubscribe", "quotes": ["a,b"]}, {"action": "unsubscribe", "quotes": {}},
    {"action": "auth", "key": 1}, {"action": "auth", "key": ["k"], "secret": "s"}, {"action": "auth", "token": False},
    {"action": nested(100)}, {"action": nested(400)}, {"action": "subscribe", "trades": nested(400)},
]  # fmt: skip

MALFORMED_AT_DEPTH_TWO: list[Any] = [
    {"action": "subscribe", "rates": 5}, {"action": "subscribe", "trades": None}, {"action": "ping", "id": True},
    {"action": "ping", "id": 1.0}, {"action": "ping", "id": [1]}, {"action": "ping", "trades": []},
    {"action": "echo"}, {"action": "echo", "tw": "1"}, {"action": "echo", "tw": 1.0}, {"action": "echo", "tw": None},
    {"action": "echo", "tw": True}, {"action": "subscribe", "snapshot": 1}, {"action": "subscribe", "stamps": "yes"},
    {"action": "subscribe", "snapshot": None}, {"action": "ping", "id": nested(400)}, {"action": "auth", "trades": []},
    {"action": "subscribe", "symbols": ["A"]},
]  # fmt: skip


@BOTH
@DEPTHS
@pytest.mark.parametrize("message", MALFORMED, ids=lambda message: repr(message)[:60])
def test_malformed_commands_are_400(read: Parse, depth: int, message: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(message, depth)
    assert caught.value.code is Code.INVALID_SYNTAX
    assert caught.value.detail


@BOTH
@pytest.mark.parametrize("message", MALFORMED_AT_DEPTH_TWO, ids=lambda message: repr(message)[:60])
def test_depth_two_is_strict(read: Parse, message: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(message, 2)
    assert caught.value.code is Code.INVALID_SYNTAX


@DEPTHS
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "nul", "{'action':'ping'}", '{"action":"ping"}{}', '{"action":"ping",}', '{"action":NaN}',
        '{"action":"echo","tw":1e400}', '{"action":"echo","tw":123456789012345678901234567890}', "\ufeff{}",
        '{"action":"\\ud800"}', '{"action":"\ud800"}', "\x00", "[" * 100_000, '{"action":' * 20_000,
        '{"action":' + "[" * 1_020 + "]" * 1_020 + "}", "1" * 60_000, "-" * 10, '"' * 3,
    ],
    ids=lambda text: ascii(text)[:40],
)  # fmt: skip
def test_text_that_is_no_json_command_is_400(depth: int, text: str) -> None:
    assert refused(parse_json, text, depth).code is Code.INVALID_SYNTAX


@DEPTHS
@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xc1", b"\x81", b"\x81\xa6action", b"\x80\x80", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff", b"\x81\x01\xa4ping", b"\x81\xc4\x06action\xa4ping", b"\x81\xa6action\xc4\x04ping",
        b"\x81\xa1\xff\xa4ping", b"\x81\x90\xa4ping", b"\x81\xc0\xc0", b"\x91" * 60_000, b"\x81\xa1a" * 20_000,
        b"\x81\xa6action" + b"\x91" * 1_000 + b"\x90", b"\x81\xa6action\xd4\x05x",
        b"\x81\xa6action\xd7\xff" + b"\xff" * 8, b"\x81\xa6action\xc7\x0c\xff" + b"\xff" * 12,
        b"\x81\xa6action\xc7\x03\xffabc", b"\x81\xa6action\xca\x7f\xc0\x00\x00", b'{"action":"ping"}',
    ],
    ids=lambda data: repr(data)[:40],
)  # fmt: skip
def test_bytes_that_are_no_msgpack_command_are_400(depth: int, data: bytes) -> None:
    assert refused(parse_msgpack, data, depth).code is Code.INVALID_SYNTAX


def test_the_last_of_duplicate_keys_counts_in_both_encodings() -> None:
    assert parse_json('{"action":"ping","action":"subscribe"}', 1) == Subscribe(action="subscribe")
    twice = b"\x82\xa6action\xa4ping\xa6action\xa9subscribe"
    assert parse_msgpack(twice, 1) == Subscribe(action="subscribe")


@BOTH
@pytest.mark.parametrize("command_id", [7, -1, "a", "", 2**63 - 1])
def test_a_refusal_names_the_command(read: Parse, command_id: int | str) -> None:
    for message in (
        {"action": "subscribe", "trades": ["?"]},
        {"action": "nope"},
        {"action": "subscribe", "lulds": ["A"]},
    ):
        with pytest.raises(ProtocolError) as caught:
            read({**message, "id": command_id}, 2)
        assert caught.value.command_id == command_id


@BOTH
@pytest.mark.parametrize("command_id", [True, 1.5, None, [1], {}])
def test_a_refusal_never_echoes_what_is_no_id(read: Parse, command_id: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        read({"action": "nope", "id": command_id}, 2)
    assert caught.value.command_id is None


def test_details_stay_short() -> None:
    assert len(refused(parse_json, json.dumps({"action": "x" * 60_000}), 2).detail) < 120
    assert len(refused(parse_json, json.dumps({"action": "subscribe", "trades": ["?" * 60_000]}), 2).detail) < 120
    assert len(refused(parse_json, json.dumps({"action": "ping", "x" * 60_000: 1}), 2).detail) < 120


def test_secrets_are_not_printed() -> None:
    command = parse_json('{"action":"auth","key":"kkk","secret":"sss","token":"ttt"}', 1)
    assert not any(secret in f"{command!r} {command}" for secret in ("kkk", "sss", "ttt"))
    assert "sss" not in str(refused(parse_json, '{"action":"auth","secret":["sss"]}', 1))


def test_kinds_without_symbols_are_no_selection() -> None:
    command = parse_json('{"action":"subscribe","trades":["A"],"quotes":[],"bars1s":["*"]}', 2)
    assert isinstance(command, Subscribe)
    assert command.symbols() == {"trades": ["A"], "bars1s": ["*"]}
