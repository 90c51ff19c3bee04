"""The faults that a chaos run injects. Each leaves the service whole again, and says in a few words what it did."""

import random
import signal
import time
from collections.abc import Callable

from feed.bus.embedded import ask
from tests.chaos.children import Child
from tests.chaos.stage import Stage

CLIENT_AWAY_S = 5.0
PAUSES_S = (1.0, 8.0)
DOWN_S = (0.1, 2.0)
STALLS_S = (3.0, 8.0)
BURST = 6.0  # times the market's usual rate

Fault = Callable[[Stage, random.Random], str]


def redis_kill(stage: Stage, chance: random.Random) -> str:
    """Redis loses power and comes back with what it had saved."""
    down_s = chance.uniform(*DOWN_S)
    stage.redis.kill()
    time.sleep(down_s)
    stage.redis.start()
    return f"{stage.persistence}, away for {down_s:.1f} s"


def redis_rewind(stage: Stage, chance: random.Random) -> str:
    """Redis comes back from a snapshot of long ago."""
    down_s = chance.uniform(*DOWN_S)
    stage.redis.kill()
    stage.set_back()
    time.sleep(down_s)
    stage.redis.start()
    if stage.persistence == "none":
        stage.forget()
    return f"{stage.persistence}, away for {down_s:.1f} s"


def redis_pause(stage: Stage, chance: random.Random) -> str:
    """Redis hangs, its connections open."""
    paused_s = chance.uniform(*PAUSES_S)
    stage.redis.pause()
    try:
        time.sleep(paused_s)
    finally:
        stage.redis.resume()
    return f"for {paused_s:.1f} s"


def pubsub_kill(stage: Stage, _chance: random.Random) -> str:
    """Redis cuts its subscribers off, as it does with slow ones."""
    said = ask(stage.redis.port, b"CLIENT KILL TYPE pubsub")
    return said.decode().strip()


def gateway_kill(stage: Stage, chance: random.Random) -> str:
    return _kill(chance.choice(stage.gateways), chance, "listening")


def worker_kill(stage: Stage, chance: random.Random) -> str:
    return _kill(chance.choice(stage.workers), chance, "publishing")


def paused_kill(stage: Stage, chance: random.Random) -> str:
    """A worker or a gateway dies and comes back while Redis hangs."""
    child, ready = chance.choice(
        [*((child, "publishing") for child in stage.workers), (stage.gateways[0], "listening")]
    )
    before_s, after_s = chance.uniform(0.1, 3.0), chance.uniform(0.1, 5.0)
    stage.redis.pause()
    try:
        time.sleep(before_s)
        child.kill()
        child.start()
        time.sleep(after_s)
    finally:
        stage.redis.resume()
    child.await_line(ready)
    return f"{child.name}, {before_s:.1f} s into a pause of {before_s + after_s:.1f} s"


def client_cut(stage: Stage, chance: random.Random) -> str:
    name = chance.choice(sorted(stage.clients))
    stage.clients[name].order("cut")
    return name


def client_kill(stage: Stage, chance: random.Random) -> str:
    """A client dies, and goes on five seconds later on the other gateway."""
    name = chance.choice(sorted(stage.clients))
    stage.clients[name].kill()
    time.sleep(CLIENT_AWAY_S)
    stage.resume_elsewhere(name)
    return name


def client_stall(stage: Stage, chance: random.Random) -> str:
    """A client stops reading; half of the time in a burst, which fills what the kernel holds for it."""
    name = chance.choice([name for name in sorted(stage.clients) if "stalls" in name])
    stalled_s, burst = chance.uniform(*STALLS_S), chance.random() < 0.5
    stage.clients[name].signal(signal.SIGSTOP)
    stage.hurry(BURST if burst else 1.0)
    try:
        time.sleep(stalled_s)
    finally:
        stage.hurry(1.0)
        stage.clients[name].signal(signal.SIGCONT)
    return f"{name} for {stalled_s:.1f} s{', in a burst' if burst else ''}"


def venue_hole(stage: Stage, chance: random.Random) -> str:
    size = chance.randint(1, 40)
    stage.venue.order(f"hole {size}")
    return f"of {size}"


def _kill(child: Child, chance: random.Random, ready: str) -> str:
    down_s = chance.uniform(*DOWN_S)
    child.kill()
    time.sleep(down_s)
    child.start()
    child.await_line(ready)
    return f"{child.name}, away for {down_s:.1f} s"


FAULTS: dict[str, Fault] = {
    "redis kill -9": redis_kill,
    "redis rewound": redis_rewind,
    "redis paused": redis_pause,
    "pubsub kill": pubsub_kill,
    "gateway kill -9": gateway_kill,
    "worker kill -9": worker_kill,
    "kill -9 in a pause": paused_kill,
    "client cut": client_cut,
    "client kill -9": client_kill,
    "client stalled": client_stall,
    "venue hole": venue_hole,
}
