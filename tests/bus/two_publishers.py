"""Two real publishers of one stream on a real server, driven by hand: a market, faults, a clock that waits for nobody.

What the log holds in the end is compared with what the market did and with what each worker was told of it.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis

from feed.bus import names
from feed.bus.entry import pack_int, unpack
from feed.bus.lane import Call, Lane
from feed.bus.masters import OWN
from feed.bus.outlet import Outlet
from feed.bus.publisher import Publisher
from feed.bus.replies import Command
from feed.bus.script import SCRIPT
from feed.bus.topology import Topology
from feed.core.streams import Stream
from feed.core.ticks import Gap, Trade
from feed.settings import Values

STREAM = Stream("t", "trades", "A")
CALL_TICKS = 3
WAIT_S = 0.25
RESET_AFTER_S = 30.0


class Print(NamedTuple):
    """A tick of the market. `serial` tells it from all others, `era` counts the resets of the venue's ids."""

    serial: int
    era: int
    id: int
    at_s: float

    def tick(self) -> Trade:
        return Trade("A", self.id, float(self.serial), 1.0, "", int(self.at_s * 1e9), 1)


class Clock:
    """In place of the module `time` where the bus looks."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)


class Connection:
    """As much of a link as the publisher's own rules look at."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id


@dataclass
class Worker:
    """A worker's publisher, what it has not read of the venue yet, and what it has read and may still lose."""

    name: str
    publisher: Publisher
    inbox: deque[Print] = field(default_factory=deque)
    holds: dict[int, Print] = field(default_factory=dict)
    away: bool = False

    @property
    def outlet(self) -> Outlet:
        return self.publisher.outlet_at(OWN)


