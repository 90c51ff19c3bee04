"""The scenarios: who wants what, and how much of it there is."""

import random
from dataclasses import dataclass
from typing import Final, Literal

Way = Literal["fanout", "mixed", "real", "workers", "deflate", "metrics", "publish", "intake"]

SEED: Final = 4


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load. `each` is how many of the `symbols` a client wants, 0 for all by `*`; `ticks_per_s` is of all symbols.

    `way` says how it is measured, `quick_clients` with how many clients where time is short, `sample_every` of how many
    frames one is looked at, `once` that a single round does where time is short, `least` how many rounds it takes to
    tell a difference of some per cent.
    """

    name: str
    about: str
    way: Way = "fanout"
    clients: int = 0
    symbols: int = 1
    each: int = 1
    ticks_per_s: float = 0.0
    kind: str = "trades"
    quick_clients: int | None = None
    sample_every: int = 10
    once: bool = False
    least: int = 1
    tls: bool = False

    def wanted(self, clients: int, names: list[str]) -> list[list[str]]:
        """Each client's symbols, the same at each run; empty for all of them."""
        if not self.each:
            return [[]] * clients
        if self.each == len(names):
            return [names] * clients
        chance = random.Random(SEED)
        return [sorted(chance.sample(names, self.each)) for _ in range(clients)]


SCENARIOS: Final = (
    Scenario("hot", "one symbol, many clients", clients=500, ticks_per_s=200),
    Scenario("burst", "the same, ten times as fast", clients=500, ticks_per_s=2_000),
    Scenario(
        "watchlist", "20 of 500 symbols each", clients=500, symbols=500, each=20, ticks_per_s=5_000, sample_every=5
    ),
    Scenario("firehose", "all of 500 symbols", clients=50, symbols=500, each=0, ticks_per_s=10_000, sample_every=20),
    Scenario(
        "crowd", "many connections", clients=15_000, quick_clients=2_000, ticks_per_s=1, sample_every=1, once=True
    ),
    Scenario("tls", "hot over TLS", clients=500, ticks_per_s=200, once=True, tls=True),
    Scenario(
        "mixed",
        "JSON, MessagePack, both depths, rates, resumes",
        "mixed",
        clients=300,
        symbols=200,
        each=10,
        ticks_per_s=5_000,
        once=True,
    ),
    Scenario(
        "real", "recorded ticks, as fast as it holds", "real", clients=100, each=0, kind="trades,quotes", once=True
    ),
    Scenario("workers", "hot, two workers beside one", "workers", clients=500, ticks_per_s=200, once=True),
    Scenario(
        "deflate", "quotes, compressed beside not", "deflate", clients=500, ticks_per_s=2_000, kind="quotes", once=True
    ),
    Scenario("metrics", "hot, measured beside not", "metrics", clients=500, ticks_per_s=200, once=True, least=9),
    Scenario(
        "metrics_watchlist",
        "watchlist, measured beside not",
        "metrics",
        clients=500,
        symbols=500,
        each=20,
        ticks_per_s=5_000,
        sample_every=5,
        once=True,
        least=9,
    ),
    Scenario("publish", "one publisher flat out", "publish", symbols=20, once=True),
    Scenario("intake", "ticks that nobody or one wants", "intake", symbols=500, ticks_per_s=50_000, once=True),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often: `rounds` of windows of `window_s`, each after `warm_s` of the same load."""

    rounds: int
    window_s: float
    warm_s: float
    quick: bool = False
    once_rounds: int = 1
    recordings: tuple[str, ...] = ()
    minutes: float = 0.0

    def rounds_of(self, scenario: Scenario) -> int:
        return max(scenario.least, self.once_rounds if scenario.once else self.rounds)

    def clients_of(self, scenario: Scenario) -> int:
        return scenario.quick_clients or scenario.clients if self.quick else scenario.clients


FULL: Final = Plan(rounds=5, window_s=5.0, warm_s=0.5, once_rounds=5)
QUICK: Final = Plan(rounds=3, window_s=1.0, warm_s=0.25, quick=True)


def chosen(names: tuple[str, ...]) -> list[Scenario]:
    """The scenarios of these names, in the table's order; all if there are none. Raises ValueError for a wrong one."""
    known = [scenario.name for scenario in SCENARIOS]
    for name in names:
        if name not in known:
            raise ValueError(f"no scenario {name!r}: there are {', '.join(known)}")
    return [scenario for scenario in SCENARIOS if not names or scenario.name in names]
