"""Venues by name."""

from collections.abc import Callable, Sequence
from typing import Final

from feed.ingest.venues.binance import Binance
from feed.ingest.venues.venue import ANNOUNCED, ConnectionEnds, Subscription, Venue, VenueError

VENUES: Final[dict[str, Callable[[Sequence[str]], Venue]]] = {"binance": Binance}
"""Each takes the canonical symbols to read, such as "BTC/USDT", and raises ValueError where they are no use to it."""

__all__ = ["ANNOUNCED", "VENUES", "ConnectionEnds", "Subscription", "Venue", "VenueError"]
