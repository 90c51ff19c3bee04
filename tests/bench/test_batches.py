"""How long batches get: by hand for a few, as the README has it for the benchmark's loads, and at the limits."""

import re
from dataclasses import replace

import pytest

from feed.bench.scenarios import SCENARIOS
from tests.bench.batches import batches
from tests.bench.costs import Costs, Load
from tests.bench.plan import need
from tests.data import ROOT

ONE = Load(clients=100, symbols=1, ticks_per_s=100, each=1, shared=True, tls=False)
# The README's figures have been measured at other hours than the costs of single things: most is predicted too high.
README = (0.8, 1.3)


def test_where_there_is_time_each_tick_is_a_flush() -> None:
    found = batches(ONE, 100, Costs())
    assert found.every_s == pytest.approx(0.01)
    assert found.frames_per_s == pytest.approx(100)
    assert found.cpu == pytest.approx(100 * (100 * (7.9 + 0.05) + 200 + 7.45) * 1e-6)


def test_under_load_batches_grow_until_a_flush_is_85_percent_of_the_time() -> None:
    costs = replace(Costs(), message_us=0.0, wake_us=0.0, intake_us=0.0)
    found = batches(replace(ONE, ticks_per_s=1_000), 2_000, costs)
    assert found.every_s == pytest.approx(2_000 * 7.9e-6 / 0.85, rel=0.01)
    assert found.cpu == pytest.approx(0.85, rel=0.01)


def test_whoever_waits_for_a_core_flushes_less_often_and_takes_less_of_it() -> None:
    alone, crowded = (batches(ONE, 1_500, Costs(), slow) for slow in (1.0, 2.0))
    assert crowded.every_s > 1.5 * alone.every_s
    assert crowded.cpu < 0.7 * alone.cpu


def test_clients_at_rates_have_fewer_batches() -> None:
    each = replace(ONE, symbols=10, ticks_per_s=1_000, each=10)
    assert batches(replace(each, rate=1.0), 10, Costs()).frames_per_s == pytest.approx(4 * (1 - 0.75**10))


def test_nobody_takes_nothing_and_too_many_are_said_to_be() -> None:
    assert batches(ONE, 0, Costs()).cpu == 0
    everything = Load(clients=5_000, symbols=500, ticks_per_s=5_000, each=100, tls=False)
    with pytest.raises(ValueError, match="more than a gateway has time for"):
        batches(everything, 5_000, Costs())


@pytest.mark.parametrize("name", ["hot", "burst", "watchlist", "firehose", "crowd"])
def test_the_loads_of_the_benchmark_take_what_the_readme_tells(name: str) -> None:
    told = re.search(rf"^\| `{name}`: .*?\| [\d,]+ \| ([\d.]+) us \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert told is not None
    scenario = next(each for each in SCENARIOS if each.name == name)
    each = scenario.each or scenario.symbols
    load = Load(
        clients=scenario.clients, symbols=scenario.symbols, ticks_per_s=scenario.ticks_per_s, each=each,
        shared=each == scenario.symbols, tls=False,
    )  # fmt: skip
    a_delivery_us = batches(load, load.clients, Costs()).cpu * 1e6 / (load.clients * load.messages)
    assert README[0] < a_delivery_us / float(told[1]) < README[1]


def test_a_gateway_with_as_many_clients_as_it_is_given_has_time_for_them() -> None:
    load = Load(clients=100_000, symbols=500, ticks_per_s=5_000, each=20)
    found = batches(load, need(load).clients_a_gateway, Costs())
    assert found.every_s < load.delay_s
    assert found.cpu < 1
