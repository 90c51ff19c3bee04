"""The simulation of the plan: by hand for what is simple, against what was measured, and with faults planted."""

import random
import re
from dataclasses import replace

import pytest

from feed.gateway.rhythm import SHARE
from tests.bench import market
from tests.bench.capacity import EXAMPLES
from tests.bench.capacity_run import BAND, SELECTIONS, scaled
from tests.bench.costs import Costs, Load
from tests.bench.delays import Delays
from tests.bench.market import Tick
from tests.bench.masters import turn_s
from tests.bench.plan import need
from tests.bench.simulated_gateway import Simulated
from tests.bench.simulated_redis import mastered
from tests.bench.simulation import CASES, Case, crowded, play, recorded, table
from tests.data import ROOT, recording

MEAN, BURST, ANEW, LOST = CASES
SHORT_S = 1.5
ONE = Load(clients=1, symbols=1, ticks_per_s=100, each=1, shared=True, tls=False)


def test_delays_are_read_by_their_shares() -> None:
    delays = Delays()
    for number in range(100):
        delays.add(number / 1e3)
    assert [delays.share_ms(share) for share in (0.5, 0.99, 1.0)] == pytest.approx([49.1, 98.1, 99.1])
    assert Delays().share_ms(0.5) == 0


def test_markets_have_as_many_ticks_as_they_are_to_and_a_burst_has_twice_as_many_in_clusters() -> None:
    calm, wild = (make(random.Random(1), 1_000, 50, 20.0) for make in (market.steady, market.burst))
    assert len(calm) == pytest.approx(20_000, rel=0.05)
    assert len(wild) == pytest.approx(40_000, rel=0.15)
    assert {tick.stream for tick in calm} == set(range(50))
    assert _dispersion(calm) == pytest.approx(1, abs=0.5)  # Poisson's is one
    assert _dispersion(wild) > 10


def _dispersion(ticks: list[Tick]) -> float:
    """The variance of the ticks in a quarter of a second, over their mean."""
    counts = [0] * 80
    for tick in ticks:
        counts[int(tick.at * 4)] += 1
    mean = sum(counts) / len(counts)
    return sum((many - mean) ** 2 for many in counts) / len(counts) / mean


@pytest.mark.parametrize("parts", [1, 5])
def test_a_recorded_market_has_the_wanted_mean_and_all_streams(parts: int) -> None:
    times = [number * 0.01 for number in range(2_001)]
    ticks = market.recorded(random.Random(1), times, 350, 10, 10.0, parts)
    assert len(ticks) == pytest.approx(3_500, rel=0.05)
    assert {tick.stream for tick in ticks} == set(range(10))
    assert ticks == sorted(ticks)
    with pytest.raises(ValueError, match="has 20 s of 30"):
        market.recorded(random.Random(1), times, 350, 10, 30.0)


def test_a_real_recording_has_bursts_beyond_the_plans() -> None:
    times = market.times_of([recording("binance_spot/btcusdt_20240808.gz")])
    assert len(times) == 28_040 + 9_757
    ticks = recorded([recording("binance_spot/btcusdt_20240808.gz")], 1).market(random.Random(1), 500, 10, 20.0)
    assert _dispersion(ticks) > 10


def test_a_lone_client_has_each_tick_as_soon_as_it_is_written() -> None:
    gateway = Simulated(ONE, Costs(), 1, random.Random(1))
    ticks = [Tick(0.1 * number, 0) for number in range(1, 11)]
    gateway.run(ticks, [tick.at for tick in ticks])
    assert (gateway.frames, gateway.messages) == (10, 10)
    assert gateway.waits.share_ms(1.0) == pytest.approx(0.1)
    assert gateway.busy_s == pytest.approx(10 * (7.45 + 12.4 + 0.05 + 200 - 0.0) * 1e-6, rel=0.1)


def test_under_load_it_flushes_as_the_gateway_does() -> None:
    """More than it has time for: batches grow until a flush and its rest are 85 % and 15 %."""
    gateway = Simulated(replace(ONE, ticks_per_s=2_000), replace(Costs(), wake_us=0.0), 1_000, random.Random(1))
    ticks = market.steady(random.Random(1), 2_000, 1, 0.5)
    gateway.run(ticks, [tick.at for tick in ticks])
    flushes = gateway.frames / 1_000
    assert gateway.messages == 1_000 * len(ticks)
    assert gateway.clock.at / flushes == pytest.approx((0.0079 + 0.00005 * len(ticks) / flushes) / SHARE, rel=0.1)


def test_at_rates_a_client_has_a_message_a_period_in_as_many_frames_as_there_are_moments() -> None:
    load = Load(clients=10, symbols=50, ticks_per_s=2_000, each=20, rate=2.0, tls=False)
    gateway = Simulated(load, Costs(), 10, random.Random(1))
    ticks = market.steady(random.Random(1), 2_000, 50, 5.0)
    gateway.run(ticks, [tick.at for tick in ticks])
    assert gateway.messages / gateway.clock.at / 10 == pytest.approx(load.messages, rel=0.15)
    assert gateway.frames / gateway.clock.at / 10 == pytest.approx(load.frames, rel=0.15)


