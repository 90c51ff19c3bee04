"""What happens to a cluster: its masters die, hang, change places with their replicas, and give slots to each other."""

import random
import time

from feed.bus.topology import SLOTS
from tests.chaos import faults
from tests.chaos.cluster_stage import ClusterStage

# Longer than a node is waited for before its replica takes over, and shorter.
PAUSES_S = (0.5, 5.0)
DOWN_S = (0.1, 6.0)
MOST_SLOTS = 300
OPEN_S = (0.2, 3.0)


def master_kill(stage: ClusterStage, chance: random.Random) -> str:
    """A master loses power, and comes back as whatever it is by then."""
    down_s = chance.uniform(*DOWN_S)
    dead = chance.choice(stage.nodes.masters())
    dead.server.kill()
    time.sleep(down_s)
    dead.server.start()
    stage.nodes.wait(replicas=1)
    return f"{dead.node}, away for {down_s:.1f} s, now a {'master' if dead.master else 'replica'}"


def master_pause(stage: ClusterStage, chance: random.Random) -> str:
    """A master hangs, its connections open; when it goes on it may not be one any more."""
    paused_s = chance.uniform(*PAUSES_S)
    hung = chance.choice(stage.nodes.masters())
    hung.server.pause()
    try:
        time.sleep(paused_s)
    finally:
        hung.server.resume()
    stage.nodes.wait(replicas=1)
    return f"{hung.node} for {paused_s:.1f} s, now a {'master' if hung.master else 'replica'}"


def failover(stage: ClusterStage, chance: random.Random) -> str:
    """A master and its replica change places, as somebody does who wants to restart it."""
    master = chance.choice(stage.nodes.masters())
    replica = stage.nodes.replica_of(master)
    replica("CLUSTER", "FAILOVER")
    stage.until(lambda: replica.master, "the replica takes over")
    stage.nodes.wait(replicas=1)
    return f"{replica.node} in place of {master.node}"


def slots_move(stage: ClusterStage, chance: random.Random) -> str:
    """The slots of some streams go to another master, one by one, and as many others.

    All to one, as when room is made for it: who takes a slot needs the highest epoch of all, and of two that take slots
    within a second, before they hear of each other, the nodes may never agree who has them.
    """
    to = chance.choice(stage.nodes.masters())
    slots = [stage.slot_of_a_stream(chance) for _ in range(3)] + chance.sample(range(SLOTS), MOST_SLOTS)
    moved = [slot for slot in dict.fromkeys(slots) if stage.nodes.owner(slot) is not to]
    for slot in moved:
        stage.nodes.move(slot, to)
    stage.nodes.wait(replicas=1)
    return f"{len(moved)} slots to {to.node}"


def slot_left_open(stage: ClusterStage, chance: random.Random) -> str:
    """A stream's slot stays open for a while before its keys go, and after they went: whoever moves it has died."""
    slot = stage.slot_of_a_stream(chance)
    source = stage.nodes.owner(slot)
    to = chance.choice([member for member in stage.nodes.masters() if member is not source])
    before_s, after_s = chance.uniform(*OPEN_S), chance.uniform(*OPEN_S)
    stage.nodes.open(slot, to)
    time.sleep(before_s)
    stage.nodes.carry(slot, to)
    time.sleep(after_s)
    stage.nodes.close_at(slot, to)
    stage.nodes.wait(replicas=1)
    return f"{slot} for {before_s:.1f} s with its keys, and {after_s:.1f} s without them"


def everything_killed(stage: ClusterStage, chance: random.Random) -> str:
    """All nodes lose power at once, and come back with nothing: none of them saves."""
    down_s = chance.uniform(0.1, 2.0)
    for member in stage.nodes.members:
        member.server.kill()
    time.sleep(down_s)
    for member in stage.nodes.members:
        member.server.start()
    stage.nodes.wait(replicas=1)
    return f"away for {down_s:.1f} s"


OTHERS = ("gateway kill -9", "worker kill -9", "client cut", "client kill -9", "client stalled", "venue hole")
FAULTS = {
    "master kill -9": master_kill,
    "master paused": master_pause,
    "failover by hand": failover,
    "slots moved": slots_move,
    "slot left open": slot_left_open,
    "cluster kill -9": everything_killed,
    **{name: faults.FAULTS[name] for name in OTHERS},
}
