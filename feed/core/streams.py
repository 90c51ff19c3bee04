"""Names of feeds, symbols and streams, and positions within a stream."""

import re
from typing import NamedTuple

from feed.core.ticks import KINDS

SYMBOL = re.compile(r"[A-Za-z0-9._/:^-]{1,64}")
FEED = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Stream(NamedTuple):
    """One feed, one kind of tick, one symbol: the unit of order, of sequence numbers and of recovery."""

    feed: str
    kind: str
    symbol: str

    @property
    def name(self) -> str:
        """`feed:kind:symbol`, unique in the service."""
        return f"{self.feed}:{self.kind}:{self.symbol}"

    @property
    def key(self) -> str:
        """`kind:symbol`, unique in its feed: what clients call the stream."""
        return f"{self.kind}:{self.symbol}"


class Position(NamedTuple):
    """A place in a stream. `epoch` is None, with `seq` 0, for a stream that never published."""

    epoch: str | None
    seq: int


START = Position(None, 0)


def valid_symbol(text: str) -> bool:
    return SYMBOL.fullmatch(text) is not None


def valid_feed(text: str) -> bool:
    return FEED.fullmatch(text) is not None


def parse_stream(name: str) -> Stream:
    """Reads `feed:kind:symbol`. Raises ValueError, saying what is wrong with it."""
    parts = name.split(":", 2)
    if len(parts) != 3:
        raise ValueError(f"stream {name!r} is not feed:kind:symbol")
    feed, kind, symbol = parts
    if not valid_feed(feed):
        raise ValueError(f"stream {name!r}: feed {feed!r} is not 1 to 32 of a-z 0-9 _ -")
    if kind not in KINDS:
        raise ValueError(f"stream {name!r}: kind {kind!r} is not one of {', '.join(KINDS)}")
    if not valid_symbol(symbol):
        raise ValueError(f"stream {name!r}: symbol {symbol!r} is not 1 to 64 of A-Z a-z 0-9 . _ / : ^ -")
    return Stream(feed, kind, symbol)
