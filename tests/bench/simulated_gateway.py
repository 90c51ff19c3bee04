"""A gateway, event by event: one thread that reads, shakes hands and flushes when `feed.gateway.rhythm` says so."""

import heapq
import itertools
import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final

from feed.gateway.flow import PHASES, next_due
from feed.gateway.rhythm import Rhythm
from feed.settings import Flush
from tests.bench.batches import WAKING
from tests.bench.costs import COLD_BELOW, US, Costs, Load, back_us, message_us
from tests.bench.delays import Delays
from tests.bench.market import Tick

NS_PER_S: Final = 1_000_000_000
AWAY_S: Final = 0.2  # between a connection and its resumption: the median of a rolling update


class Turned:
    """A clock that the simulation turns, with the calls that wait for it."""

    def __init__(self) -> None:
        self.at = 0.0
        self.calls: deque[Callable[[], object]] = deque()
        self.timers: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()

    def soon(self, call: Callable[[], object]) -> None:
        self.calls.append(call)

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        heapq.heappush(self.timers, (self.at + delay_s, next(self._count), call))

    def now_ns(self) -> int:
        return int(self.at * NS_PER_S)

    def monotonic(self) -> float:
        return self.at


class Simulated:
    """One gateway with a load's clients, each with symbols of its own. Whatever it does takes what `costs` say.

    `waits` are the times from a tick's arrival, or from when a client's rate lets it have one, to the client's write;
    `whole` the same from the moment at which the tick was published. `behind_s` is how late the last one was read.
    """

    def __init__(self, load: Load, costs: Costs, clients: int, chance: random.Random) -> None:
        self.clock = Turned()
        self.waits, self.whole = Delays(), Delays()
        self.busy_s = self.longest_s = self.behind_s = 0.0
        self.frames = self.messages = self.clients = 0
        self._load, self._costs, self._chance = load, costs, chance
        self._holders: list[list[int]] = [[] for _ in range(load.symbols)]
        self._written: list[float] = []  # when each client was last
        self._pending: dict[int, list[tuple[float, float]]] = defaultdict(list)  # when it came, and was published
        # a market has gone on for a while: streams at rates have come to their moments
        phases = [(1 + phase / PHASES) / load.rate for phase in range(PHASES)] if load.rate and clients else [0.0]
        self._due = {stream: chance.choice(phases) for stream in range(load.symbols)}
        self._timed: set[float] = set()
        self._flushed_at = 0.0
        self._message_us = message_us(load, costs)
        self._rhythm = Rhythm(self.clock, Flush(), self._flush, self._took)
        for _ in range(clients):
            self._seat()

    def run(self, ticks: Sequence[Tick], published: Sequence[float], comings: Sequence[float] = ()) -> None:
        """Until all has come that is to come, and is written: ticks by their arrival, clients that come meanwhile."""
        clock, next_tick, next_coming = self.clock, 0, 0
        while True:
            now = clock.at
            first = next_tick
            while next_tick < len(ticks) and ticks[next_tick].at <= now:
                self._read(ticks[next_tick], published[next_tick])
                next_tick += 1
            if next_tick > first and self._pending:
                self._rhythm.wake()
            came = next_coming
            while next_coming < len(comings) and comings[next_coming] <= now:
                self._welcome()
                next_coming += 1
            timers = self._timers(now)
            calls = [clock.calls.popleft() for _ in range(len(clock.calls))]
            for call in calls:
                call()
            if next_tick > first or next_coming > came or timers or calls:
                continue
            ahead = [clock.timers[0][0]] if clock.timers else []
            ahead += [ticks[next_tick].at] if next_tick < len(ticks) else []
            ahead += [comings[next_coming]] if next_coming < len(comings) else []
            if not ahead:
                return
            clock.at = max(now, min(ahead))

    def _timers(self, now: float) -> int:
        ran = 0
        while self.clock.timers and self.clock.timers[0][0] <= now:
            heapq.heappop(self.clock.timers)[2]()
            ran += 1
        return ran

    def _spend(self, us: float) -> None:
        self.clock.at += us * US
        self.busy_s += us * US

    def _seat(self) -> None:
        load = self._load
        wanted = range(load.each) if load.shared else self._chance.sample(range(load.symbols), load.each)
        for stream in wanted:
            self._holders[stream].append(self.clients)
        self._written.append(-1.0)
        self.clients += 1

    def _welcome(self) -> None:
        """A client that comes back, and is sent at once what it missed."""
        costs, load = self._costs, self._load
        self._spend(back_us(load, costs) + costs.cold_us + load.messages * AWAY_S * self._message_us)
        self._seat()

    def _read(self, tick: Tick, published: float) -> None:
        self.behind_s = self.clock.at - tick.at
        if self._holders[tick.stream]:
            self._spend(self._costs.intake_us)
            self._pending[tick.stream].append((tick.at, published))

    def _took(self, took_s: float) -> None:
        self.longest_s = max(self.longest_s, took_s)

    def _flush(self) -> bool:
        if not self._pending:
            return False
        boxes: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for stream, pending in list(self._pending.items()):
            sent = self._paced(stream, pending) if self._load.rate else pending
            if sent:
                for client in self._holders[stream]:
                    boxes[client] += sent
            if sent or not self._load.rate:
                del self._pending[stream]
        for client, box in boxes.items():
            self._write(client, box)
        # what a turn takes whatever is in it, as `batches` has it
        since_s = self.clock.at - self._flushed_at
        self.busy_s += min(self._costs.wake_us * US, WAKING * since_s)
        self._flushed_at = self.clock.at
        return True

    def _paced(self, stream: int, pending: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """The one message that goes out for all that came, once it may."""
        now, due, period_s = self.clock.at, self._due[stream], 1 / self._load.rate
        if now < due:
            if due not in self._timed:
                self._timed.add(due)
                self.clock.later(due - now, lambda: self._come(due))
            return []
        leading = pending[0][0] >= due
        at, published = pending[0] if leading else (due, due)
        following = due + period_s
        self._due[stream] = next_due(now, period_s) if leading or following <= now + period_s / 2 else following
        return [(at, published)]

    def _come(self, due: float) -> None:
        self._timed.discard(due)
        self._rhythm.wake()

    def _write(self, client: int, box: list[tuple[float, float]]) -> None:
        costs, now = self._costs, self.clock.at
        write_us = costs.cold_us if now - self._written[client] > 1 / COLD_BELOW else costs.write_us
        self._spend(write_us + (costs.tls_us if self._load.tls else 0.0) + len(box) * self._message_us)
        now = self._written[client] = self.clock.at
        self.frames += 1
        self.messages += len(box)
        for at, published in box:
            self.waits.add(now - at)
            self.whole.add(now - published)
