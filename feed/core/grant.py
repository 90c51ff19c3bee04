"""What somebody may have: feeds, kinds and symbols, how fast and how much at once."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from feed.core.streams import Stream, valid_feed
from feed.core.ticks import KINDS

ALL: Final = "*"
# A symbol's characters, and `*` for any number of them: no more, so that nobody can write a pattern that takes long.
PATTERN: Final = re.compile(r"[A-Za-z0-9._/:^*-]{1,64}")
MAX_PATTERNS: Final = 1_000


class Grant(NamedTuple):
    """Entitlements. `feeds` and `kinds` name what is granted, None is all; `symbols` are patterns, of which one must
    match. `max_rate` is in messages a second and stream, 0 is every tick; None of a limit is none of its own.
    `operator` may see the service's own numbers and others' connections: the one entitlement that nobody has unasked.
    """

    feeds: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    symbols: frozenset[str] = frozenset((ALL,))
    max_rate: float = 0.0
    max_connections: int | None = None
    max_symbols: int | None = None
    operator: bool = False

    def allows_feed(self, feed: str) -> bool:
        return self.feeds is None or feed in self.feeds

    def allows_kind(self, kind: str) -> bool:
        return self.kinds is None or kind in self.kinds

    def allows_symbol(self, symbol: str) -> bool:
        return ALL in self.symbols or symbol in self.symbols or _any(self.symbols).fullmatch(symbol) is not None

    def allows(self, stream: Stream) -> bool:
        return self.allows_feed(stream.feed) and self.allows_kind(stream.kind) and self.allows_symbol(stream.symbol)


EVERYTHING: Final = Grant()


def grant(
    feeds: Iterable[str] | None = None,
    kinds: Iterable[str] | None = None,
    symbols: Iterable[str] | None = None,
    max_rate: float = 0.0,
    max_connections: int | None = None,
    max_symbols: int | None = None,
    operator: bool = False,
) -> Grant:
    """A checked grant; None of feeds, kinds or symbols is all. Raises ValueError, naming the field and the value."""
    chosen = None if feeds is None else frozenset(feeds)
    if wrong := sorted(name for name in chosen or () if not valid_feed(name)):
        raise ValueError(f"feeds: {wrong[0]!r} is not 1 to 32 of a-z 0-9 _ -")
    sorts = None if kinds is None else frozenset(kinds)
    if wrong := sorted(name for name in sorts or () if name not in KINDS):
        raise ValueError(f"kinds: {wrong[0]!r} is not one of {', '.join(KINDS)}")
    patterns = frozenset((ALL,)) if symbols is None else frozenset(symbols)
    if wrong := sorted(text for text in patterns if not PATTERN.fullmatch(text)):
        raise ValueError(f"symbols: {wrong[0]!r} is not 1 to 64 of A-Z a-z 0-9 . _ / : ^ - and * for any of them")
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"symbols: {len(patterns)} patterns are more than {MAX_PATTERNS}")
    if not 0 <= max_rate <= 1_000:
        raise ValueError(f"max_rate: {max_rate!r} is not from 0 (every tick) to 1000 a second")
    for name, limit in (("max_connections", max_connections), ("max_symbols", max_symbols)):
        if limit is not None and limit < 1:
            raise ValueError(f"{name}: {limit!r} is not at least 1")
    return Grant(chosen, sorts, patterns, float(max_rate), max_connections, max_symbols, operator)


@lru_cache(maxsize=4_096)
def _any(patterns: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(_regex(pattern) for pattern in sorted(patterns)))


def _regex(pattern: str) -> str:
    first, *rest = (re.escape(part) for part in pattern.split(ALL))
    if not rest:
        return first
    # where a part is found first is as good a place as any later one; to try the others as well, for each star, would
    # take longer than anybody lives
    return first + "".join(f"(?>.*?{part})" for part in rest[:-1]) + ".*" + rest[-1]
