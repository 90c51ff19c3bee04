"""From rounds to figures, and what makes one doubt them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from feed.bench.delays import percentiles, quantile_of_buckets
from feed.bench.outcome import Outcome
from feed.bench.systems import Round, Served, TutorialSystem

MS_PER_S: Final = 1_000
BOUND_CPU: Final = 0.85  # of a core, beyond which the client may be what limits
NOISE_CPU: Final = 0.02
STRANGERS_CPU: Final = 0.15  # kernel work that belongs to no process is counted with them
DIFFERS: Final = 0.01
ABOVE_MS: Final = 10.0
ABOVE_TIMES: Final = 3.0
SYSTEMS: Final = {"gateway": "", "floor": "floor_", "tutorial": "tutorial_"}


def summarise(
    outcome: Outcome,
    gateway: Served,
    tutorial: TutorialSystem | None,
    rounds: Mapping[str, Sequence[Round]],
) -> None:
    """Enters the figures of a fan-out scenario, and its warnings."""
    for system, prefix in SYSTEMS.items():
        of = rounds.get(system, ())
        name = f"{prefix}us_per_delivery" if prefix else "cpu_us_per_delivery"
        outcome.put(name, (one.cpu_us_per_delivery for one in of))
        outcome.put(f"{prefix}deliveries_per_s", (one.deliveries_per_s for one in of))
        put_delays(outcome, f"{prefix}delay_ms", [percentiles(one.delays_ms) for one in of])
        outcome.delays_ms[system] = [delay for one in of for delay in one.delays_ms]
    mine = rounds["gateway"]
    compare(outcome, mine, rounds.get("floor", ()), rounds.get("tutorial", ()))
    if tutorial is not None:
        outcome.put("tutorial_ticks_per_s", (one.rate for one in rounds["tutorial"]))
        if not tutorial.search.survived:
            outcome.warnings.append(f"the tutorial did not survive {tutorial.search.rate:g} ticks/s either")
    put_gateway(outcome, gateway, mine)
    warn_of_counts(outcome, mine)
    warn_of_delays(outcome)
    warn_of_others(outcome, rounds)


def put_delays(outcome: Outcome, name: str, rounds: Sequence[Mapping[str, float] | None]) -> None:
    for share in ("p50", "p99", "p999"):
        outcome.put(f"{name}.{share}", (one[share] if one else None for one in rounds))


def compare(outcome: Outcome, mine: Sequence[Round], floor: Sequence[Round], tutorial: Sequence[Round]) -> None:
    """The gateway over the others, round by round."""
    outcome.put("over_floor_ratio", ratios(mine, floor, cpu_of))
    outcome.put("over_tutorial_ratio", ratios(mine, tutorial, cpu_of))
    for share in ("p50", "p99"):
        outcome.put(f"delay_over_floor_ratio.{share}", ratios(mine, floor, partial(delay_of, share)))


def ratios(
    rounds: Sequence[Round], others: Sequence[Round], what: Callable[[Round], float | None]
) -> list[float | None]:
    """`what` of each round over the same of the other's; None where either has none."""
    return [_ratio(what(one), what(other)) for one, other in zip(rounds, others, strict=False)]


def cpu_of(one: Round) -> float | None:
    return one.cpu_us_per_delivery


def bytes_of(one: Round) -> float | None:
    return _ratio(one.window.bytes, one.deliveries)


def delay_of(share: str, one: Round) -> float | None:
    found = percentiles(one.delays_ms)
    return found[share] if found else None


