"""The seam between what reads a venue and what publishes its ticks."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

from feed.core.shards import Share
from feed.core.ticks import Tick, Trade


class Sink(Protocol):
    """Takes ticks from a source. Its calls return at once and never fail: what it can't hold, it names in a gap."""

    def ticks(self, ticks: Sequence[Tick]) -> None:
        """Trades and quotes in the venue's order, all of one moment of receiving. Bars are made of them here."""
        ...

    def history(self, trades: Sequence[Trade], since_ns: int) -> None:
        """Trades of before publishing began, in one call or more: they count in bars and are not published.

        From the venue's time `since_ns` on, these and the ticks that follow them are every trade there was.
        """
        ...

    def reconnected(self, symbols: Collection[str]) -> None:
        """The source lost the connection that brings these: what comes next may follow on a hole."""
        ...


class Source(Protocol):
    """A venue's live ticks, or a simulator's."""

    feed: str
    contiguous: frozenset[str]
    """Kinds whose venue ids rise by exactly one per symbol, so that a hole can be named by its ids."""
    anew: bool
    """Whether ids begin anew with each run: then a hole between two runs is one whose ids count nothing."""
    symbol_count: int
    """How many symbols it is told to bring."""

    share: Share | None
    """What of the feed's symbols it brings; None where that is all of them."""

    async def run(self, sink: Sink, stop: asyncio.Event) -> None:
        """Reads until `stop` is set. Reconnects by itself; raises only on faults of its own configuration or code."""
        ...

    def connected(self) -> bool:
        """Whether ticks can come at this moment."""
        ...

    def silent(self) -> frozenset[str] | None:
        """The symbols of which nothing can be heard at this moment; None: all of them."""
        ...
