"""Connections for questions that may be asked twice: one to each master, made when needed, renewed where it is dead."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import Masters
from feed.bus.replies import Command
from feed.bus.topology import NOWHERE, Node, passing, redirection
from feed.settings import Redis

log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """Replies, and the Redis process that gave them. A command that was refused has a BusRefused for its reply."""

    run_id: str
    replies: list[Any]


class Links:
    """For one caller at a time. What is asked must be safe to ask again."""

    def __init__(self, settings: Redis, name: str) -> None:
        """`name` shows in CLIENT LIST."""
        self._masters = Masters(settings, name)
        self._name = name
        self._topology = NOWHERE
        self._links: dict[Node, Link] = {}

    async def node_of(self, key: str) -> Node:
        """Who answers for a key, as far as is known. Raises BusDown, and BusRefused for settings that can't work."""
        if self._topology == NOWHERE:
            self._topology = await self._masters.find()
        node = self._topology.node_of(key)
        if node is None:
            self._topology = NOWHERE
            raise BusDown(f"no master answers for {key}")
        return node

    async def ask(self, key: str, commands: Sequence[Command]) -> Answer:
        """Asks the master of a key; all commands must be of it. Raises BusDown, and BusRefused as `node_of` does."""
        node = await self.node_of(key)
        kept = self._links.pop(node, None)
        if kept is not None:
            try:
                return await self._on(node, kept, commands)
            except BusDown as error:
                # it may have died since it last answered, or its master have changed
                log.debug("redis_connection_renewed", client=self._name, error=str(error))
                self._topology = NOWHERE
                node = await self.node_of(key)
        return await self._on(node, await self._open(node), commands)

    async def close(self) -> None:
        links, self._links = self._links, {}
        for link in links.values():
            await link.close()

    async def _open(self, node: Node) -> Link:
        kept = self._links.pop(node, None)
        if kept is not None:
            return kept
        try:
            return await self._masters.open(node, self._name)
        except BusDown:
            self._topology = NOWHERE  # it may be gone for good, and another in its place
            raise

    async def _on(self, node: Node, link: Link, commands: Sequence[Command]) -> Answer:
        """Keeps a connection that answered, and no other."""
        try:
            replies = await link.calls(commands)
            self._check(replies)
        except BaseException:
            await link.close()
            raise
        self._links[node] = link
        return Answer(link.run_id, replies)

    def _check(self, replies: Sequence[Any]) -> None:
        """Raises BusDown where the keys are at another master by now, or on their way."""
        if not self._masters.sharded:
            return
        for reply in replies:
            words = str(reply) if isinstance(reply, BusRefused) else ""
            if redirection(words) is not None or passing(words):
                self._topology = NOWHERE
                raise BusDown(words)
