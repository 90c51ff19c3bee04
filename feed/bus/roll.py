"""What a worker tells Redis beside its ticks: that it lives and what it hears, and which streams its feed has."""

import os
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from feed.bus import names
from feed.bus.beats import BEAT_S, EXPIRES_S, Beat, Silent, pack_beat
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.lane import Lane
from feed.bus.script import Terms
from feed.bus.topology import Node, Topology, redirection
from feed.core.shards import Share

ALIVE: Final = int(EXPIRES_S * 1_000)


class Said(NamedTuple):
    """What came of a call of the roll: whether the master was heard, when it is due again, and which streams are in the
    directory from now on."""

    heard: bool
    due: float
    entered: list[Lane]


class Roll:
    """A worker's, told over the connections that there are: each to the master that it belongs to."""

    def __init__(self, feed: str, terms: Terms, silent: Callable[[], Silent], share: Share | None) -> None:
        """`silent` says of which symbols the source hears nothing at the moment; `share` is None where it reads all."""
        self._terms = terms
        self._silent = silent
        self._share = share
        self._worker = names.worker_key(feed, terms.worker)
        self._beats = names.workers_channel(feed)
        self._directory = names.symbols_key(feed)
        self._due: dict[Node, float] = {}
        self._waiting: list[Lane] = []

    def enter(self, lanes: Iterable[Lane]) -> None:
        """These streams are new to the directory, or may be."""
        self._waiting += lanes

    def keeper(self, topology: Topology) -> Node | None:
        """The master that has the feed's directory."""
        return topology.node_of(self._directory)

    def forget(self, node: Node) -> None:
        """There is no connection to that master any more."""
        self._due.pop(node, None)

    async def call(self, link: Link, node: Node, topology: Topology, now: float) -> Said:
        """Does what is due at one master at monotonic time `now`. Raises BusDown, also where another master is to be
        asked by now."""
        due = self._due.get(node, 0.0)
        beaten = now >= due
        try:
            if beaten:
                await self._beat(link, node, topology)
                due = self._due[node] = now + BEAT_S
            entered = await self._enter(link) if self._waiting and self.keeper(topology) == node else []
        except BusRefused as refused:
            if redirection(str(refused)) is None:
                raise
            raise BusDown(str(refused)) from refused
        return Said(beaten or bool(entered), due, entered)

    async def _beat(self, link: Link, node: Node, topology: Topology) -> None:
        """Two workers of one name are told apart by their life."""
        commands: list[tuple[Any, ...]] = []
        if topology.node_of(self._worker) == node:
            commands.append(("SET", self._worker, os.getpid(), "PX", ALIVE))
        if topology.node_of(self._beats) == node:
            beat = Beat(f"{self._terms.worker}/{self._terms.life}", self._silent(), self._share)
            commands.append((self._terms.publish, self._beats, pack_beat(beat)))
        # a master that hangs is found by its silence
        for command in commands or [("PING",)]:
            await link.call(*command)

    async def _enter(self, link: Link) -> list[Lane]:
        lanes, self._waiting = self._waiting, []
        entries = [lane.stream.name for lane in lanes]
        try:
            if await link.call("SADD", self._directory, *entries):
                await link.call(self._terms.publish, self._directory, "\n".join(entries))
        except BaseException:
            self._waiting += lanes
            raise
        return lanes
