"""A listener that keeps what the subscriber says, and lets a test wait for it."""

import asyncio
from collections.abc import Callable

from feed.bus.reading import Batch, Hole
from feed.core.streams import Position, Stream
from feed.core.ticks import Gap, Tick

# Of each stream, in the message of a test that fails.
SHOWN = 20


class Ear:
    """Per stream, everything in order: ("open", position), (seq, venue id), ("gap", first, last), ("epoch", seq)."""

    def __init__(self) -> None:
        self.heard: dict[str, list[tuple[object, ...]]] = {}
        self.last: dict[str, tuple[int, Tick] | None] = {}
        self.directory: frozenset[Stream] = frozenset()
        self.up = False
        self.stale: dict[str, frozenset[str] | None] = {}
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], object], what: str, timeout_s: float = 15.0) -> None:
        """Waits for a condition that some call makes true."""
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            last = {stream: said[-SHOWN:] for stream, said in self.heard.items()}
            raise AssertionError(f"never: {what}; heard last {last}") from None

    def ids(self, stream: Stream) -> list[int]:
        """Venue ids of the stream's ticks, in the order in which they came."""
        return [item[1] for item in self.heard.get(stream.name, []) if isinstance(item[0], int)]  # type: ignore[misc]

    def seqs(self, stream: Stream) -> list[int]:
        return [item[0] for item in self.heard.get(stream.name, []) if isinstance(item[0], int)]

    def said(self, stream: Stream, what: str) -> list[tuple[object, ...]]:
        return [item for item in self.heard.get(stream.name, []) if item[0] == what]

    def opened(self, stream: Stream, at: Position, last: tuple[int, Tick] | None) -> None:
        self.last[stream.name] = last
        self._add(stream, ("open", at.epoch, at.seq))

    def batch(self, stream: Stream, batch: Batch) -> None:
        for seq, entry in enumerate(batch.entries, batch.first):
            if isinstance(entry, Gap):
                self._add(stream, ("in-band", seq, entry.cause, entry.ids))
            else:
                self._add(stream, (seq, entry.id))

    def hole(self, stream: Stream, hole: Hole) -> None:
        self._add(stream, ("gap", hole.first, hole.last, hole.next.seq))

    def epoch(self, stream: Stream, at: Position) -> None:
        self._add(stream, ("epoch", at.seq))

    def symbols(self, feed: str, streams: frozenset[Stream]) -> None:  # noqa: ARG002 - one feed here
        self.directory |= streams
        self._changed.set()

    def sources(self, feed: str, stale: frozenset[str] | None) -> None:
        self.stale[feed] = stale
        self._changed.set()

    def connected(self, up: bool) -> None:
        self.up = up
        self._changed.set()

    def _add(self, stream: Stream, item: tuple[object, ...]) -> None:
        self.heard.setdefault(stream.name, []).append(item)
        self._changed.set()