class Scene:
    def __init__(self, url: str, contiguous: bool, clock: Clock) -> None:
        self.redis = redis.Redis.from_url(url)
        self.redis.flushall()
        self.sha = self.redis.script_load(SCRIPT)
        self.clock = clock
        self.contiguous = contiguous
        self.run = 1
        self.market: list[Print] = []
        self.offered: dict[int, Print] = {}  # to some worker, who neither dropped it nor died with it
        self.late: list[Command] = []
        self.strict = True
        self.quiet = True  # nothing happened that could cost a tick
        self.too_late: set[int] = set()  # read when the stream had gone on without them
        self._reached = -1
        self._era, self._id, self._at_s, self._skipped = 0, 0, 1_000.0, False
        self.workers = [self._worker("w1"), self._worker("w2")]

    def close(self) -> None:
        self.redis.close()

    def emit(self, ticks: int, skip: int) -> None:
        """The market trades; it has lost `skip` ids before, or, where ids are not contiguous, never gave them."""
        self._id += skip
        for _ in range(ticks):
            self._id += 1
            self._at_s += 0.4
            tick = Print(len(self.market), self._era, self._id, self._at_s)
            self.market.append(tick)
            for worker in self.workers:
                worker.inbox.append(tick)

    def pause(self, seconds: float) -> None:
        """Nobody trades for a while."""
        self._at_s += seconds

    def reset(self, seconds: float, on_time: Worker) -> None:
        """After a pause the venue begins its ids anew. One worker is on time, the other as late as it likes."""
        self.read(on_time, len(on_time.inbox))
        self.finds_redis(on_time)
        self.passes(10.0)
        ticks = [entry for entry in self.log() if isinstance(entry, Print)]
        if ticks and ticks[-1].era == self._era and self._at_s - ticks[-1].at_s <= RESET_AFTER_S / 2:
            self.pause(seconds)
            self._era, self._id = self._era + 1, 0

    def read(self, worker: Worker, ticks: int) -> None:
        """The worker reads what the venue sent it."""
        for _ in range(min(ticks, len(worker.inbox))):
            tick = worker.inbox.popleft()
            worker.holds[tick.serial] = tick
            if tick.serial <= self._reached:
                self.too_late.add(tick.serial)
            worker.publisher.offer(tick.tick())
            lane = self._lane(worker)
            if lane is not None and not lane.registered:  # there is no directory here to be entered into
                lane.registered = True
                worker.publisher.place(lane)

    def loses_venue(self, worker: Worker) -> None:
        """What was under way to it is gone, and it connects anew."""
        self.quiet = False
        worker.inbox.clear()
        worker.publisher.reconnected(("A",))

    def dies(self, worker: Worker) -> None:
        """It dies with what it holds, and another life begins under its name."""
        self.quiet = False
        fresh = self._worker(worker.name)
        self.workers[self.workers.index(worker)] = fresh

    def overflows(self, worker: Worker) -> None:
        """Its buffer is full: the oldest tick goes."""
        lane = self._lane(worker)
        if lane is not None and lane.waiting:
            self.quiet = False
            serial = int(_price(lane._runs[0].items[0].data))
            assert lane.drop_oldest()
            worker.holds.pop(serial, None)
            worker.outlet.drop(lane)

    def publish(self, worker: Worker, fate: str = "answered") -> bool:
        """One round of calls. `fate`: answered; unanswered (it was run); lost; late (to be run some time). Whether
        there was one."""
        outlet = worker.outlet
        lanes = [] if worker.away else outlet.due(self.clock.now)
        if not lanes:
            return False
        (lane,) = lanes
        call = outlet.call_of(lane)
        link = outlet.link
        assert link is not None
        outlet.asked(lane)
        command = outlet._terms.command(self.sha, link.run_id, lane, call, pack_int(1), self.clock.now)
        if fate == "late":
            self.late.append(command)
        reply = self.redis.execute_command(*command) if fate in ("answered", "unanswered") else None
        if fate == "answered":
            outlet.answered(link, lane, call, reply)
            self._settled(worker, call, reply)
        else:
            outlet.take_up(Connection(f"run-{self.run}"))  # type: ignore[arg-type]
        return True

    def arrives(self) -> None:
        """A call of a connection that was given up comes through after all."""
        if self.late:
            self.redis.execute_command(*self.late.pop(0))

    def redis_restarts(self) -> None:
        """It comes back with all its data: another process, another epoch."""
        self.run += 1
        self.late.clear()
        for worker in self.workers:
            if not worker.away:
                worker.outlet.take_up(Connection(f"run-{self.run}"))  # type: ignore[arg-type]

    def loses_redis(self, worker: Worker) -> None:
        """For longer than its peer waits for anybody."""
        worker.away, self.strict = True, False

    def finds_redis(self, worker: Worker) -> None:
        if worker.away:
            worker.away = False
            worker.outlet.take_up(Connection(f"run-{self.run}"))  # type: ignore[arg-type]

    def passes(self, seconds: float) -> None:
        """Time goes by. Whoever has something to say and is not held says it first."""
        until = self.clock.now + seconds
        while True:
            while sum(self.publish(worker) for worker in self.workers):
                pass
            due = [lane.held_until for worker in self.workers if not worker.away for lane in worker.outlet._held]
            if not due or min(due) > until:
                break
            self.clock.now = max(self.clock.now, min(due))
        self.clock.now = until

    def ends(self) -> None:
        """All read what there is, and all is published."""
        for worker in self.workers:
            self.finds_redis(worker)
        while self.late:
            self.arrives()
        while any(worker.inbox for worker in self.workers):
            for worker in self.workers:
                self.read(worker, 2)
            self.passes(0.0)
        self.passes(30.0)
        for worker in self.workers:
            self.offered |= worker.holds
            lane = self._lane(worker)
            assert lane is None or (lane.call is None and not lane.waiting)

    def log(self) -> list[Print | Gap]:
        """What was published, in the order of its numbers, which have no hole."""
        entries = [
            (int(key.split(b"-")[0]), unpack("A", fields[b"d"]))
            for key, fields in self.redis.xrange(names.log_key(STREAM))
        ]
        assert [seq for seq, _ in entries] == list(range(1, len(entries) + 1))
        return [entry if isinstance(entry, Gap) else self.market[int(entry.price)] for _, entry in entries]  # type: ignore[union-attr]

    def _settled(self, worker: Worker, call: Call, reply: Any) -> None:
        if reply[0] == b"OK":
            for item in call.items:
                tick = worker.holds.pop(int(_price(item.data)))
                self.offered[tick.serial] = tick
                self._reached = max(self._reached, tick.serial)

    def _lane(self, worker: Worker) -> Lane | None:
        return worker.publisher._lanes.get(("trades", "A"))

    def _worker(self, name: str) -> Worker:
        values = Values.model_validate(
            {
                "publish": {"max_ticks_per_call": CALL_TICKS, "behind_wait_s": WAIT_S, "reset_after_s": RESET_AFTER_S},
                "ingest": {"worker_id": name},
            }
        )
        self.clock.now += 0.001  # call numbers rise with the time of birth
        publisher = Publisher(values, "t", frozenset({"trades"} if self.contiguous else ()))
        publisher.spread(Topology.single(OWN))
        worker = Worker(name, publisher)
        worker.outlet.take_up(Connection(f"run-{self.run}"))  # type: ignore[arg-type]
        return worker


def _price(data: bytes) -> float:
    tick = unpack("A", data)
    assert isinstance(tick, Trade)
    return tick.price
