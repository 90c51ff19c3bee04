"""The capacity plan: its arithmetic by tables, its costs as the documents have them, real gateways that keep to it."""

import asyncio
import math
import random
import re
from dataclasses import replace

import orjson
import pytest

from feed.bus.embedded import servers
from feed.wire.deflate import compressed
from feed.wire.frames import TEXT, frame
from tests.bench.capacity import EXAMPLES, main, table
from tests.bench.capacity_run import BAND, HEAD, SELECTIONS, points
from tests.bench.costs import Costs, Load, client_us, taken_in
from tests.bench.masters import master_cpu, masters, turn_s
from tests.bench.plan import Margins, compression, gateway_cpu, most_clients, need
from tests.bench.readers import ALONE, turns
from tests.data import ROOT

LOAD = Load(clients=100_000, symbols=500, ticks_per_s=5_000, each=20)


@pytest.mark.parametrize(
    ("load", "messages", "frames"),
    [
        (LOAD, 200, (1 - math.exp(-4)) * 50),
        (replace(LOAD, rate=1), 20, 4 * (1 - 0.75**20)),  # all of a client's that wait for a moment go together
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
        (Load(clients=100_000, symbols=10, ticks_per_s=1, each=1), Margins(gateway_connections=2_000), "connections"),
        (Load(clients=100_000, symbols=10, ticks_per_s=1, each=1), Margins(), "reconnects"),
        (replace(LOAD, rate=1), Margins(), "flush"),
        (replace(LOAD, shared=True), Margins(gateway_mbit=10), "bandwidth"),
        (Load(clients=100_000, symbols=10, ticks_per_s=1, each=1), Margins(gateway_mb=200), "memory"),
    ],
)
def test_other_limits(load: Load, margins: Margins, why: str) -> None:
    assert most_clients(load, Costs(), margins)[1] == why


def test_one_that_takes_anothers_place_has_time_for_all_who_come() -> None:
    idle, costs, margins = Load(clients=100_000, symbols=10, ticks_per_s=1, each=1), Costs(), Margins()
    found = need(idle)
    assert found.back_cpu == pytest.approx(found.clients_a_gateway / 10 * (1_040 + 830) * 1e-6)
    assert found.back_cpu + found.gateway_cpu <= margins.gateway_back
    plain = need(replace(idle, tls=False))
    assert plain.clients_a_gateway > 1.5 * found.clients_a_gateway
    assert most_clients(idle, replace(costs, handshake_us=0.0, tls_handshake_us=0.0), margins)[1] == "connections"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--clients 0", "--clients is to be more than 0"),
        ("--clients -5", "--clients is to be more than 0"),
        ("--clients 10 --each 600", "--each 600 is more than the 500 --symbols that there are"),
        ("--clients 10 --symbols 0", "--symbols is to be more than 0"),
        ("--clients 10 --ticks-per-s 0", "--ticks-per-s is to be more than 0"),
        ("--clients 10 --ticks-per-s nan", "--ticks-per-s is to be more than 0"),
        ("--clients 10 --ticks-per-s inf", "--ticks-per-s is to be more than 0"),
        ("--clients 10 --each -3", "--each is to be more than 0"),
        ("--clients 10 --rate -1", "--rate is to be 0 or more"),
        ("--clients 10 --delay-s 0", "--delay-s is to be more than 0"),
        ("--clients 10000 --ticks-per-s 90000", "divide the symbols"),
        ("--clients 1000000000000", "more than a master may write to"),
        ("--symbols 100", "--clients is missing"),
    ],
)
def test_what_makes_no_sense_is_said(
    arguments: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["capacity", *arguments.split()])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr()
    assert words in told.err
    assert not told.out


def test_the_guides_example_has_what_the_guide_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (ROOT / "deploy" / "README.md").read_text()
    command = re.search(r"^python -m tests\.bench\.capacity (--clients .*)$", guide, re.MULTILINE)
    said = re.search(r"with one column: (\d+) gateways, (\w+) Redis, ([\d.]+) Gbit/s", guide)
    assert command
    assert said
    monkeypatch.setattr("sys.argv", ["capacity", *command[1].split()])
    main()
    printed = capsys.readouterr().out
    assert f"one of them to spare | {said[1]} (" in printed
    assert said[2] == "one"
    assert "CPU that each needs | 1 (" in printed
    assert f"to clients | {said[3]} Gbit/s" in printed


def test_the_guide_says_how_many_ticks_a_master_may_have() -> None:
    guide = (ROOT / "deploy" / "README.md").read_text()
    told = re.search(r"([\d,]+) ticks a second for each\s+master with ten gateways, ([\d,]+) with 150", guide)
    assert told
    margins, costs = Margins(), Costs()
    for words, readers in zip(told.groups(), (10, 150), strict=True):
        ticks = int(words.replace(",", ""))
        most = [
            masters(times * ticks, readers, margins.redis_turn_s, margins.redis_cpu, costs, margins.redis_ticks)
            for times in (0.97, 1.03)
        ]
        assert most == [1, 2]


def test_more_ticks_than_a_gateway_may_read_are_said_to_be() -> None:
    with pytest.raises(ValueError, match="divide the symbols"):
        need(replace(LOAD, ticks_per_s=80_000))


def test_redis_is_divided_by_what_its_gateways_read() -> None:
    few, many = need(replace(LOAD, clients=1_000)), need(replace(LOAD, clients=180_000))
    assert few.shards == 1
    assert few.redis_cpu < many.redis_cpu <= Margins().redis_cpu
    assert many.shards > 10


