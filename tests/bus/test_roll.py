"""Where a worker's beats and its streams' names are told while slots change their masters; the masters are made up."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from feed.bus import names
from feed.bus.beats import HEARS_ALL
from feed.bus.errors import BusRefused
from feed.bus.lane import Lane
from feed.bus.replies import Command
from feed.bus.roll import Roll, Said
from feed.bus.script import Terms
from feed.bus.topology import Node, Topology, slot_of
from feed.core.streams import Stream

HERE, THERE = Node("here", 1), Node("there", 2)
TOPOLOGY = Topology.single(HERE)
LANES = [Lane(Stream("t", "trades", f"S{number}"), contiguous=True) for number in range(3)]
DIRECTORY, WORKER = names.symbols_key("t"), names.worker_key("t", "w")


class Master:
    """Answers all with 1, but for what it refuses, by its key."""

    def __init__(self, **refuses: str) -> None:
        self.refuses = refuses
        self.asked: list[tuple[str, ...]] = []

    async def calls(self, commands: Sequence[Command]) -> list[Any]:
        self.asked += [tuple(map(str, command[:2])) for command in commands]
        words = [self.refuses.get(str(command[0])) for command in commands]
        return [1 if each is None else BusRefused(each) for each in words]

    async def call(self, *command: Any) -> Any:
        return (await self.calls([command]))[0]


def roll(*, sharded: bool = True) -> Roll:
    made = Roll("t", Terms("w", "life", 1_000, 1, sharded), lambda: HEARS_ALL, None)
    made.enter(LANES)
    return made


def call(made: Roll, master: Master, node: Node, now: float, topology: Topology = TOPOLOGY) -> Said:
    return asyncio.run(made.call(master, node, topology, now))  # type: ignore[arg-type]


def test_all_is_told_to_the_master_that_it_belongs_to() -> None:
    made, master = roll(), Master()
    assert call(made, master, HERE, 0.0).entered == LANES
    assert [command for command, _ in master.asked] == ["SET", "SPUBLISH", "SADD", "SPUBLISH"]
    other = Master()
    assert call(made, other, THERE, 0.0).heard
    assert other.asked == [("PING",)]


@pytest.mark.parametrize(("command", "key"), [("SADD", DIRECTORY), ("SET", WORKER)])
def test_what_went_ahead_of_its_slot_is_told_where_it_went(command: str, key: str) -> None:
    made, here, there = roll(), Master(**{command: f"ASK {slot_of(key)} there:2"}), Master()
    said = call(made, here, HERE, 0.0)
    assert [(to.node, to.lasting) for to in said.turned] == [(THERE, False)]
    assert said.entered == ([] if command == "SADD" else LANES)
    said = call(made, there, THERE, 1.0)
    assert there.asked[there.asked.index((command, key)) - 1] == ("ASKING",)
    assert said.entered == (LANES if command == "SADD" else [])
    here.asked.clear()
    call(made, here, HERE, 2.0)
    assert (command, key) not in here.asked, "it is told there until the slot is"
    there.asked.clear()
    call(made, there, THERE, 3.0, Topology.single(THERE))
    assert ("ASKING",) not in there.asked


def test_a_slot_that_stays_where_it_was_is_asked_there_again() -> None:
    made = roll()
    call(made, Master(SET=f"ASK {slot_of(WORKER)} there:2"), HERE, 0.0)
    there = Master(SET=f"MOVED {slot_of(WORKER)} here:1")
    said = call(made, there, THERE, 1.0)
    assert [(to.node, to.lasting) for to in said.turned] == [(HERE, True)]
    here = Master()
    call(made, here, HERE, 2.0)
    assert ("SET", WORKER) in here.asked


def test_what_is_refused_is_told_and_waits_and_does_not_grow() -> None:
    made, full = roll(), Master(SADD="OOM no room")
    for number in range(10):
        made.forget(HERE)
        made.enter(LANES)
        with pytest.raises(BusRefused, match="OOM"):
            call(made, full, HERE, float(number))
    master = Master()
    assert call(made, master, HERE, 20.0).entered == LANES


def test_a_redis_that_is_no_cluster_redirects_nobody() -> None:
    with pytest.raises(BusRefused, match="MOVED"):
        call(roll(sharded=False), Master(SET="MOVED 1 there:2"), HERE, 0.0)
