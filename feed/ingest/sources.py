"""The source of each feed that can be ingested: the simulator, or a venue's connector."""

from typing import Final

from feed.core.shards import share
from feed.ingest.connector import Connector
from feed.ingest.simulator import FEED as SIM
from feed.ingest.simulator import Simulator
from feed.ingest.source import Source
from feed.ingest.venues import VENUES
from feed.settings import Values
from feed.settings.words import did_you_mean

FEEDS: Final = (SIM, *VENUES)


def source_for(values: Values, feed: str) -> Source:
    """The source that the settings describe for `feed`. Raises ValueError for one that has none, or for its symbols."""
    if feed == SIM:
        if values.ingest.shards > 1:
            raise ValueError("ingest.shards must be 1 for sim: its market is one worker's own")
        return Simulator(values.sim)
    if feed not in VENUES:
        raise ValueError(f"no source for feed {feed!r}: there is {', '.join(FEEDS)}{did_you_mean(feed, FEEDS)}")
    knobs, shards = getattr(values, feed), values.ingest.shards
    if shards == 1:
        return Connector(VENUES[feed](knobs.symbols), knobs.url, values.ingest)
    mine = share(knobs.symbols, shards, values.ingest.ordinal)
    return Connector(VENUES[feed](sorted(mine.symbols)), knobs.url, values.ingest, share=mine)