def put_gateway(outcome: Outcome, gateway: Served, mine: Sequence[Round]) -> None:
    """What only the gateway has: memory, handshakes, its own histogram; and how busy who measures it was."""
    if gateway.before and gateway.after and outcome.clients:
        outcome.put("memory_per_connection_kb", [(gateway.after.rss - gateway.before.rss) / 1e3 / outcome.clients])
        if gateway.after.uss is not None and gateway.before.uss is not None:
            outcome.put(
                "memory_uss_per_connection_kb", [(gateway.after.uss - gateway.before.uss) / 1e3 / outcome.clients]
            )
    outcome.put("handshakes_per_s", [gateway.handshakes_per_s])
    counters = [one.counters for one in mine if one.counters]
    for share, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
        quantiles = (quantile_of_buckets(each.hop, part) for each in counters)
        outcome.put(f"gateway_delay_ms.{share}", (None if found is None else found * MS_PER_S for found in quantiles))
    outcome.put("gateway_cpu", (one.cpu for one in mine))
    outcome.put("client_cpu", (one.window.client_cpu for one in mine))
    outcome.put("client_loop_delay_ms", (one.window.loop_delay_ms for one in mine))
    outcome.put("frames_per_s", (one.window.frames / one.window.seconds for one in mine))
    outcome.put("bytes_per_delivery", map(bytes_of, mine))
    outcome.put(
        "flushes_per_s", (one.counters.flushes / one.offered_s for one in mine if one.counters and one.offered_s)
    )


def warn_of_counts(outcome: Outcome, mine: Sequence[Round]) -> None:
    """Whether the load client saw what the gateway says it wrote, and everything that was published."""
    both = [(one.total.messages, one.counters.messages) for one in mine if one.total and one.counters]
    outcome.put("counted_over_reported", (_ratio(counted, reported) for counted, reported in both))
    for one in mine:
        if one.total is None:
            continue
        told = one.total.messages if one.counters is None else one.counters.messages
        if abs(one.total.messages - told) > DIFFERS * max(1.0, told):
            outcome.warnings.append(f"the clients counted {one.total.messages:,} deliveries, the gateway {told:,.0f}")
        if one.expected and one.total.messages < (1 - DIFFERS) * one.expected:
            outcome.warnings.append(f"{one.total.messages:,} deliveries where {one.expected:,.0f} were due")
        if one.total.lost:
            outcome.warnings.append(
                f"{one.total.lost} clients lost their connection: closed with {dict(one.total.closed)}"
            )


def warn_of_delays(outcome: Outcome) -> None:
    """Whether clients and gateway agree on the delay. The clients' has their own core's lateness in it."""
    mine, theirs = outcome.median("delay_ms.p50"), outcome.median("gateway_delay_ms.p50")
    if mine is None or theirs is None:
        return
    if mine < theirs / 3 and theirs - mine > 1.0:
        outcome.warnings.append(f"the clients' p50 {mine:.2f} ms is far below the gateway's own {theirs:.2f} ms")
    if mine > theirs + ABOVE_MS and mine > ABOVE_TIMES * theirs:
        outcome.warnings.append(f"the clients' p50 {mine:.2f} ms is far above the gateway's own {theirs:.2f} ms")


def warn_of_others(outcome: Outcome, rounds: Mapping[str, Sequence[Round]]) -> None:
    """Whether idle systems were idle, and whether who measures had time to."""
    noise: dict[str, float] = {}
    core: list[float] = []
    for system, of in rounds.items():
        for one in of:
            for name, share in one.window.cpu.items():
                if name in rounds and name != system and share > NOISE_CPU:
                    noise[name] = max(noise.get(name, 0.0), share)
            if system == "gateway":
                core.append(one.window.client_cpu + sum(one.window.cpu.get(n, 0.0) for n in ("redis", "publisher")))
    outcome.put("client_core_cpu", core)
    strangers = max((one.window.strangers_cpu for of in rounds.values() for one in of), default=0.0)
    if strangers > STRANGERS_CPU:
        outcome.warnings.append(f"other programs took up to {strangers:.1f} cores of this machine meanwhile")
    for name, share in noise.items():
        outcome.warnings.append(f"noise: the {name} took up to {share:.0%} of a core in another's round")
    busiest = outcome.median("client_cpu") or 0.0
    outcome.client_bound = busiest > BOUND_CPU
    if outcome.client_bound:
        outcome.warnings.append(f"client-bound: the load client took {busiest:.0%} of its core")


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
