"""What a grant leaves of a client's wishes: what it may name, how far wildcards reach, and how fast it gets that."""

from functools import lru_cache
from typing import Final

from feed.core.grant import ALL, Grant
from feed.wire.commands import WILDCARD, Subscribe
from feed.wire.errors import Code, ProtocolError

Scope = frozenset[str] | None
"""Patterns of the symbols that a wildcard reaches; None is every symbol."""

# What was not granted: a metric's label.
FEED: Final = "feed"
KIND: Final = "kind"
SYMBOL: Final = "symbol"
RATE: Final = "rate"


class NotGranted(ProtocolError):
    """A client asked for what it may not have. `what` is one of FEED, KIND, SYMBOL, RATE."""

    def __init__(self, what: str, detail: str, command_id: int | str | None = None) -> None:
        super().__init__(Code.INSUFFICIENT_SUBSCRIPTION, detail, command_id)
        self.what = what


def scope_of(grant: Grant) -> Scope:
    return None if ALL in grant.symbols else grant.symbols


@lru_cache(maxsize=65_536)
def reaches(scope: Scope, symbol: str) -> bool:
    return scope is None or Grant(symbols=scope).allows_symbol(symbol)


def capped(grant: Grant, rate: float) -> float:
    """A rate, or the fastest that is granted where it is faster; 0, every tick, is the fastest there is."""
    return min(rate or grant.max_rate, grant.max_rate) if grant.max_rate else rate


def check(grant: Grant, command: Subscribe, depth: int) -> None:
    """Raises NotGranted for the first stream, or the rate, that a subscription names and may not have."""
    for kind, symbols in command.symbols().items():
        if not grant.allows_kind(kind):
            raise NotGranted(KIND, f"{kind}:{symbols[0]} is not granted: no {kind} are", command.id)
        for symbol in symbols:
            if symbol != WILDCARD and not grant.allows_symbol(symbol):
                raise NotGranted(SYMBOL, f"{kind}:{symbol} is not granted", command.id)
    # where none is named the cap is applied: clients that know of no rates could not subscribe at all
    named = depth == 2 and "rate" in command.model_fields_set
    if named and capped(grant, command.rate) != command.rate:
        raise NotGranted(RATE, f"rate: at most {grant.max_rate:g} a second, and 0 is every tick", command.id)
