"""The own hops of the streams that somebody asks about: measured as long as they are asked about, and not otherwise."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from feed.bus.reading import Batch
from feed.core.delays import Delays, Summary
from feed.core.streams import Stream
from feed.gateway.live import LiveStream


class Hops(NamedTuple):
    """Delays since the last look: from publishing until the gateway had a tick, and from then until the flush that
    wrote it to the clients of every tick was done. None where there were none."""

    publish_to_gateway: Summary | None
    gateway_to_socket: Summary | None


class Watched:
    """`streams` is empty while nobody asks: that is all that ticks are asked on their way."""

    def __init__(self) -> None:
        self.streams: dict[Stream, tuple[Delays, Delays]] = {}

    def keep(self, streams: Collection[Stream]) -> None:
        """Measures these from now on, and no others."""
        self.streams = {stream: self.streams.get(stream) or _nothing() for stream in streams}

    def take(self, stream: Stream) -> Hops:
        """What was measured since the last look."""
        if stream not in self.streams:
            return Hops(None, None)
        arrived, written = self.streams[stream]
        self.streams[stream] = _nothing()
        return Hops(arrived.summary(), written.summary())

    def taken(self, stream: Stream, batch: Batch) -> None:
        """A batch came off the bus."""
        if stream in self.streams and batch.ts_pub:  # what was read from the log has no time of publishing
            self.streams[stream][0].add(batch.ts_gateway - batch.ts_pub, len(batch.entries))

    def written(self, flushed: Iterable[LiveStream], now_ns: int) -> None:
        """What these have pending was written by now."""
        for live in flushed:
            # those who are in lanes, or have it at a rate, get it in their own time
            if live.stream in self.streams and any(not rate for rate, *_ in live.audience or ()):
                delays = self.streams[live.stream][1]
                for message in live.pending:
                    if message.tick is not None:
                        delays.add(now_ns - message.ts_gateway)


def _nothing() -> tuple[Delays, Delays]:
    return Delays(), Delays()
