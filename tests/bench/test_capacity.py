"""The capacity plan: its arithmetic by tables, its costs as the documents have them, real gateways that keep to it."""

import math
import re
from dataclasses import replace

import pytest

from tests.bench.capacity import (
    EXAMPLES,
    Costs,
    Load,
    Margins,
    client_us,
    gateway_cpu,
    most_clients,
    need,
    table,
    taken_in,
)
from tests.bench.capacity_run import HEAD, POINTS, points
from tests.data import ROOT

LOAD = Load(clients=100_000, symbols=500, ticks_per_s=5_000, each=20)


@pytest.mark.parametrize(
    ("load", "messages", "frames"),
    [
        (LOAD, 200, (1 - math.exp(-4)) * 50),
        (replace(LOAD, rate=1), 20, (1 - math.exp(-0.4)) * 50),
        (replace(LOAD, rate=50), 200, (1 - math.exp(-4)) * 50),  # more than there is changes nothing
        (replace(LOAD, each=0), 0, 0),
        (replace(LOAD, delay_s=1e-9), 200, 200),  # nothing waits: each message is a frame
    ],
)
def test_what_one_client_is_sent(load: Load, messages: float, frames: float) -> None:
    assert load.messages == pytest.approx(messages)
    assert load.frames == pytest.approx(frames, rel=1e-3, abs=1e-9)


def test_what_a_gateway_reads_is_what_some_client_of_its_own_wants() -> None:
    assert taken_in(LOAD, 0) == 0
    assert taken_in(LOAD, 1) == pytest.approx(200)
    assert taken_in(LOAD, 10_000) == pytest.approx(5_000)
    assert taken_in(replace(LOAD, shared=True), 10_000) == pytest.approx(200)


def test_lists_of_their_own_tls_and_cold_clients_cost_more() -> None:
    costs = Costs()
    shared = replace(LOAD, shared=True, tls=False)
    assert client_us(replace(shared, shared=False), costs) - client_us(shared, costs) == pytest.approx(200 * 2.9)
    assert client_us(replace(shared, tls=True), costs) - client_us(shared, costs) == pytest.approx(LOAD.frames * 0.4)
    few = Load(clients=1, symbols=1, ticks_per_s=1, each=1, shared=True, tls=False)
    assert client_us(few, costs) / few.frames == pytest.approx(12.4, rel=0.01)


def test_a_gateway_is_as_full_as_it_may_be_and_one_is_to_spare() -> None:
    found = need(LOAD)
    most, why = most_clients(LOAD, Costs(), Margins())
    assert why == found.why == "CPU"
    assert found.gateways == math.ceil(LOAD.clients / most) + 1
    assert gateway_cpu(LOAD, most, Costs()) <= Margins().gateway_cpu < gateway_cpu(LOAD, most + 2, Costs())


@pytest.mark.parametrize(
    ("load", "margins", "why"),
    [
        (Load(clients=100_000, symbols=10, ticks_per_s=1, each=1), Margins(), "connections"),
        (replace(LOAD, shared=True), Margins(gateway_mbit=10), "bandwidth"),
    ],
)
def test_other_limits(load: Load, margins: Margins, why: str) -> None:
    assert most_clients(load, Costs(), margins)[1] == why


def test_more_ticks_than_a_gateway_may_read_are_said_to_be() -> None:
    with pytest.raises(ValueError, match="divide the symbols"):
        need(replace(LOAD, ticks_per_s=80_000))


def test_redis_is_divided_by_what_its_gateways_read() -> None:
    few, many = need(replace(LOAD, clients=1_000)), need(replace(LOAD, clients=1_000_000))
    assert few.shards == 1
    assert many.shards > 10
    assert many.redis_cpu / many.shards <= Margins().redis_cpu


def test_costs_are_those_that_the_readme_tells() -> None:
    text = (ROOT / "README.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)`: .*?\| [\d,]+ \| ([\d.]+) us \|", text, re.MULTILINE))
    costs = Costs()
    assert float(told["hot"]) == costs.write_us
    assert float(told["crowd"]) == pytest.approx(costs.cold_us, abs=0.5)
    assert float(told["tls"]) - float(told["hot"]) == pytest.approx(costs.tls_us)


def test_the_worked_examples_are_those_of_the_guide() -> None:
    guide = (ROOT / "deploy" / "README.md").read_text()
    assert table(EXAMPLES) in guide


@pytest.mark.bench
@pytest.mark.timeout(300)
def test_real_gateways_keep_to_the_plan() -> None:
    """Each has as many clients as the plan gives it, and they get everything; what it takes is near to what was
    planned. Half as much again is the noise of a machine that is shared."""
    print(f"\n{HEAD}")
    for point in points(POINTS, 3.0):
        print(point.row())
        assert point.came > 0.99
        assert 0.5 < point.took / point.planned < 1.5
        assert 0.6 < point.due / point.took < 1.8
