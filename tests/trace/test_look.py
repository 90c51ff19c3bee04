"""What the answers of all processes come to."""

from typing import Any

import pytest

from feed.bus.answer import TOO_LONG, Answer, Who
from feed.core.streams import Position
from feed.trace.look import without_redis
from tests.trace.looks import AT_MS, SILENCE, STREAM, T, call, gateway, look, ms, slow, standing, worker


def test_a_gateway_s_answer_is_read() -> None:
    (reader,) = look(gateway(slow=(slow(),), slow_clients=1)).readers
    assert (reader.name, reader.age_s, reader.at) == ("gw-1", 0.25, Position("e1", 132))
    assert (reader.clients, reader.cohorts, reader.tail, reader.slow_clients) == (3, 2, 100, 1)
    assert reader.publish_to_gateway == ms(0.5, 1.5)
    assert reader.slow[0]._asdict() == {"gateway": "gw-1", **slow()}


def test_workers_of_one_gateway_are_told_apart() -> None:
    answers = gateway("host-1", "gateway worker 1"), gateway("host-2", "gateway worker 2")
    assert [reader.name for reader in look(*answers).readers] == ["host-1 #1", "host-2 #2"]


def test_a_gateway_that_does_not_read_the_stream_says_no_more() -> None:
    bare = Answer(Who("gw-1", "gateway", "0.1.0"), 0.0, "", {"reads": False, "bus_up": True})
    (reader,) = look(bare).readers
    assert (reader.reads, reader.at, reader.behind, reader.publish_to_gateway) == (False, Position(None, 0), None, None)


def test_who_had_too_much_to_say_or_says_what_is_not_known_is_left_out() -> None:
    faulty = Answer(Who("gw-1", "gateway", "9"), 0.0, TOO_LONG, None)
    newer = Answer(Who("x", "something new", "9"), 0.0, "", {"colour": "blue"})
    found = look(faulty, newer)
    assert found.readers == ()
    assert [worker.name for worker in found.workers] == ["w1"], "Redis knows it"


@pytest.mark.parametrize(
    ("before", "now", "rate"),
    [
        ((100, AT_MS - 2_000), (132, AT_MS), 16.0),
        ((132, AT_MS - 1_000), (132, AT_MS), 0.0),
        ((132, AT_MS), (132, AT_MS), None),
        ((0, AT_MS - 1_000), (132, AT_MS), None),
        ((132, AT_MS - 1_000), (0, AT_MS), None),
    ],
)
def test_rates_are_of_two_looks(before: tuple[int, int], now: tuple[int, int], rate: float | None) -> None:
    first = look(now=standing(before[0], at_ms=before[1]))
    assert first.rate is None
    assert look(now=standing(now[0], at_ms=now[1]), before=first).rate == rate


def test_there_is_no_rate_over_a_change_of_epoch() -> None:
    first = look(now=standing(100, at_ms=AT_MS - 1_000, epoch="e0"))
    assert look(now=standing(132), before=first).rate is None


WAS = (call("w1", 7, 95, 100), call("w2", 3, 90, 94))


@pytest.mark.parametrize(
    ("answers", "calls", "seq", "beating", "does"),
    [
        # both wrote something since
        (
            ("w1", "w2"),
            (call("w1", 9, 120, 132), call("w2", 4, 110, 119)),
            132,
            (),
            {"w1": "publishes", "w2": "publishes"},
        ),
        # a call of ticks that a peer had published leaves no trace
        (("w1", "w2"), (call("w1", 9, 120, 132), WAS[1]), 132, (), {"w1": "publishes", "w2": "repeats"}),
        (("w1", "w2"), WAS, 100, (), {"w1": "idle", "w2": "idle"}),
        # one that answers no more, but beats; and one that is gone: named if it wrote last
        (("w1",), (call("w1", 9, 120, 132), WAS[1]), 132, ("w2",), {"w1": "publishes", "w2": "repeats"}),
        (("w1",), (call("w1", 9, 120, 132), WAS[1]), 132, (), {"w1": "publishes"}),
        ((), WAS, 100, (), {"w1": "gone"}),
    ],
)
def test_what_a_worker_does(
    answers: tuple[str, ...], calls: Any, seq: int, beating: tuple[str, ...], does: dict[str, str]
) -> None:
    first = look(gateway(), now=standing(100, *WAS, at_ms=AT_MS - 1_000))
    told = [worker(name) for name in answers]
    found = look(gateway(), *told, now=standing(seq, *calls, beating=beating), before=first)
    assert {each.name: each.does for each in found.workers} == does


def test_a_worker_that_waits_for_its_peer() -> None:
    first = look(now=standing(100, *WAS, at_ms=AT_MS - 1_000))
    found = look(worker("w2", waits_for_peer=True), now=standing(100, *WAS), before=first)
    assert {each.name: each.does for each in found.workers}["w2"] == "waits for its peer"


def test_nobody_is_said_to_repeat_by_one_look() -> None:
    assert {each.does for each in look(worker("w1"), worker("w2")).workers} == {"idle"}


def test_the_age_of_the_last_entry_is_by_redis_clock_and_never_clamped() -> None:
    assert look().age_s == pytest.approx(0.012)
    assert look(now=standing(at_ms=AT_MS - 1_012)).age_s == pytest.approx(-1.0)
    assert look(now=standing(0)).age_s is None


def test_slow_clients_of_all_gateways_the_slowest_first() -> None:
    one = gateway("gw-1", slow=(slow("a", lag_s=1.0), slow("b", lag_s=0.0, waiting_bytes=9)))
    two = gateway("gw-2", slow=(slow("c", lag_s=7.0), slow("d", lag_s=0.0, waiting_bytes=10)))
    assert [(client.gateway, client.connection) for client in look(one, two).slow] == [
        ("gw-2", "c"), ("gw-1", "a"), ("gw-2", "d"), ("gw-1", "b"),
    ]  # fmt: skip


def test_without_redis() -> None:
    found = without_redis(T, STREAM, "cannot connect", SILENCE)
    assert (found.fault, found.standing, found.age_s, found.slow) == ("cannot connect", None, None, [])
