"""Objects that are nearly commands, made from bytes: changed bytes are then changed commands, not broken syntax."""

from collections.abc import Iterator
from typing import Any, Final

FIELDS: Final = (
    "action", "id", "key", "secret", "token", "trades", "quotes", "bars", "bars1s", "snapshot", "stamps", "rate",
    "since", "tw", "epoch", "seq", "lulds", "trades:A", "bars1s:*", "orders:A", "k" * 5_000, "",
)  # fmt: skip
ACTIONS: Final = ("auth", "subscribe", "unsubscribe", "ping", "echo")
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 0.5, 0.05, 1e308, 2**53, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), "", "*", "A",
    "BTC/USDT", "?", "\x00", "\ud7ff\ufffe", "x" * 65, "y" * 5_000, "k3J9", ["A", "*"], {}, [], {"a": []},
    {"epoch": "e", "seq": 1}, {"trades:A": {"epoch": "e", "seq": 1}},
)  # fmt: skip
DEEPEST: Final = 6


def shaped(data: bytes) -> dict[str, Any]:
    """An object with an action, and with as many more fields as the bytes last for."""
    left = iter(data)
    command: dict[str, Any] = {"action": ACTIONS[next(left, 0) % len(ACTIONS)]}
    for field in left:
        command[FIELDS[field % len(FIELDS)]] = _value(left, 0)
    return command


def _value(left: Iterator[int], depth: int) -> Any:
    choice = next(left, 0)
    if choice < 200 or depth >= DEEPEST:
        return VALUES[choice % len(VALUES)]
    many = choice % 4
    if choice < 228:
        return [_value(left, depth + 1) for _ in range(many)]
    return {FIELDS[next(left, 0) % len(FIELDS)]: _value(left, depth + 1) for _ in range(many)}
