"""What clients miss is counted once for each of them, whenever they are told, and by whatever way."""

from typing import Any

import pytest

from feed.bus.reading import Hole
from feed.core.streams import Position
from feed.core.ticks import TRADES, Gap
from feed.gateway.lane import FULL_BYTES
from feed.gateway.message import missing
from feed.gateway.resume import Place
from tests.counted import Rise
from tests.gateway.gateway_stage import play, serving
from tests.gateway.hub_stage import EPOCH, FEED, T0, Client, Stage, stream, tick

A, B = stream("A"), stream("B")


@pytest.mark.parametrize(
    ("fields", "ticks"),
    [
        ({"from": 5, "to": 9}, 5),
        ({"from": 5, "to": None}, 1),
        ({"from": 5, "to": 5, "q": 5}, 1),
        ({"from": 5, "to": 5, "q": 5, "ids": [100, 149]}, 50),
        ({"from": 5, "to": 5, "q": 5, "ids": [100, 90]}, 1),
        ({"from": 9, "to": 5}, 1),
    ],
)
def test_how_many_are_missing(fields: dict[str, Any], ticks: int) -> None:
    assert missing({"T": "gap", "stream": "trades:A", "epoch": EPOCH, "cause": "venue", **fields}) == ticks


@pytest.mark.parametrize(
    ("hole", "cause", "ticks"),
    [
        (Gap("A", "venue", 10, 14, T0), "venue", 3),
        (Gap("A", "ingest", None, None, T0), "ingest", 1),
        (Hole(EPOCH, 2, 6, Position(EPOCH, 7)), "bus", 5),
        (Hole(EPOCH, 2, None, Position("e2", 1)), "bus", 1),
    ],
)
def test_what_is_missing_counts_for_each_client(hole: Gap | Hole, cause: str, ticks: int) -> None:
    stage, slow = Stage(), Client()
    stage.seqs |= {A: 1, B: 1}  # they have ticked before: nobody is told of an epoch first
    for depth in (1, 2):
        stage.subscribe(Client(), A, depth=depth)
    stage.subscribe(Client(), A, rate=1.0)
    stage.announce(A, B)
    stage.subscribe(Client(), kinds=[TRADES])
    stage.subscribe(Client(), B)
    stage.subscribe(slow, A)
    slow.waiting = 1
    stage.ticks(A)
    stage.clock.turn()
    risen = Rise()
    if isinstance(hole, Gap):
        stage.gap(A, hole)
    else:
        stage.hub.hole(A, hole)
    assert risen("feed_gateway_gaps_total", feed=FEED, cause=cause) == 1
    assert risen("feed_gateway_missing_ticks_total", feed=FEED, cause=cause) == 5 * ticks
    slow.waiting = 0
    stage.clock.turn(1)
    assert [message["T"] for message in slow.read()] == ["t", "gap"]
    assert risen("feed_gateway_missing_ticks_total", feed=FEED, cause=cause) == 5 * ticks, "counted when it came"


def test_who_resumes_over_a_gap_is_told_of_it_later() -> None:
    stage, back = Stage(), Client()
    stage.subscribe(Client(), A)
    stage.ticks(A, 2)
    stage.gap(A, Gap("A", "venue", 10, 14, T0))
    stage.clock.turn()
    stage.clock.turn(1)
    risen = Rise()
    stage.subscribe(back, A, places={A: Place(Position(EPOCH, 1), [])})
    stage.clock.turn(1)
    assert [message["T"] for message in back.read()] == ["t", "gap"]
    assert risen("feed_gateway_missing_ticks_total", feed=FEED, cause="venue") == 3
    assert risen("feed_gateway_gaps_total", feed=FEED, cause="venue") == 0, "it is one hole, however many hear of it"


def test_a_slow_client_that_the_log_has_left_behind_misses_what_was_cut_off() -> None:
    stage, slow = Stage(), Client()
    stage.subscribe(slow, A)
    stage.ticks(A, 5)
    stage.clock.turn()
    slow.read()
    slow.waiting = FULL_BYTES
    stage.ticks(A, 5)
    stage.clock.turn(1)
    live = stage.hub.interest.streams[A]
    while live.tail.drop_oldest():
        pass
    stage.ticks(A, 5)
    slow.waiting = 0
    stage.clock.turn(1)
    risen = Rise()
    stage.log.answer({n: tick(A, n) for n in (9, 10)})
    stage.clock.turn(1)
    gaps = [message for message in slow.read() if message["T"] == "gap"]
    assert [(gap["from"], gap["to"], gap["cause"]) for gap in gaps] == [(6, 8, "history")]
    assert risen("feed_gateway_missing_ticks_total", feed=FEED, cause="history") == 3
    assert risen("feed_gateway_gaps_total", feed=FEED, cause="history") == 1


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_a_client_that_was_away_for_too_long_misses_what_it_is_told_of(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            stage.trade("A")
            await stage.published()
            async with stage.client(depth=2) as client:
                answer = await client.subscribe(trades=["A"])
                at = answer["streams"]["trades:A"]
            for _ in range(3_001):  # the log keeps a thousand
                stage.trade("A")
            await stage.published()
            risen = Rise()
            since = {"trades:A": {"epoch": at["epoch"], "seq": at["seq"]}}
            async with stage.client(depth=2) as client:
                await client.subscribe(trades=["A"], since=since)
                gap, _ = await client.some(2)
            assert gap["cause"] == "history"
            lost = gap["to"] - gap["from"] + 1
            assert risen("feed_gateway_missing_ticks_total", feed="sim", cause="history") == lost > 1_000
            assert risen("feed_gateway_resumes_total", feed="sim", how="lost") == 1

    play(scene)
