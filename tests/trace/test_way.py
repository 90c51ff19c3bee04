"""A tick's way hop by hop, which hop takes the most, and what is wrong, in words."""

from typing import Any

import pytest

from feed.bus.answer import Answer
from feed.trace.look import without_redis
from feed.trace.way import faults_of, way_of
from tests.trace.looks import SILENCE, STREAM, T, gateway, look, ms, standing, worker


def test_hops_are_in_a_tick_s_order_and_those_of_each_gateway_apart() -> None:
    found = look(
        worker(), gateway("g1"), gateway("g2"),
        venue_to_ingest=ms(12.0), ingest_to_publish=ms(0.1), publish_to_here=ms(900.0),
    )  # fmt: skip
    assert [(hop.name, hop.at) for hop in way_of(found)] == [
        ("venue → ingest", ""),
        ("ingest → publish", ""),
        ("publish → gateway", "g1"),
        ("publish → gateway", "g2"),
        ("gateway → socket", "g1"),
        ("gateway → socket", "g2"),
        ("publish → here", ""),
    ]
    # what is read here no client waits for
    assert [hop.name for hop in way_of(found) if hop.most] == ["venue → ingest"]


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ({"venue_to_ingest": ms(12.0)}, ("venue → ingest", "")),
        ({"venue_to_ingest": ms(1.0), "ingest_to_publish": ms(0.1, 50.0)}, ("ingest → publish", "")),
        ({"venue_to_ingest": ms(1.0)}, ("gateway → socket", "gw-1")),
        ({"venue_to_ingest": ms(-1_270.0)}, ("gateway → socket", "gw-1")),
    ],
)
def test_the_hop_that_takes_the_most_has_the_largest_p99(hops: dict[str, Any], expected: tuple[str, str]) -> None:
    assert [(hop.name, hop.at) for hop in way_of(look(**hops)) if hop.most] == [expected]


def test_what_was_not_measured_is_no_hop() -> None:
    assert way_of(look(worker(), gateway(hops={"publish_to_gateway": None, "gateway_to_socket": None}))) == []


ALONE = "no gateway reads it, as no client wants it"


@pytest.mark.parametrize(
    ("answers", "faults"),
    [
        ((worker(), gateway()), []),
        ((gateway(),), ["no ingest worker of binance answers"]),
        ((worker(),), ["no gateway that carries binance answers"]),
        ((worker(), gateway(reads=False)), [ALONE]),
        ((worker(), gateway(), gateway("gw-2", reads=False)), []),
        ((worker(), gateway(bus_up=False)), ["gw-1 has lost the bus"]),
        ((worker(venue_up=False, silent=True), gateway()), ["w1 has no connection to the venue"]),
        ((worker(silent=True), gateway()), ["w1 hears nothing of BTC/USDT"]),
        ((worker(bus_up=False), gateway()), ["w1 can't publish: it has no connection to Redis"]),
    ],
)
def test_what_stands_in_the_way(answers: tuple[Answer, ...], faults: list[str]) -> None:
    assert faults_of(look(*answers)) == faults


def test_an_unknown_stream_is_waited_for() -> None:
    assert faults_of(look(worker(), gateway(), now=standing(0))) == [
        "Redis knows nothing of binance:trades:BTC/USDT: waiting for its first tick"
    ]


def test_a_delay_below_zero_says_how_far_the_clocks_are_apart() -> None:
    found = look(
        worker(),
        gateway(hops={"publish_to_gateway": ms(0.5, least=-0.25), "gateway_to_socket": None}),
        venue_to_ingest=ms(-1_270.0, least=-1_275.5),
    )
    assert faults_of(found) == [
        "venue → ingest is below zero: the later clock is behind by 1,275.500 ms at least",
        "publish → gateway at gw-1 is below zero: the later clock is behind by 0.250 ms at least",
    ]


def test_what_happened_to_the_stream_is_told_last() -> None:
    assert faults_of(look(gateway(), notes=("gap at 6: venue",)))[-1] == "gap at 6: venue"


def test_with_redis_away_nothing_else_is_known() -> None:
    assert faults_of(without_redis(T, STREAM, "no answer in time", SILENCE)) == [
        "Redis is away: no answer in time; it is asked again each second"
    ]
