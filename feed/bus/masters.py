"""Finds the masters that the settings' URL leads to, and connects to them."""

from collections.abc import Callable
from typing import Final

from pydantic import SecretStr

from feed.bus.address import Address, Kind, address_of
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.topology import Node, Topology
from feed.settings import Redis

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

    @property
    def sharded(self) -> bool:
        """Whether keys and channels are spread over several masters: commands that go to shards are other ones."""
        return self._address.kind is Kind.CLUSTER

    async def find(self) -> Topology:
        """The masters of the moment. Raises BusDown where nobody tells, BusRefused where that can never work."""
        if self._address.kind is Kind.SINGLE:
            return Topology.single(OWN)
        trouble: list[str] = []
        # those that were masters last are asked first: seeds may be long gone
        nodes = (*self._known, *self._address.seeds) if self.sharded else self._address.seeds
        for node in dict.fromkeys(nodes):
            try:
                found = await (self._ask_node(node) if self.sharded else self._ask_sentinel(node))
            except BusDown as error:
                trouble.append(f"{node}: {error}")
                continue
            self._known = found.nodes
            return found
        raise BusDown("; ".join(trouble))

    async def open(self, node: Node, name: str, ended: Callable[[], None] = lambda: None) -> Link:
        """Connects to a master; see Link.open. Raises BusDown also where it is none, or not any more."""
        if node == OWN:
            return await Link.open(self._settings, name, ended)
        link = await self._link(self._at(node), name, ended)
        try:
            if (await link.call("ROLE"))[0] != b"master":
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

    async def _ask_node(self, node: Node) -> Topology:
        link = await self._link(self._at(node), self._name)
        try:
            return Topology.of_reply(await link.call("CLUSTER", "SLOTS"), node)
        except ValueError as error:
            raise BusDown(str(error)) from error
        except BusRefused as error:
            words = f"{node} answered CLUSTER SLOTS: {error}"
            raise (BusDown(words) if self._known else BusRefused(words)) from error
        finally:
            await link.close()

    async def _ask_sentinel(self, node: Node) -> Topology:
        own = {"url": self._address.sentinels.at(node), "username": "", "password": SecretStr("")}
        link = await self._link(self._settings.model_copy(update=own), self._name)
        try:
            answer = await link.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service)
        except BusRefused as error:
            words = f"{node} answered SENTINEL: {error}"
            raise (BusDown(words) if self._known else BusRefused(words)) from error
        finally:
            await link.close()
        if answer is None:
            raise BusDown(f"knows no master {self._address.service!r}")
        host, port = answer
        return Topology.single(Node(host.decode(), int(port)))

    async def _link(self, settings: Redis, name: str, ended: Callable[[], None] = lambda: None) -> Link:
        try:
            link = await Link.open(settings, name, ended)
        except BusRefused as error:
            raise self._refused(str(error)) from error
        self._admitted = True
        return link

    def _refused(self, words: str) -> BusDown | BusRefused:
        """What one node refuses after others let us in is a fault of that node: it may have joined a moment ago."""
        return BusDown(words) if self._admitted else BusRefused(words)

    def _at(self, node: Node) -> Redis:
        return self._settings.model_copy(update={"url": self._address.redis.at(node)})
