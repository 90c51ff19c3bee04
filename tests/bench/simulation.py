"""Plays the capacity plan: a market, one of its Redis masters for each share of the streams, one of its gateways.

    python -m tests.bench.capacity --simulate [--recorded FILE...]

Where the plan multiplies means, this lets each tick come by chance, wait for its turn in Redis and for the gateway's
one thread, which flushes when `feed.gateway.rhythm` says so. What it shares with the plan are the costs of single
things, and that gateways share nothing but Redis.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.bench import market
from tests.bench.costs import Costs, Load
from tests.bench.delays import Delays
from tests.bench.market import Tick
from tests.bench.plan import COSTS, MARGINS, Margins, Need, need
from tests.bench.simulated_gateway import Simulated
from tests.bench.simulated_redis import Mastered, mastered

SEED: Final = 7
SECONDS: Final = 4.0
RETRY_S: Final = 0.5  # within it a client tries again that lost its gateway without a word
PROMISED_MS: Final = 100.0  # 99 % of deliveries have left by then
Market = Callable[[random.Random, float, int, float], list[Tick]]


@dataclass(frozen=True)
class Case:
    """`back` says where clients come from: nowhere, to one that takes another's place and begins with nobody, or to
    each of those that stay when one is lost."""

    name: str
    market: Market = market.steady
    back: str = ""


CASES: Final = (
    Case("mean"),
    Case("burst", market.burst),
    Case("one takes another's place", back="anew"),
    Case("one is lost in a burst", market.burst, back="lost"),
)


@dataclass(frozen=True)
class Seen:
    """What came of one case: delays in ms, from publishing to a gateway, and there to the client's socket."""

    case: str
    cpu: float
    redis: Sequence[Mastered]
    redis_waits: Delays
    waits: Delays
    whole: Delays
    longest_ms: float
    behind_s: float
    clients: int

    @property
    def redis_ms(self) -> float:
        return self.redis_waits.share_ms(0.99)

    def faults(self) -> list[str]:
        """What a plan that holds does not show."""
        found = [
            f"{late_ms:.0f} ms p99 {what}"
            for late_ms, what in (
                (self.redis_ms, "in Redis"),
                (self.whole.share_ms(0.99), "from publishing to the socket"),
            )
            if late_ms > PROMISED_MS
        ]
        found += [f"{self.behind_s:.1f} s behind at the end"] if self.behind_s * 1e3 > PROMISED_MS else []
        return [f"{self.case}: {each}" for each in found]

    def row(self) -> str:
        turn_ms = 1e3 * max(each.turn_s for each in self.redis)
        waits = ", ".join(f"{self.waits.share_ms(share):.1f}" for share in (0.5, 0.99, 0.999))
        verdict = "; ".join(fault.removeprefix(f"{self.case}: ") for fault in self.faults()) or "holds"
        return (
            f"{self.case} | {self.clients:,} | {self.cpu:.0%} | {turn_ms:.1f}, {self.redis_ms:.0f} | {waits} "
            f"| {self.longest_ms:.0f} | {self.whole.share_ms(0.99):.0f} | {verdict}"
        )


HEAD: Final = (
    "| | | clients, at the end | CPU taken | ms in Redis: a turn, p99 | ms in the gateway: p50, p99, p99.9 "
    "| its longest flush | both, p99 | |\n" + "|---" * 9 + "|"
)


def play(
    load: Load, plan: Need, case: Case, seconds: float = SECONDS, costs: Costs = COSTS, margins: Margins = MARGINS
) -> Seen:
    """One case of a plan: a gateway with its clients, fed by as many masters as the plan has."""
    chance = random.Random(SEED)
    seconds = seconds + margins.drain_s if case.back == "anew" else seconds
    ticks = case.market(chance, load.ticks_per_s, load.symbols, seconds)
    shares = [[tick for tick in ticks if tick.stream % plan.shards == share] for share in range(plan.shards)]
    redis = [mastered(chance, share, plan.gateways, costs) for share in shares]
    arrived = sorted(pair for each in redis for pair in zip(each.written, each.published, strict=True))
    gateway = Simulated(load, costs, 0 if case.back == "anew" else plan.clients_a_gateway, chance)
    comings = _comings(chance, plan, case, margins, seconds)
    gateway.run([tick for tick, _ in arrived], [published for _, published in arrived], comings)
    redis_waits = Delays()
    for each in redis:
        redis_waits.counts.update(each.waits.counts)
    return Seen(
        case=case.name,
        cpu=gateway.busy_s / max(gateway.clock.at, seconds),
        redis=redis,
        redis_waits=redis_waits,
        waits=gateway.waits,
        whole=gateway.whole,
        longest_ms=gateway.longest_s * 1e3,
        behind_s=gateway.behind_s,
        clients=gateway.clients,
    )


def _comings(chance: random.Random, plan: Need, case: Case, margins: Margins, seconds: float) -> list[float]:
    """When clients come back to this gateway."""
    clients = plan.clients_a_gateway
    if case.back == "anew":
        return [number * margins.drain_s / clients for number in range(clients)]
    if case.back == "lost":
        lost_s = seconds / 3
        return sorted(lost_s + chance.random() * RETRY_S for _ in range(-(-clients // (plan.gateways - 1))))
    return []


def recorded(files: Sequence[Path], parts: int) -> Case:
    """The market of these recordings, as so many parts of it that go each their own way."""
    times = market.times_of(files)

    def played(chance: random.Random, ticks_per_s: float, streams: int, seconds: float) -> list[Tick]:
        return market.recorded(chance, times, ticks_per_s, streams, seconds, parts)

    return Case("as recorded, " + ("as one" if parts == 1 else f"{parts} parts"), played)


def table(loads: Sequence[Load], cases: Sequence[Case], seconds: float = SECONDS) -> str:
    """Each load in each case, in Markdown."""
    lines = [HEAD]
    for number, load in enumerate(loads):
        plan = need(load)
        lines += [f"| {chr(65 + number)} | {play(load, plan, case, seconds).row()} |" for case in cases]
    return "\n".join(lines)


def crowded(plan: Need, times: int) -> Need:
    """The same with so many times as many clients at each gateway, as where there are too few: a fault of ours."""
    return replace(plan, clients_a_gateway=plan.clients_a_gateway * times, gateways=max(2, plan.gateways // times))