def test_a_client_that_comes_takes_its_handshake_and_has_what_follows() -> None:
    gateway = Simulated(ONE, replace(Costs(), wake_us=0.0), 0, random.Random(1))
    ticks = [Tick(0.1, 0), Tick(0.3, 0)]
    gateway.run(ticks, [0.1, 0.3], [0.2])
    assert (gateway.clients, gateway.messages) == (1, 1)
    assert gateway.busy_s == pytest.approx(1_040e-6, rel=0.1)


def test_turns_of_redis_are_as_long_as_the_arithmetic_says() -> None:
    costs = Costs()
    found = mastered(random.Random(1), market.steady(random.Random(2), 3_000, 500, 3.0), 150, costs)
    assert len(found.written) == len(found.published)
    assert found.turn_s == pytest.approx(turn_s(3_000, 150, costs), rel=0.15)
    assert found.cpu > 0.9


@pytest.mark.parametrize("load", EXAMPLES, ids="ABC")
@pytest.mark.parametrize("case", [MEAN, BURST], ids=lambda case: case.name)
def test_the_worked_examples_hold(load: Load, case: Case) -> None:
    assert play(load, need(load), case, SHORT_S).faults() == []


def test_one_that_takes_anothers_place_gets_all_its_clients() -> None:
    plan = need(EXAMPLES[1])
    seen = play(EXAMPLES[1], plan, ANEW, 0.5)
    assert seen.faults() == []
    assert seen.clients == plan.clients_a_gateway


def test_when_one_is_lost_the_others_take_its_clients() -> None:
    load = replace(EXAMPLES[0], clients=1_300)
    plan = need(load)
    assert plan.gateways == 4
    seen = play(load, plan, LOST, SHORT_S)
    assert seen.clients == plan.clients_a_gateway + -(-plan.clients_a_gateway // 3)


@pytest.mark.parametrize(("load", "case"), [(EXAMPLES[0], BURST), (EXAMPLES[1], MEAN), (EXAMPLES[2], MEAN)], ids="ABC")
def test_half_the_gateways_are_found_to_be_too_few(load: Load, case: Case) -> None:
    assert play(load, crowded(need(load), 2), case, SHORT_S).faults()


def test_too_few_masters_are_found() -> None:
    load = EXAMPLES[1]
    plan = replace(need(load), shards=1)
    assert any("in Redis" in fault for fault in play(load, plan, BURST, 4.0).faults())


def test_costs_that_are_twice_what_was_measured_are_found() -> None:
    seen = play(EXAMPLES[0], need(EXAMPLES[0]), BURST, SHORT_S, scaled(Costs(), 2.0))
    assert seen.faults()


def test_a_market_without_a_tick_holds() -> None:
    load = Load(clients=5, symbols=2, ticks_per_s=0.001, each=1)
    assert [play(load, need(load), case, 0.1).faults() for case in (MEAN, LOST)] == [[], []]


def test_it_is_the_same_each_time() -> None:
    load = replace(EXAMPLES[0], clients=400)
    assert table([load], [MEAN, BURST], 0.5) == table([load], [MEAN, BURST], 0.5)


def _measured() -> list[tuple[Load, int, float, float, float]]:
    """The guide's table of real gateways: load, clients, what a write took, frames sent, CPU taken."""
    guide = (ROOT / "deploy" / "README.md").read_text()
    row = re.compile(
        r"^\| (\d+) of (\d+) symbols of ([\d,]+) ticks/s, (every tick|at most (\d+) a second each) \| ([\d,]+) "
        r"\| ([\d.]+) \| ([\d.]+) \| \d+, (\d+) \| \d+% \| (\d+)% ", re.MULTILINE,
    )  # fmt: skip
    found = []
    for each in row.findall(guide):
        wants, symbols, ticks_per_s, clients = (int(each[at].replace(",", "")) for at in (0, 1, 2, 5))
        load = next(
            one for one in SELECTIONS
            if (one.each, one.symbols, one.ticks_per_s, one.rate) == (wants, symbols, ticks_per_s, float(each[4] or 0))
        )  # fmt: skip
        found.append((load, clients, float(each[6]), float(each[8]), int(each[9]) / 100))
    return found


@pytest.mark.parametrize(("number", "case"), [(0, MEAN), (1, BURST), (2, MEAN)], ids="ABC")
def test_the_guide_has_what_the_simulation_says(number: int, case: Case) -> None:
    guide = (ROOT / "deploy" / "README.md").read_text()
    seen = play(EXAMPLES[number], need(EXAMPLES[number]), case)
    assert f"| {chr(65 + number)} | {seen.row()} |" in guide


@pytest.mark.parametrize(("load", "clients", "factor", "frames", "taken"), _measured())
def test_it_takes_what_real_gateways_took(load: Load, clients: int, factor: float, frames: float, taken: float) -> None:
    chance = random.Random(3)
    ticks = [
        Tick(number / load.ticks_per_s, chance.randrange(load.symbols)) for number in range(int(2 * load.ticks_per_s))
    ]
    gateway = Simulated(load, scaled(Costs(), factor), clients, chance)
    gateway.run(ticks, [tick.at for tick in ticks])
    assert BAND[0] < gateway.busy_s / 2.0 / taken < BAND[1]
    if not load.rate:  # there streams began together, at fewer moments than they come to with time
        assert BAND[0] < gateway.frames / 2.0 / clients / frames < BAND[1]


def test_all_points_of_the_guide_are_found() -> None:
    assert len(_measured()) >= 12
