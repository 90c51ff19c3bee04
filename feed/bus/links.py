"""Connections for questions: one to each master, made when needed, renewed where it is dead."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import Masters
from feed.bus.replies import Command
from feed.bus.topology import ASKING, NOWHERE, Node, Redirection, passing, redirection
from feed.settings import Redis

log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """Replies, and the Redis process that gave them. A command that was refused has a BusRefused for its reply."""

    run_id: str
    replies: list[Any]


class Links:
    """For one caller at a time. What is asked must be safe to ask again, but for what goes by `once`."""

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
        """Asks the master of a key; all commands must be of its slot. Raises BusDown, and BusRefused as `node_of`
        does."""
        return (await self.asks(key, [commands]))[0]

    async def asks(self, key: str, groups: Sequence[Sequence[Command]]) -> list[Answer]:
        """Asks the master of a key in one go; all groups must be of it, and each of one slot. Where a slot's keys have
        left it already, its group is asked again where they are. Raises as `ask` does."""
        node, (run_id, replies) = await self._ask(key, [command for group in groups for command in group])
        answers: list[Answer] = []
        for group in groups:
            answer = Answer(run_id, replies[: len(group)])
            del replies[: len(group)]
            to = next(filter(None, (self._turn(reply, node) for reply in answer.replies)), None)
            answers.append(answer if to is None else await self._lent(to, group))
        return answers

    async def once(self, key: str, command: Command) -> Any:
        """One command to the master of a key, its reply. It is run once, or not at all: no lost answer is asked for
        again, and a redirection, which says that it was not run, is followed. Raises BusDown (it may have been run all
        the same), and BusRefused with the server's words or as `node_of` does."""
        node = await self.node_of(key)
        answer = await self._on(node, await self._open(node), [command], turns=True)
        to = self._turn(answer.replies[0], node)
        if to is not None and to.lasting:
            self._topology = self._topology.moved(to)
            answer = await self._on(to.node, await self._open(to.node), [command])
        elif to is not None:
            answer = await self._lent(to, [command])
        (reply,) = answer.replies
        if isinstance(reply, BusRefused):
            raise reply
        return reply

    async def _lent(self, to: Redirection, group: Sequence[Command]) -> Answer:
        # within a transaction each command is taken so, and else the one that follows
        whole = group[0][0] == "MULTI"
        commands = [ASKING, *group] if whole else [each for command in group for each in (ASKING, command)]
        run_id, replies = await self._on(to.node, await self._open(to.node), commands)
        return Answer(run_id, replies[1:] if whole else replies[1::2])

    async def _ask(self, key: str, commands: Sequence[Command]) -> tuple[Node, Answer]:
        node = await self.node_of(key)
        kept = self._links.pop(node, None)
        if kept is not None:
            try:
                return node, await self._on(node, kept, commands)
            except BusDown as error:
                # it may have died since it last answered, or its master have changed
                log.debug("redis_connection_renewed", client=self._name, error=str(error))
                self._topology = NOWHERE
                node = await self.node_of(key)
        return node, await self._on(node, await self._open(node), commands)

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

    async def _on(self, node: Node, link: Link, commands: Sequence[Command], *, turns: bool = False) -> Answer:
        """Keeps a connection that answered, and no other. `turns`: also with where slots are by now."""
        try:
            replies = await link.calls(commands)
            self._check(replies, node, turns=turns)
        except BaseException:
            await link.close()
            raise
        self._links[node] = link
        return Answer(link.run_id, replies)

    def _check(self, replies: Sequence[Any], node: Node, *, turns: bool) -> None:
        """Raises BusDown where slots are at another master by now, unless it `turns` there, or nobody can answer just
        now."""
        for reply in replies:
            to = self._turn(reply, node)
            if self._passes(reply) if to is None else to.lasting and not turns:
                self._topology = NOWHERE
                raise BusDown(str(reply))

    def _turn(self, reply: Any, node: Node) -> Redirection | None:
        """Where a node's reply says that keys are."""
        return redirection(str(reply), node) if self._masters.sharded and isinstance(reply, BusRefused) else None

    def _passes(self, reply: Any) -> bool:
        return self._masters.sharded and isinstance(reply, BusRefused) and passing(str(reply))
