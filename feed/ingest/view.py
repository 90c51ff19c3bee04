"""What an ingest worker says of itself when it is asked: its metrics, or what it has of one stream."""

import time
from collections.abc import Callable, Collection
from typing import Any

from prometheus_client import REGISTRY

from feed.bus.answer import numbers
from feed.bus.lane import Lane
from feed.bus.publisher import Publisher
from feed.core.sequence import Record
from feed.core.streams import Stream
from feed.core.ticks import NS_PER_S
from feed.ingest.source import Source


class View:
    """Speaks for a worker of one feed."""

    def __init__(self, source: Source, publisher: Publisher, not_ready: Callable[[], str]) -> None:
        self._source = source
        self._publisher = publisher
        self._not_ready = not_ready

    def asked(self, streams: Collection[Stream]) -> None:
        """Nothing is measured for the question's sake."""

    async def metrics(self) -> Any:
        return {"not_ready": self._not_ready(), "connections": 0, "families": await numbers(REGISTRY)}

    def stream(self, stream: Stream, record: Record | None) -> Any:  # noqa: ARG002 - it knows its own position
        """None where the worker is of another feed. `seq` is where the stream stood when Redis answered it last."""
        if stream.feed != self._source.feed:
            return None
        silent = self._source.silent()
        return {
            "worker": self._publisher.worker_id,
            "not_ready": self._not_ready(),
            "venue_up": self._source.connected(),
            "bus_up": self._publisher.connected(),
            "silent": silent is None or stream.symbol in silent,
            "buffered_bytes": self._publisher.buffered_bytes,
            **_of_lane(self._publisher.lane(stream), time.time_ns()),
        }


def _of_lane(lane: Lane | None, now_ns: int) -> dict[str, Any]:
    """What is on its way out of one stream; nothing, where nothing ever came of it."""
    if lane is None:
        return {"epoch": None, "seq": 0, "unpublished": 0, "oldest_s": 0.0, "waits_for_peer": False}
    since = lane.waiting_since_ns
    return {
        "epoch": None if lane.epoch is None else lane.epoch.decode(),
        "seq": lane.seq,
        "unpublished": lane.unpublished,
        "oldest_s": round((now_ns - since) / NS_PER_S, 3) if since else 0.0,
        "waits_for_peer": lane.call is not None and bool(lane.call.stood_at),
    }
