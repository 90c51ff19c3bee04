"""Whether a symbol's source is heard: what clients of depth two are told when one falls silent, or comes back."""

from collections.abc import Iterable

from feed.wire.codec import Codec
from feed.wire.messages import status

LIVE = "live"
STALE = "stale"

Silent = frozenset[str] | None
"""Symbols whose source is silent; None: all of the feed's."""


def state(symbol: str, silent: Silent) -> str:
    return STALE if silent is None or symbol in silent else LIVE


def changed(symbols: Iterable[str], before: Silent, now: Silent) -> dict[str, str]:
    """The new state of each symbol whose state is another than before."""
    return {
        symbol: state(symbol, now) for symbol in sorted(set(symbols)) if state(symbol, now) != state(symbol, before)
    }  # fmt: skip


def frames(codec: Codec, states: dict[str, str], now_ns: int) -> bytes:
    """A control frame for each symbol."""
    return b"".join(codec.control(status(symbol, each, codec.time(now_ns))) for symbol, each in states.items())
