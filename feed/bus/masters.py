"""Finds the masters that the settings' URL leads to, and connects to them."""

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from pydantic import SecretStr
from redis.exceptions import AuthenticationError, ResponseError

from feed.bus.address import SENTINEL_PASSWORD, SENTINEL_USERNAME, Address, Kind, address_of
from feed.bus.connect import Link, connection_of
from feed.bus.errors import BusDown, BusRefused
from feed.bus.survey import Survey, survey
from feed.bus.topology import Node, Topology, View, passing
from feed.core.outage import Outage
from feed.settings import Redis

log = structlog.get_logger(__name__)

# Of a Redis that needs no finding: its URL says all that there is to know.
OWN: Final = Node("", 0)


class Masters:
    """One Redis, the master that Sentinels know, or those of a cluster. Each `find` asks anew, each `open` connects."""

    def __init__(self, settings: Redis, name: str) -> None:
        """`name` shows in CLIENT LIST of those who are asked. Raises BusRefused for a URL that makes no sense."""
        try:
            self._address: Address = address_of(settings.url)
        except ValueError as error:
            raise BusRefused(f"redis.url: {error}") from None
        self._settings = settings
        self._name = name
        self._known: tuple[Node, ...] = ()
        self._admitted = False
        self._unsound = Outage()

    @property
    def sharded(self) -> bool:
        """Whether keys and channels are spread over several masters: commands that go to shards are other ones."""
        return self._address.kind is Kind.CLUSTER

    def check(self) -> None:
        """Raises BusRefused for settings with which nobody can be asked, and asks nobody."""
        for settings in [self._at(node) for node in self._address.seeds] or [self._settings]:
            connection_of(settings, self._name)

    async def find(self) -> Topology:
        """The masters of the moment. Raises BusDown where nobody tells, BusRefused where that can never work."""
        if self._address.kind is Kind.SINGLE:
            return Topology.single(OWN)
        nodes = tuple(dict.fromkeys((*self._known, *self._address.seeds)))
        found = await survey(nodes, self._ask_node if self.sharded else self._ask_sentinel)
        # whoever knew is asked first the next time, then those that were masters last: seeds may be long gone
        self._known = (found.of, *(found.view.topology.nodes if self.sharded else ()))
        if self.sharded:
            self._tell(found)
        return found.view.topology

    async def open(self, node: Node, name: str, ended: Callable[[], None] = lambda: None) -> Link:
        """Connects to a master; see Link.open. Raises BusDown also where it is none, or not any more."""
        if node == OWN:
            return await Link.open(self._settings, name, ended)
        link = await self._link(self._at(node), name, ended)
        try:
            if (await self._ask(link, node, "ROLE"))[0] != b"master":
                self._doubt()
                raise BusDown(f"{node} is no master")
        except BaseException:
            await link.close()
            raise
        return link

    async def open_for(self, key: str, name: str, ended: Callable[[], None] = lambda: None) -> Link:
        """Looks who answers for a key, and connects there. Raises BusDown and BusRefused as `find` and `open` do."""
        node = (await self.find()).node_of(key)
        if node is None:
            raise BusDown(f"no master answers for {key}")
        return await self.open(node, name, ended)

    def _doubt(self) -> None:
        """A Sentinel that named what is no master has not heard of the successor: the others are asked before it."""
        if self._known and not self.sharded:
            of = self._known[0]
            self._known = (*(seed for seed in self._address.seeds if seed != of), of)

    async def _ask_node(self, node: Node) -> View:
        link = await self._link(self._at(node), self._name)
        try:
            info = await self._ask(link, node, "CLUSTER", "INFO")
            view = View.of_replies(info, await self._ask(link, node, "CLUSTER", "SLOTS"), node)
        except ValueError as error:
            raise BusDown(str(error)) from error
        finally:
            await link.close()
        if not view.topology.nodes:
            raise BusDown("knows no masters: it is in no cluster yet, or not any more")
        return view

    async def _ask(self, link: Link, node: Node, *command: str) -> Any:
        """Raises BusRefused where nobody was found yet, and the settings may be wrong; BusDown where that node starts,
        or is the only one to refuse."""
        try:
            return await link.call(*command)
        except BusRefused as error:
            words = f"{node} answered {' '.join(command)}: {error}"
            raise (BusDown(words) if self._known or passing(str(error)) else BusRefused(words)) from error

    async def _ask_sentinel(self, node: Node) -> View:
        own = {"url": self._address.sentinels.at(node), "username": "", "password": SecretStr("")}
        try:
            link = await self._link(self._settings.model_copy(update=own), self._name)
        except BusRefused as error:
            words = f"the Sentinel {node}: {error}"
            if isinstance(error.__cause__, AuthenticationError | ResponseError):
                words += f"; its own are {SENTINEL_USERNAME} and {SENTINEL_PASSWORD} in redis.url"
            raise BusRefused(words) from error
        try:
            answer = await self._ask(link, node, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service)
            if answer is None:
                raise BusDown(f"knows no master {self._address.service!r}")
            told = await self._ask(link, node, "SENTINEL", "MASTER", self._address.service)
        finally:
            await link.close()
        host, port = answer
        return View.of_sentinel(Node(host.decode(), int(port)), told)

    def _tell(self, found: Survey) -> None:
        """What the log says of a cluster that does not serve all keys, and of one that does again."""
        now = time.monotonic()
        if not found.view.sound:
            if self._unsound.begins(found.trouble, now):
                log.warning("redis_cluster_lost", client=self._name, error=found.trouble)
        elif (away_s := self._unsound.ends(now)) is not None:
            log.info("redis_cluster_back", client=self._name, away_s=away_s)

    async def _link(self, settings: Redis, name: str, ended: Callable[[], None] = lambda: None) -> Link:
        try:
            link = await Link.open(settings, name, ended)
        except BusRefused as error:
            raise self._refused(str(error)) from error.__cause__
        self._admitted = True
        return link

    def _refused(self, words: str) -> BusDown | BusRefused:
        """What one node refuses after others let us in is a fault of that node: it may have joined a moment ago."""
        return BusDown(words) if self._admitted else BusRefused(words)

    def _at(self, node: Node) -> Redis:
        return self._settings.model_copy(update={"url": self._address.redis.at(node)})
