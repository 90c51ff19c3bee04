"""Publishes a feed's ticks: one script call per stream and flush, one in flight per stream, to the stream's master."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Collection, Iterable
from heapq import heapify, heappop, heapreplace
from secrets import token_urlsafe
from typing import Final

import structlog

from feed.bus import names
from feed.bus.beats import HEARS_ALL, Silent
from feed.bus.connect import Link
from feed.bus.entry import pack
from feed.bus.errors import BusRefused
from feed.bus.lane import Lane
from feed.bus.lookout import Lookout
from feed.bus.masters import Masters
from feed.bus.outlet import Outlet
from feed.bus.publish_meters import PublishMeters
from feed.bus.pubsub import ELSEWHERE
from feed.bus.roll import Roll
from feed.bus.script import Terms
from feed.bus.topology import NOWHERE, Node, Redirection, Topology, slot_of
from feed.core.shards import Share
from feed.core.streams import Stream
from feed.core.ticks import NS_PER_S, Tick, kind_of
from feed.lifecycle import leaves
from feed.settings import Values

# How much of a full buffer is kept: all streams are looked through for each bit of it that is dropped.
ROOM: Final = 63 / 64

log = structlog.get_logger(__name__)


class Publisher:
    """Takes ticks at any time without waiting; `run` brings them to Redis, in order within each stream.

    What Redis can't take meanwhile waits, up to `publish.buffer_bytes` and `publish.buffer_s`; then the oldest are
    dropped, and an in-band gap with cause "ingest" says so.
    """

    def __init__(
        self,
        values: Values,
        feed: str,
        contiguous: frozenset[str],
        silent: Callable[[], Silent] = lambda: HEARS_ALL,
        share: Share | None = None,
        anew: bool = False,
    ) -> None:
        """`silent` says of which symbols the source hears nothing at the moment; `share` is what it reads, None where
        that is all of the feed; `anew`, that its ids begin anew. Raises BusRefused for a `redis.url` that makes no
        sense."""
        self.feed = feed
        self.worker_id = values.ingest.worker_id or socket.gethostname()
        self.buffered_bytes = 0
        self._values = values
        self._contiguous = contiguous
        self._anew = anew
        self._masters = Masters(values.redis, f"feed-ingest-{feed}")
        self._terms = Terms.of(values, self.worker_id, token_urlsafe(6), sharded=self._masters.sharded)
        self._roll = Roll(feed, self._terms, silent, share)
        self._buffer_bytes = values.publish.buffer_bytes
        self._buffer_ns = int(values.publish.buffer_s * NS_PER_S)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._topology = NOWHERE
        self._outlets: dict[Node, Outlet] = {}
        self._stranded: dict[Lane, None] = {}  # with something to send, and nowhere to send it yet
        self._settled = asyncio.Event()
        self._settled.set()
        self._lookout = Lookout(self._masters, self.spread)
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[Node, asyncio.Task[None]] = {}
        # Numbers go on rising over restarts of this worker, so that a call delayed in a dead connection stays old.
        self._number = time.time_ns() // 1000
        self._meters = PublishMeters(feed)
        self._meters.watch(self._buffer_bytes, lambda: self.buffered_bytes, self.oldest_s)

    def offer(self, tick: Tick) -> None:
        """Takes a tick for its stream. Raises ValueError for one that no stream can carry."""
        kind = kind_of(tick)
        lane = self._lanes.get((kind, tick.symbol)) or self._new_lane(kind, tick.symbol)
        self.buffered_bytes += lane.offer(tick, pack(tick))
        while lane.oldest_age_ns(tick.ts_recv) > self._buffer_ns:
            self._drop_oldest(lane)
        if self.buffered_bytes > self._buffer_bytes:
            self._make_room()
        if lane.call is None and not lane.queued and lane.waiting:
            self._settled.clear()
            self.place(lane)

    def _make_room(self) -> None:
        """Drops the oldest ticks of all streams: what a master that is away has not taken may not cost those of the
        others, which only pass through."""
        waiting = [(lane.oldest_ts, at, lane) for at, lane in enumerate(self._lanes.values()) if lane.waiting]
        heapify(waiting)
        while waiting and self.buffered_bytes > self._buffer_bytes * ROOM:
            _, at, lane = waiting[0]
            self._drop_oldest(lane)
            if lane.waiting:
                heapreplace(waiting, (lane.oldest_ts, at, lane))
            else:
                heappop(waiting)

    def _drop_oldest(self, lane: Lane) -> None:
        self.buffered_bytes -= lane.drop_oldest()
        self._meters.dropped()
        outlet = self._outlet_of(lane)
        if outlet is not None:
            outlet.drop(lane)

    def reconnected(self, symbols: Collection[str]) -> None:
        """The source lost the connection that brings these: what comes next can't vouch for what came before."""
        lost = frozenset(symbols)
        for (_, symbol), lane in self._lanes.items():
            if symbol in lost:
                lane.interrupted()

    def connected(self) -> bool:
        """Whether Redis is there at this moment, all masters of it."""
        outlets = [self._outlets.get(node) for node in self._topology.nodes]
        return bool(outlets) and all(outlet is not None and outlet.link is not None for outlet in outlets)

    def lane(self, stream: Stream) -> Lane | None:
        """A stream's ticks on their way out; None where there was none yet."""
        return self._lanes.get((stream.kind, stream.symbol))

    def oldest_s(self) -> float:
        """How long ago the oldest tick was received that Redis has not taken; 0 where it has taken all."""
        waiting = [since for lane in self._lanes.values() if (since := lane.waiting_since_ns)]
        return max(0, time.time_ns() - min(waiting)) / NS_PER_S if waiting else 0.0

    async def run(self) -> None:
        """Publishes until cancelled. Reconnects by itself; raises BusRefused where that can never work."""
        self._meters.connected(False)
        try:
            async with asyncio.TaskGroup() as self._group:
                await self._lookout.run()
        except BaseExceptionGroup as faults:
            refused = faults.subgroup(BusRefused)
            raise (faults if refused is None else leaves(refused)[0]) from faults
        finally:
            self._group = None
            self.spread(NOWHERE)

    async def drain(self, timeout_s: float) -> bool:
        """Waits until all that was offered has been published; False if that takes longer than `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        return self._settled.is_set()

    def lanes_of(self, node: Node) -> Iterable[Lane]:
        return [lane for lane in self._lanes.values() if self._topology.node_at(lane.slot) == node]

    def place(self, lane: Lane) -> None:
        if lane.call is None and not lane.waiting:
            return  # what it had was given up for lack of room
        outlet = self._outlet_of(lane)
        if outlet is None or not lane.registered:
            self._stranded[lane] = None
        else:
            outlet.ready(lane)

    def redirected(self, lane: Lane, to: Redirection) -> None:
        self._turn(to)
        if to.lasting:
            self.place(lane)
        else:
            self.outlet_at(to.node).ready(lane, asking=True)

    def ahead(self, lane: Lane) -> None:
        outlet = self._outlet_of(lane)
        if outlet is not None:
            outlet.say(self._terms.publish, names.channel(lane.stream), ELSEWHERE)

    def astray(self) -> None:
        self._lookout.astray()

    def linked(self, node: Node, *, up: bool) -> None:
        self._meters.connected(self.connected())
        if up and node == self._roll.keeper(self._topology):
            # Redis may have come back without its directory
            self._roll.enter(self._lanes.values())

    def new_number(self, above: int = 0) -> int:
        self._number = max(self._number, above) + 1
        return self._number

    def begun_anew(self, lane: Lane) -> None:
        self._enter(lane)

    def settle(self) -> None:
        if not self._stranded and all(outlet.idle for outlet in self._outlets.values()):
            self._settled.set()

    async def report(self, link: Link, node: Node, now: float) -> float:
        said = await self._roll.call(link, node, self._topology, now)
        if said.heard:
            self._meters.heard(time.monotonic())
        for to in said.turned:
            self._turn(to)
        for lane in said.entered:
            lane.registered = True
        if said.entered:
            self._unstrand()
        return said.due

    def spread(self, topology: Topology) -> None:
        """Publishes each stream to its master as of now."""
        self._topology = topology
        for node in topology.nodes:
            self.outlet_at(node)
        for node in set(self._outlets).difference(topology.nodes):
            self._close(node)
        for outlet in self._outlets.values():
            for lane in outlet.leave(topology):
                self.place(lane)
        self._unstrand()

    def outlet_at(self, node: Node) -> Outlet:
        """The outlet of a master, opened where there is none."""
        outlet = self._outlets.get(node)
        if outlet is None:
            outlet = Outlet(node, self._values, self, self._terms, self._meters, self._masters.open)
            self._outlets[node] = outlet
            if self._group is not None:
                self._tasks[node] = self._group.create_task(outlet.run())
        return outlet

    def _turn(self, to: Redirection) -> None:
        """Goes by what a master said of who answers for a slot."""
        if to.lasting:
            if self._topology.node_at(to.slot) != to.node:  # another stream of the slot may have said so
                self.spread(self._topology.moved(to))
            self.astray()  # one slot seldom moves alone
        else:
            self.outlet_at(to.node).wake()

    def _unstrand(self) -> None:
        stranded, self._stranded = self._stranded, {}
        for lane in stranded:
            self.place(lane)

    def _close(self, node: Node) -> None:
        task = self._tasks.pop(node, None)
        if task is not None:
            task.cancel()
        self._roll.forget(node)
        outlet = self._outlets.pop(node)
        outlet.scatter()
        for lane in outlet.leave(NOWHERE):
            self.place(lane)

    def _new_lane(self, kind: str, symbol: str) -> Lane:
        stream = Stream(self.feed, kind, symbol)
        lane = Lane(stream, kind in self._contiguous, self._anew, slot_of(names.channel(stream)))
        lane.candidate = token_urlsafe(6)
        self._lanes[kind, symbol] = lane
        self._enter(lane)
        return lane

    def _outlet_of(self, lane: Lane) -> Outlet | None:
        node = self._topology.node_at(lane.slot)
        return None if node is None else self._outlets.get(node)

    def _enter(self, lane: Lane) -> None:
        self._roll.enter([lane])
        keeper = self._roll.keeper(self._topology)
        if keeper in self._outlets:
            self._outlets[keeper].wake()