def test_more_gateways_than_a_master_may_write_to_are_said_to_be() -> None:
    with pytest.raises(ValueError, match="gateways are more than a master may write to each 5 ms"):
        need(replace(LOAD, clients=1_000_000))


COSTS = Costs(redis_us=40.0, duplicate_us=10.0, reader_write_us=10.0, reader_us=0.5)


@pytest.mark.parametrize(
    ("ticks_per_s", "readers", "expected"),
    [
        (0, 100, 0.001),  # each of them once
        (5_000, 100, 0.002),  # half of its time goes by for what is in the writes
        (9_000, 100, 0.01),
    ],
)
def test_turns_grow_with_what_they_have_to_write(ticks_per_s: float, readers: int, expected: float) -> None:
    assert turn_s(ticks_per_s, readers, COSTS) == pytest.approx(expected)


def test_with_turns_as_long_as_they_need_be_a_master_takes_all_of_its_core() -> None:
    turn = turn_s(5_000, 100, COSTS)
    assert master_cpu(5_000, 100, turn, COSTS) == pytest.approx(1.0)
    assert master_cpu(5_000, 100, 2 * turn, COSTS) == pytest.approx(0.75)


def test_a_master_without_time_left_is_said_to_be() -> None:
    with pytest.raises(ValueError, match="more than a master can do"):
        turn_s(10_000, 100, COSTS)


@pytest.mark.parametrize(("ticks_per_s", "expected"), [(0, 1), (3_000, 1), (4_000, 1), (4_001, 2), (8_001, 3)])
def test_there_are_masters_enough_and_not_one_more(ticks_per_s: float, expected: int) -> None:
    found = masters(ticks_per_s, 100, 0.005, 0.6, COSTS)
    assert found == expected
    assert master_cpu(ticks_per_s / found, 100, 0.005, COSTS) <= 0.6 + 1e-9


def test_costs_are_those_that_the_readme_tells() -> None:
    text = (ROOT / "README.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)`: .*?\| [\d,]+ \| ([\d.]+) us \|", text, re.MULTILINE))
    costs = Costs()
    assert float(told["hot"]) == costs.write_us
    assert float(told["crowd"]) == pytest.approx(costs.cold_us, abs=0.5)
    assert float(told["tls"]) - float(told["hot"]) == pytest.approx(costs.tls_us)
    idle = re.search(r"idle connection takes (\d+) kB, over TLS (\d+) kB", text)
    assert idle
    assert [int(kb) for kb in idle.groups()] == [costs.connection_kb, costs.connection_kb + costs.tls_kb]


def test_the_cost_of_a_list_of_ones_own_is_what_watchlist_takes_beyond_its_frames() -> None:
    measured = _told("README.md", r"watchlist`: .*?\| [\d,]+ \| ([\d.]+) us")
    in_a_frame = _told("feed/BENCHMARK.md", r"each frame \(([\d.]+) ticks\)")
    costs = Costs()
    reading = costs.intake_us * 500 / (500 * 20)  # a tick is read once, for the 20 who want it
    left = measured - reading - costs.write_us / in_a_frame
    assert left == pytest.approx(costs.message_us + costs.own_us, rel=0.05)


def _told(document: str, pattern: str) -> float:
    found = re.search(pattern, (ROOT / document).read_text())
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize("trades", [2, 4, 10, 20])
def test_compression_leaves_what_the_plan_says(trades: int) -> None:
    chance = random.Random(trades)
    whole = [frame(TEXT, orjson.dumps([_trade(chance) for _ in range(trades)])) for _ in range(300)]
    left = sum(len(compressed(each)) for each in whole) / sum(map(len, whole))
    assert left == pytest.approx(compression(trades), rel=0.15)


def _trade(chance: random.Random) -> dict[str, object]:
    at = f"2026-01-05T15:{chance.randrange(60):02d}:07.{chance.randrange(10**9):09d}Z"
    return {
        "T": "t", "S": f"SYM{chance.randrange(500):03d}", "i": chance.randrange(10**6), "x": "V", "c": ["@"],
        "p": round(chance.uniform(10, 500), 2), "s": chance.randrange(1, 500), "t": at, "z": "C",
        "q": chance.randrange(10**5),
    }  # fmt: skip


def test_the_worked_examples_are_those_of_the_guide() -> None:
    guide = (ROOT / "deploy" / "README.md").read_text()
    assert table(EXAMPLES) in guide


@pytest.mark.bench
@pytest.mark.timeout(300)
def test_real_gateways_take_what_is_predicted() -> None:
    """Their clients get everything, and CPU is as predicted, within what a shared machine changes in seconds."""
    print(f"\n{HEAD}")
    for point in points(SELECTIONS, (1_000,), 2.0):
        print(point.row())
        assert point.came > 0.99
        assert BAND[0] < point.ratio < BAND[1]


@pytest.mark.bench
@pytest.mark.timeout(120)
def test_a_real_redis_writes_to_its_readers_in_turns_as_long_as_predicted() -> None:
    for found in asyncio.run(turns(servers()["valkey"], 200, (200, 1_000), 2.0)):
        expected = turn_s(found.ticks_per_s, 200, ALONE)
        print(f"{found}: {expected:.4f} s expected")
        assert BAND[0] < expected / found.turn_s < BAND[1]
    assert found.messages_a_write(200) > 1.2, "what came meanwhile goes in one write"
