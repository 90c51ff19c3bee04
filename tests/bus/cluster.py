"""A real cluster on this machine, of Valkey or Redis: masters with replicas that fail over, and slots that move."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import RedisError

from feed.bus.embedded import HOST, EmbeddedServer
from feed.bus.topology import SLOTS, Node

# Shorter than a node's timeout, so that a test does not wait for one that is dead.
ANSWER_S = 1.0
FORMED_WITHIN_S = 30.0
POLL_S = 0.02
# What MIGRATE moves in one go, and for how long it may hold up both nodes.
KEYS_AT_ONCE = 100
MIGRATE_MS = 5_000


class Member:
    """One node: its server, which keeps its port over restarts, and a connection to ask it with."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self.node = Node(HOST, server.port)
        self._client = redis.Redis(
            host=HOST, port=server.port, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S, protocol=2
        )

    def __call__(self, *command: Any) -> Any:
        return self._client.execute_command(*command)

    def asking(self, *command: Any) -> Any:
        """Asks for a key that came before its slot."""
        line = self._client.pipeline(transaction=False)
        line.execute_command("ASKING")
        line.execute_command(*command)
        return line.execute()[1]

    @property
    def id(self) -> str:
        return str(self("CLUSTER", "MYID").decode())

    @property
    def master(self) -> bool:
        return bool(self("ROLE")[0] == b"master")

    def close(self) -> None:
        self._client.close()
        self.server.stop()


class Cluster:
    """`members` begin with those that were masters at the start."""

    def __init__(self, members: Sequence[Member], masters: int) -> None:
        self.members = list(members)
        self._masters = masters

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(str(member.node) for member in self.members[: self._masters])

    def masters(self) -> list[Member]:
        """Those that answer, and say that they are."""
        return [member for member in self.members if member.server.pid is not None and _says(member, "master")]

    def owner(self, slot: int) -> Member:
        """The master of a slot, as the most of the others see it: by whoever answers first."""
        for member in self.members:
            if member.server.pid is None:
                continue
            try:
                parts = member("CLUSTER", "SLOTS")
            except RedisError:
                continue
            ports = [part[2][1] for part in parts if part[0] <= slot <= part[1]]
            return next(other for other in self.members if other.node.port == ports[0])
        raise AssertionError("no node of the cluster answers")

    def replica_of(self, master: Member) -> Member:
        """One of its replicas."""
        found = [line.split() for line in master("CLUSTER", "NODES").decode().splitlines()]
        ids = {line[0] for line in found if line[3] == master.id}
        return next(m for m in self.members if m.server.pid is not None and m is not master and m.id in ids)

    def move(self, slot: int, to: Member) -> None:
        """Moves a slot with its keys, as `redis-cli --cluster reshard` does it."""
        source = self.owner(slot)
        if source is to:
            return
        self.open(slot, to)
        self.carry(slot, to)
        self.close_at(slot, to)

    def close_at(self, slot: int, to: Member) -> None:
        """Ends the move of a slot whose keys have gone."""
        source = self.owner(slot)
        for member in (to, source, *(each for each in self.masters() if each not in (to, source))):
            member("CLUSTER", "SETSLOT", slot, "NODE", to.id)

    def open(self, slot: int, to: Member) -> None:
        """Begins to move a slot: its keys are all where they were."""
        source = self.owner(slot)
        to("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source("CLUSTER", "SETSLOT", slot, "MIGRATING", to.id)

    def carry(self, slot: int, to: Member) -> None:
        """Moves the keys of a slot that was opened, which stays where it is."""
        source = self.owner(slot)
        while keys := source("CLUSTER", "GETKEYSINSLOT", slot, KEYS_AT_ONCE):
            source("MIGRATE", HOST, to.node.port, "", 0, MIGRATE_MS, "KEYS", *keys)

    def settled(self, replicas: int = 0) -> bool:
        """Whether every node that runs sees every slot served, the same masters, and as many replicas of each."""
        views = set()
        for member in self.members:
            if member.server.pid is None:
                continue
            try:
                if b"cluster_state:ok" not in member("CLUSTER", "INFO"):
                    return False
                parts = member("CLUSTER", "SLOTS")
            except RedisError:
                return False
            if any(len(part) < 3 + replicas for part in parts):
                return False
            views.add(tuple(sorted((part[0], part[1], part[2][1], *sorted(r[1] for r in part[3:])) for part in parts)))
        return len(views) == 1

    def _told(self) -> str:
        """What each node says of all."""
        return "\n\n".join(_answer(member, "CLUSTER", "NODES") for member in self.members if member.server.pid)

    def wait(self, replicas: int = 0, within_s: float = FORMED_WITHIN_S) -> None:
        """Until it is settled."""
        deadline = time.monotonic() + within_s
        while not self.settled(replicas):
            assert time.monotonic() < deadline, f"the cluster did not settle:\n{self._told()}"
            time.sleep(POLL_S)


@contextmanager
def cluster(binary: Path, masters: int = 3, replicas: int = 1, **options: str) -> Iterator[Cluster]:
    """A cluster of `masters`, each with as many `replicas`, ended with the block. `options` are lines of its
    configuration, as EmbeddedServer takes them."""
    members: list[Member] = []
    try:
        for _ in range(masters * (1 + replicas)):
            server = EmbeddedServer(
                binary=binary, cluster_enabled="yes", cluster_node_timeout="1500", repl_diskless_sync_delay="0",
                repl_ping_replica_period="1", **options,
            )  # fmt: skip
            server.start()
            members.append(Member(server))
        formed = Cluster(members, masters)
        _form(members, masters)
        formed.wait()
        _replicate(members, masters)
        _synced(members[masters:])
        formed.wait(replicas)
        yield formed
    finally:
        for member in members:
            member.close()


def _form(members: Sequence[Member], masters: int) -> None:
    per = SLOTS // masters
    for number, member in enumerate(members, 1):
        member("CLUSTER", "SET-CONFIG-EPOCH", number)
    for number, member in enumerate(members[:masters]):
        last = SLOTS - 1 if number == masters - 1 else (number + 1) * per - 1
        member("CLUSTER", "ADDSLOTSRANGE", number * per, last)
    for member in members[1:]:
        members[0]("CLUSTER", "MEET", HOST, member.node.port)


def _replicate(members: Sequence[Member], masters: int) -> None:
    for number, replica in enumerate(members[masters:]):
        master = members[number % masters]
        deadline = time.monotonic() + FORMED_WITHIN_S
        while master.id.encode() not in replica("CLUSTER", "NODES"):
            assert time.monotonic() < deadline, "a replica does not hear of its master"
            time.sleep(POLL_S)
        replica("CLUSTER", "REPLICATE", master.id)


def _synced(replicas: Sequence[Member]) -> None:
    deadline = time.monotonic() + FORMED_WITHIN_S
    for replica in replicas:
        while replica("ROLE")[3] != b"connected":
            assert time.monotonic() < deadline, "a replica does not get its master's data"
            time.sleep(POLL_S)


def _answer(member: Member, *command: str) -> str:
    try:
        return f"{member.node}:\n{member(*command).decode()}"
    except RedisError as error:
        return f"{member.node}: {error}"


def _says(member: Member, role: str) -> bool:
    try:
        return bool(member("ROLE")[0] == role.encode())
    except RedisError:
        return False
