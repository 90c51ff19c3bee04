"""What a gateway says of itself when it is asked: its metrics, or where it stands in one stream and who is slow."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

from prometheus_client import REGISTRY

from feed.bus.answer import numbers
from feed.core.sequence import Record
from feed.core.streams import START, Stream
from feed.gateway.cohort import Cohort
from feed.gateway.hub import Hub
from feed.gateway.lane import FULL_BYTES, Lane
from feed.gateway.live import LiveStream

# Of those who are slow: the slowest tell what there is to know, and an answer has a bound.
MOST_SLOW: Final = 20


class Slow(NamedTuple):
    """A client that is behind: how long it has waited, what its socket has not taken, how many entries of the stream
    it has still to get (None where that can't be counted). `resumes` while it is given what it missed before it came.
    """

    connection: str
    key: str
    address: str
    lag_s: float
    waiting_bytes: int
    behind: int | None
    resumes: bool


class View:
    """Speaks for a gateway process, or for one worker of several. `hub` gives a feed's hub, `not_ready` why clients
    should not be sent here, `connections` how many there are."""

    def __init__(
        self, hub: Callable[[str], Hub | None], not_ready: Callable[[], str], connections: Callable[[], int]
    ) -> None:
        self._hub = hub
        self._not_ready = not_ready
        self._connections = connections
        self._feeds: frozenset[str] = frozenset()  # whose streams are measured

    def asked(self, streams: Collection[Stream]) -> None:
        feeds = frozenset(stream.feed for stream in streams)
        for feed in feeds | self._feeds:
            hub = self._hub(feed)
            if hub is not None:
                hub.watched.keep([stream for stream in streams if stream.feed == feed])
        self._feeds = feeds

    async def metrics(self) -> Any:
        return {"not_ready": self._not_ready(), "connections": self._connections(), "families": await numbers(REGISTRY)}

    def stream(self, stream: Stream, record: Record | None) -> Any:
        """None where this gateway doesn't carry the feed."""
        hub = self._hub(stream.feed)
        return None if hub is None else standing(hub, stream, record, time.monotonic(), time.time_ns())


def standing(hub: Hub, stream: Stream, record: Record | None, now: float, now_ns: int) -> dict[str, Any]:
    """Where a hub stands in a stream of which Redis has this record at the moment. `reads` is false, and the rest left
    out, where no client of this gateway wants it: then it isn't read from Redis."""
    hops = hub.watched.take(stream)
    live = hub.interest.streams.get(stream)
    if live is None:
        return {"reads": False, "bus_up": hub.bus_up}
    at = live.at or START
    cohorts = [cohort for _, _, audience, _ in hub.interest.audience(live) for cohort in audience]
    lanes = [lane for lane in hub.members.lanes.all() if live in lane.tracks]
    slow = [*_behind(lanes, live, now, now_ns), *_filling(cohorts)]
    slow.sort(key=lambda each: (-each.lag_s, -each.waiting_bytes))
    return {
        "reads": True,
        "bus_up": hub.bus_up,
        "epoch": at.epoch,
        "seq": at.seq,
        "behind": record.seq - at.seq if record is not None and record.epoch == at.epoch else None,
        "clients": sum(len(cohort.members) for cohort in cohorts) + len(lanes),
        "cohorts": len(cohorts),
        "lanes": len(lanes),
        "pending": len(live.pending),
        "tail": max(0, live.tail.end.seq - live.tail.start.seq),
        "hops": hops._asdict(),
        "slow": [each._asdict() for each in slow[:MOST_SLOW]],
        "slow_clients": len(slow),
    }


def _behind(lanes: Iterable[Lane], live: LiveStream, now: float, now_ns: int) -> Iterator[Slow]:
    """Those who don't stand where the others stand."""
    for lane in lanes:
        at, end = lane.tracks[live].told, live.at or START
        behind = max(0, end.seq - at.seq) if at.epoch == end.epoch else None
        lag_s, waiting = lane.lag_s(now, now_ns), lane.member.backlog()
        if behind != 0 or lag_s or waiting or lane.resumes:
            yield Slow(*lane.member.peer, round(lag_s, 3), waiting, behind, lane.resumes)


def _filling(cohorts: Iterable[Cohort]) -> Iterator[Slow]:
    """Those whose sockets fill, though there is still room for what comes."""
    for cohort in cohorts:
        for member in cohort.members:
            waiting = member.backlog()
            if waiting > FULL_BYTES:
                yield Slow(*member.peer, 0.0, waiting, 0, resumes=False)
