"""Which Redis process answers for which keys: one for all of them, or the masters of a cluster's shards.

Slots, redirections and the reply of CLUSTER SLOTS are as in the Redis Cluster specification (redis.io).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

SLOTS: Final = REDIS_CLUSTER_HASH_SLOTS
REDIRECTION: Final = re.compile(r"(MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})")
# Before a command whose key is ahead of its slot, where it is asked for.
ASKING: Final = ("ASKING",)
# A shard may not take a command just now, and will, or another will: it changes its master, or its slots.
PASSING: Final = ("TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "LOADING")
# For the host of a node that is to be called by its name (cluster-preferred-endpoint-type hostname) and was given none.
# Redirections say no more of it; CLUSTER SLOTS has its address beside it.
NAMELESS: Final = "?"
# A Sentinel's words for a master that it can't reach.
DOWN: Final = frozenset((b"s_down", b"o_down", b"disconnected"))


class Node(NamedTuple):
    """A Redis process, where it listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Redirection(NamedTuple):
    """A key's slot is at another node: from now on (`lasting`), or for this one command, which follows ASKING."""

    slot: int
    node: Node
    lasting: bool


class Topology:
    """The masters, and the slots of each. Equal where they are the same."""

    def __init__(self, slots: Mapping[Node, Iterable[range]]) -> None:
        """`slots` has each master's; a Redis that is no cluster has them all."""
        self._of: list[Node | None] = [None] * SLOTS
        for node, ranges in slots.items():
            for stretch in ranges:
                self._of[stretch.start : stretch.stop] = [node] * len(stretch)
        self.nodes: tuple[Node, ...] = tuple(sorted({node for node in self._of if node is not None}))

    @classmethod
    def single(cls, node: Node) -> "Topology":
        return cls({node: [range(SLOTS)]})

    @classmethod
    def of_reply(cls, reply: Sequence[Any], asked: Node) -> "Topology":
        """Of CLUSTER SLOTS' reply. A node that does not know its own host stands for the one that was `asked`.

        Raises ValueError for a reply that makes no sense.
        """
        slots: dict[Node, list[range]] = {}
        for part in reply:
            try:
                first, last, (host, port, *more), *_ = part
                node = Node(_host(host, more) or asked.host, int(port))
                stretch = range(int(first), int(last) + 1)
            except (TypeError, ValueError, AttributeError, KeyError) as error:
                raise ValueError(f"CLUSTER SLOTS answered {part!r}") from error
            if not 0 <= stretch.start < stretch.stop <= SLOTS:
                raise ValueError(f"CLUSTER SLOTS names slots {stretch.start} to {stretch.stop - 1}")
            slots.setdefault(node, []).append(stretch)
        return cls(slots)

    def node_of(self, key: str) -> Node | None:
        """Who answers for a key; None while nobody does."""
        return self.node_at(slot_of(key))

    def node_at(self, slot: int) -> Node | None:
        """Who answers for a slot's keys; None while nobody does."""
        return self._of[slot]

    def moved(self, redirection: Redirection) -> "Topology":
        """This, with what a lasting redirection says."""
        before = self._of[redirection.slot]
        changed = Topology.__new__(Topology)
        changed._of = list(self._of)
        changed._of[redirection.slot] = redirection.node
        # slots move by the thousand, each with a redirection of its own: all slots are not looked through for each
        nodes = {*self.nodes, redirection.node}
        if before is not None and before not in changed._of:
            nodes.discard(before)
        changed.nodes = tuple(sorted(nodes))
        return changed

    @property
    def whole(self) -> bool:
        """Whether somebody answers for every key."""
        return None not in self._of

    def tag_of(self, node: Node) -> str:
        """The smallest number that, as a hash tag, makes a key or channel of this node's. Raises KeyError where it has
        no slots."""
        if node not in self.nodes:
            raise KeyError(node)
        number = 0
        while self._of[slot_of(str(number))] != node:
            number += 1
        return str(number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and self._of == other._of

    def __hash__(self) -> int:
        return hash(self.nodes)


NOWHERE: Final = Topology({})


class View(NamedTuple):
    """What one node says of its cluster."""

    topology: Topology
    serving: bool
    """Whether it takes part: one that lost sight of the others goes on naming masters that have successors by now."""
    epoch: int
    """How much of the cluster's history it has seen: it rises with each election."""

    @classmethod
    def of_replies(cls, info: bytes, slots: Sequence[Any], asked: Node) -> "View":
        """Of CLUSTER INFO's and CLUSTER SLOTS' replies. Raises ValueError for those that make no sense."""
        told = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
        try:
            serving, epoch = told["cluster_state"] == "ok", int(told["cluster_current_epoch"])
        except (KeyError, ValueError) as error:
            raise ValueError(f"CLUSTER INFO answered {info!r}") from error
        return cls(Topology.of_reply(slots, asked), serving, epoch)

    @classmethod
    def of_sentinel(cls, master: Node, told: Sequence[bytes]) -> "View":
        """Of a Sentinel, by what it says to SENTINEL MASTER. One that began anew from its first configuration names the
        master of that time, and itself sees it down."""
        said = dict(zip(told[::2], told[1::2], strict=False))
        up = DOWN.isdisjoint(said.get(b"flags", b"").split(b","))
        return cls(Topology.single(master), up, int(said.get(b"config-epoch", 0)))

    @property
    def sound(self) -> bool:
        """Whether nobody else needs to be asked."""
        return self.serving and self.topology.whole

    @property
    def flaw(self) -> str:
        """What is wrong with one that is not sound."""
        return "serves, but not all slots" if self.serving else "its cluster_state is not ok"

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Of several that are not sound, the highest is the best."""
        return self.serving, self.topology.whole, self.epoch


def slot_of(key: str) -> int:
    """The slot of a key or sharded channel, by its hash tag where it has one."""
    return key_slot(key.encode())


def redirection(words: str, asked: Node) -> Redirection | None:
    """What an error says of where to go; None for other errors. Where it names no host, that of the node that was
    `asked` is meant."""
    found = REDIRECTION.fullmatch(words)
    if found is None or int(found[2]) >= SLOTS or found[3] == NAMELESS:
        return None
    return Redirection(int(found[2]), Node(found[3] or asked.host, int(found[4])), lasting=found[1] == "MOVED")


def passing(words: str) -> bool:
    """Whether an error is one of a moment in which a shard changes: another try, a little later, may be answered; or
    elsewhere, of a redirection that does not say where."""
    found = REDIRECTION.fullmatch(words)
    return words.startswith(PASSING) or (found is not None and found[3] == NAMELESS)


def unsettled(words: str) -> bool:
    """Whether an error says that the keys are elsewhere, on their way, or have nobody to answer for them just now."""
    return passing(words) or REDIRECTION.fullmatch(words) is not None


def _host(said: bytes | None, more: Sequence[Any]) -> str:
    """Of a node in CLUSTER SLOTS' reply, with what stands there after its port; "" where it is not said."""
    host = said.decode() if said else ""
    if host != NAMELESS:
        return host
    words = more[1] if len(more) > 1 else ()
    return dict(zip(words[::2], words[1::2], strict=False))[b"ip"].decode()  # type: ignore[no-any-return]
