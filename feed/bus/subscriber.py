"""Reads the wanted streams off Redis pub/sub, each from its master."""

import asyncio
import time

from feed.bus import names
from feed.bus.errors import BusRefused
from feed.bus.hearing import Workers
from feed.bus.lookout import Lookout
from feed.bus.masters import Masters
from feed.bus.reader import Reader
from feed.bus.reading import Listener, Reading
from feed.bus.subscriber_meters import SubscriberMeters
from feed.bus.topology import NOWHERE, Node, Topology
from feed.core.streams import Position, Stream
from feed.lifecycle import leaves
from feed.settings import Values


class Subscriber:
    """Keeps the set of wanted streams, and a reader for each master; tells the listener what comes.

    A stream whose slot moves goes on at its new master from where it stood.
    """

    def __init__(self, values: Values, listener: Listener, name: str = "feed-gateway") -> None:
        """`name` shows in CLIENT LIST. Raises BusRefused for a `redis.url` that makes no sense."""
        self._listener = listener
        self._name = name
        self._masters = Masters(values.redis, name)
        self._lookout = Lookout(self._masters, self.spread)
        self._topology = NOWHERE
        self._readings: dict[bytes, Reading] = {}
        self._directories: dict[bytes, str] = {}
        self._workers: dict[bytes, Workers] = {}
        self._readers: dict[Node, Reader] = {}
        self._tasks: dict[Node, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._began = time.monotonic()
        self._meters = SubscriberMeters()
        self._meters.watch(lambda: min((reader.heard for reader in self._readers.values()), default=self._began))

    def want(self, stream: Stream, since: Position | None = None) -> None:
        """Begins to read a stream: from its present position, or from after `since`."""
        channel = names.channel(stream).encode()
        self._readings[channel] = Reading(stream, since)
        self._placed(channel)

    def unwant(self, stream: Stream) -> None:
        """Stops reading a stream; nothing of it reaches the listener after this call."""
        channel = names.channel(stream).encode()
        self._readings.pop(channel, None)
        for reader in self._readers.values():
            reader.unwant(channel)

    def want_directory(self, feed: str) -> None:
        """Begins to follow a feed's symbols."""
        channel = names.symbols_key(feed).encode()
        self._directories[channel] = feed
        self._placed(channel)

    def want_workers(self, feed: str) -> None:
        """Begins to follow whether the feed's workers hear their source. What they say is told as `sources`."""
        channel = names.workers_channel(feed).encode()
        self._workers[channel] = Workers(feed)
        self._placed(channel)

    async def run(self) -> None:
        """Reads until cancelled. Raises BusRefused where the configuration can never work."""
        try:
            async with asyncio.TaskGroup() as self._group:
                await self._lookout.run()
        except BaseExceptionGroup as faults:
            refused = faults.subgroup(BusRefused)
            raise (faults if refused is None else leaves(refused)[0]) from faults
        finally:
            self._group = None
            self.spread(NOWHERE)

    def astray(self) -> None:
        self._lookout.astray()

    def linked(self) -> None:
        up = bool(self._readers) and all(reader.up for reader in self._readers.values())
        self._meters.connected(up)
        self._listener.connected(up)

    def spread(self, topology: Topology) -> None:
        """Reads each stream from its master as of now."""
        if topology == self._topology:
            for reader in self._readers.values():
                reader.looked()
            return
        before, self._topology = self._topology, topology
        for node in set(self._readers).difference(topology.nodes):
            del self._readers[node]
            self._tasks.pop(node).cancel()
        for node in topology.nodes:
            if node in self._readers:
                self._readers[node].keep(topology, self._heartbeat(node))
            else:
                self._open(node)
        for channel in (*self._readings, *self._directories, *self._workers):
            key = channel.decode()
            if topology.node_of(key) != before.node_of(key):
                self._placed(channel)
        self.linked()

    def _open(self, node: Node) -> None:
        reader = Reader(node, self._masters, self, self._listener, self._meters, self._heartbeat(node), self._name)
        self._readers[node] = reader
        assert self._group is not None
        self._tasks[node] = self._group.create_task(reader.run())

    def _heartbeat(self, node: Node) -> str:
        return names.heartbeat(self._topology.tag_of(node) if self._masters.sharded else "")

    def _placed(self, channel: bytes) -> None:
        """Has what belongs to a channel read from its master; while nobody answers for it, it waits."""
        node = self._topology.node_of(channel.decode())
        if node is None:
            return
        reader = self._readers[node]
        if channel in self._readings:
            reader.want(channel, self._readings[channel])
        elif channel in self._directories:
            reader.want_directory(channel, self._directories[channel])
        else:
            reader.want_workers(channel, self._workers[channel])
