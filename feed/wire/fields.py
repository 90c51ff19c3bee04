"""What a client's message says of a tick: names and values, the same in both encodings but for the time."""

from typing import Any

from feed.core.ticks import BARS, Quote, Tick, Trade

# What both encodings, and the 64-bit integers of typed languages, hold: beyond it a size stays a float.
WHOLE_BELOW = 2**63


def whole(value: float) -> float | int:
    """Sizes are whole by nature where they have no fraction: clients in typed languages decode them as integers."""
    # a float field may hold an int, which has no is_integer before Python 3.12; NaN and infinity fail the first test
    return int(value) if -WHOLE_BELOW <= value < WHOLE_BELOW and value == int(value) else value


def tick_fields(tick: Tick) -> dict[str, Any]:
    """The tick's message without its time `t`; `T` comes first. A venue id that does not exist is left out."""
    if isinstance(tick, Trade):
        symbol, venue_id, price, size, _, _, _, exchange, conditions, tape = tick
        if venue_id is None:
            return {
                "T": "t", "S": symbol, "x": exchange, "p": price, "s": whole(size), "c": conditions, "z": tape,
            }  # fmt: skip
        return {
            "T": "t", "S": symbol, "i": venue_id,
            "x": exchange, "p": price, "s": whole(size), "c": conditions, "z": tape,
        }  # fmt: skip
    if isinstance(tick, Quote):
        return {
            "T": "q", "S": tick.symbol,
            "bx": tick.bid_exchange, "bp": tick.bid, "bs": whole(tick.bid_size),
            "ax": tick.ask_exchange, "ap": tick.ask, "as": whole(tick.ask_size),
            "c": tick.conditions, "z": tick.tape,
        }  # fmt: skip
    return {
        "T": "b", "S": tick.symbol, "o": tick.open, "h": tick.high, "l": tick.low, "c": tick.close,
        "v": whole(tick.volume), "n": tick.count, "vw": tick.vwap,
    }  # fmt: skip


def depth_two_field(tick: Tick) -> tuple[str, str] | None:
    """What only depth two says: a trade's aggressor side, or which bars these are where they are not minute bars."""
    if isinstance(tick, Trade):
        return ("tks", tick.side) if tick.side else None
    if isinstance(tick, Quote) or tick.kind == BARS:
        return None
    return "kind", tick.kind
