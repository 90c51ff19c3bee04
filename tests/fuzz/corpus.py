"""Commands to begin fuzzing from: every one that is understood, and some that nearly are."""

import json
from typing import Any, Final

import msgpack

SINCE: Final = {"trades:BTC/USDT": {"epoch": "k3J9", "seq": 120}, "quotes:X": {"epoch": None, "seq": 0}}
COMMANDS: Final[tuple[Any, ...]] = (
    {"action": "auth", "key": "fk_AAAAAAAAAAAAAAAA", "secret": "fs_" + "x" * 43},
    {"action": "auth", "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "id": 1},
    {"action": "subscribe", "trades": ["BTC/USDT"], "quotes": ["*"], "bars": []},
    {"action": "subscribe", "id": 7, "trades": ["BTC/USDT"], "quotes": ["X"], "rate": 5, "since": SINCE},
    {"action": "subscribe", "id": "a", "bars1s": ["*"], "stamps": False, "rate": 0.5, "snapshot": False},
    {"action": "subscribe", "lulds": [], "statuses": None, "news": ["A"]},
    {"action": "unsubscribe", "bars": ["*", "B"], "bars1s": ["C"]},
    {"action": "ping", "id": 9},
    {"action": "ping", "id": "nine"},
    {"action": "echo", "tw": 1_700_000_000_000_000},
    {"action": "subscribe", "trades": ["?", "A\n"], "rate": -1, "since": {"x": {}}},
    {"action": "ping", "unknown": 1},
    {"action": "auth", "id": "i" * 100, "unknown": [1]},
    [], None, 1, "subscribe", {}, {"action": {}}, {"action": ["ping"]}, [{"action": "ping"}],
)  # fmt: skip
# What mutation puts in: what lengths and depths of both encodings are made of, and words that the parser knows.
TOKENS: Final = (
    b'"action"', b'"since"', b'"epoch"', b'"seq"', b'"rate"', b'"id"', b'"trades"', b'"*"', b"null", b"true", b"1e400",
    b"-0.0", b"NaN", b"9007199254740993", b"18446744073709551616", b"[" * 200, b'{"a":' * 100, b"]", b"}", b'"',
    b"\\u0000", b"\\ud800", b"\xff\xfe", b"\xc0\x80", b"\xdd\xff\xff\xff\xff", b"\xdf\x7f\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xdb\x00\x01\x00\x00", b"\xc9\xff\xff\xff\xff\xff", b"\xc7\x0c\xff" + b"\xff" * 12,
    b"\xd7\xff" + b"\xff" * 8, b"\x91" * 200, b"\x81\xa1a" * 100,
    b"\xcb\x7f\xf8" + b"\x00" * 6, b"\xcf" + b"\xff" * 8, b"\xa6action", b"\xa5since",
)  # fmt: skip


def corpus(*, packed: bool) -> list[bytes]:
    """The commands in one encoding."""
    return [msgpack.packb(command) if packed else json.dumps(command).encode() for command in COMMANDS]
