"""What a worker tells Redis beside its ticks: that it lives and what it hears, and which streams its feed has."""

import os
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from feed.bus import names
from feed.bus.beats import BEAT_S, EXPIRES_S, Beat, Silent, pack_beat
from feed.bus.connect import Link
from feed.bus.errors import BusRefused
from feed.bus.lane import Lane
from feed.bus.script import Terms
from feed.bus.topology import ASKING, Node, Redirection, Topology, redirection
from feed.core.shards import Share

ALIVE: Final = int(EXPIRES_S * 1_000)


class Said(NamedTuple):
    """What came of a call of the roll: whether the master was heard, when it is due again, which streams are in the
    directory from now on, and where it said that others are to be told."""

    heard: bool
    due: float
    entered: list[Lane]
    turned: list[Redirection]


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
        self._waiting: dict[Lane, None] = {}  # not in the directory yet, or nobody knows
        self._lent: dict[str, Node] = {}  # keys that are at another master already, though their slot is not
        self._turned: list[Redirection] = []

    def enter(self, lanes: Iterable[Lane]) -> None:
        """These streams are new to the directory, or may be."""
        self._waiting.update(dict.fromkeys(lanes))

    def keeper(self, topology: Topology) -> Node | None:
        """The master that has the feed's directory."""
        return self._at(self._directory, topology)

    def forget(self, node: Node) -> None:
        """There is no connection to that master any more."""
        self._due.pop(node, None)

    async def call(self, link: Link, node: Node, topology: Topology, now: float) -> Said:
        """Does what is due at one master at monotonic time `now`. Raises BusDown, and BusRefused for what it does not
        take; what belongs to another master is left for that one's call."""
        due = self._due.get(node, 0.0)
        beaten = now >= due
        if beaten:
            await self._beat(link, node, topology)
            due = self._due[node] = now + BEAT_S
        entered = await self._enter(link, node) if self._waiting and self.keeper(topology) == node else []
        turned, self._turned = self._turned, []
        return Said(beaten or bool(entered), due, entered, turned)

    async def _beat(self, link: Link, node: Node, topology: Topology) -> None:
        """Two workers of one name are told apart by their life."""
        mine, beats = self._at(self._worker, topology) == node, self._at(self._beats, topology) == node
        if mine:
            await self._tell(link, node, self._worker, "SET", self._worker, os.getpid(), "PX", ALIVE)
        if beats:
            beat = Beat(f"{self._terms.worker}/{self._terms.life}", self._silent(), self._share)
            await self._tell(link, node, self._beats, self._terms.publish, self._beats, pack_beat(beat))
        if not mine and not beats:
            await link.call("PING")  # a master that hangs is found by its silence

    async def _enter(self, link: Link, node: Node) -> list[Lane]:
        lanes, self._waiting = self._waiting, {}
        entries = [lane.stream.name for lane in lanes]
        added = None
        try:
            added = await self._tell(link, node, self._directory, "SADD", self._directory, *entries)
            if added:
                await self._tell(link, node, self._directory, self._terms.publish, self._directory, "\n".join(entries))
        finally:
            if added is None:
                self._waiting = {**lanes, **self._waiting}
        return [] if added is None else list(lanes)

    def _at(self, key: str, topology: Topology) -> Node | None:
        """Who is to be told what concerns a key."""
        lent, owner = self._lent.get(key), topology.node_of(key)
        if lent is None or lent == owner:
            self._lent.pop(key, None)
            return owner
        return lent

    async def _tell(self, link: Link, node: Node, key: str, *command: str | bytes | int) -> Any:
        """The reply; None where another master is to be told, which the next call does."""
        asking = [ASKING] if self._lent.get(key) == node else []
        *_, reply = await link.calls([*asking, command])
        if not isinstance(reply, BusRefused):
            return reply
        to = redirection(str(reply), node) if self._terms.sharded else None
        if to is None:
            raise reply
        self._lent.pop(key, None)
        if not to.lasting:
            self._lent[key] = to.node
        self._turned.append(to)
        return None
