"""What one publish call adds to each metric, by what the script answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest

from feed.bus.lane import Call, Lane
from feed.bus.publish_meters import PublishMeters
from feed.core.streams import Stream
from feed.core.ticks import BARS, NS_PER_S, TRADES
from tests.bus.test_flow import trade
from tests.bus.two_publishers import Clock
from tests.counted import Rise, shown

T0 = 1_000 * NS_PER_S


def made(feed: str, ticks: int, kind: str = TRADES, cause: str = "venue", first: int = 0) -> tuple[Lane, Call]:
    """A call whose ticks were received a second apart, and which is made a second after the last."""
    lane = Lane(Stream(feed, kind, "A"), contiguous=True)
    for number in range(first, first + ticks):
        tick = trade("A", number)._replace(ts_recv=T0 + number * NS_PER_S)
        lane.offer(tick, b"x" * 10)
    call = lane.next_call(1, 1_000)
    assert call is not None
    call.run.cause = cause
    call.ts_pub = T0 + (first + ticks) * NS_PER_S
    return lane, call


@dataclass
class Case:
    kind: str
    ticks: int
    published: int
    duplicates: int
    gaps: int
    cause: str
    adds: dict[str, float]


CASES = {
    "all of it": Case(TRADES, 3, 3, 0, 0, "venue", {"ticks": 3, "hop": 3}),
    "a peer had all": Case(TRADES, 3, 0, 3, 0, "venue", {"duplicates": 3}),
    "a peer had some": Case(TRADES, 3, 1, 2, 0, "venue", {"ticks": 1, "hop": 1, "duplicates": 2}),
    "a hole of the venue": Case(TRADES, 2, 2, 0, 1, "venue", {"ticks": 2, "hop": 2, "gap venue": 1}),
    "what the buffer lost": Case(TRADES, 2, 2, 0, 1, "ingest", {"ticks": 2, "hop": 2, "gap ingest": 1}),
    "lost, and ids reset": Case(TRADES, 2, 2, 0, 2, "ingest", {"ticks": 2, "hop": 2, "gap ingest": 1, "gap venue": 1}),
    "a bar has no such delay": Case(BARS, 2, 2, 0, 0, "venue", {"ticks": 2}),
}
NAMES = {
    "ticks": ("feed_publish_ticks_total", {}),
    "duplicates": ("feed_publish_duplicates_total", {}),
    "hop": ("feed_hop_delay_seconds_count", {"hop": "ingest_to_publish"}),
    "gap venue": ("feed_publish_gaps_total", {"cause": "venue"}),
    "gap ingest": ("feed_publish_gaps_total", {"cause": "ingest"}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_published(name: str) -> None:
    case, feed = CASES[name], "meters"
    meters, rise = PublishMeters(feed), Rise()
    meters.published(*made(feed, case.ticks, case.kind, case.cause), case.published, case.duplicates, case.gaps)
    assert {short: rise(full, feed=feed, **labels) for short, (full, labels) in NAMES.items()} == {
        short: case.adds.get(short, 0) for short in NAMES
    }


def test_any_published_tick_may_be_the_one_that_is_measured() -> None:
    """Ten ticks waited 10, 9, ... 1 s; the first four were a peer's."""
    chances: Iterator[float] = cycle([0.0, 0.1667, 0.334, 0.5, 0.667, 0.834, 0.999])
    meters, rise = PublishMeters("even", lambda: next(chances)), Rise()
    for _ in range(7):
        meters.published(*made("even", 10), 6, 4, 0)

    def below(bound: str) -> float:
        return rise("feed_hop_delay_seconds_bucket", feed="even", hop="ingest_to_publish", le=bound)

    # one of each of the waits 1 to 6 s, and two of 6 s; each stands for the six ticks of its call
    assert [below(bound) for bound in ("0.63", "1.0", "2.5", "4.0", "6.3", "+Inf")] == [0, 6, 12, 24, 42, 42]


def test_a_clock_that_was_set_back_is_not_hidden() -> None:
    meters, rise = PublishMeters("back"), Rise()
    lane, call = made("back", 2)
    call.ts_pub = T0 - 3 * NS_PER_S
    meters.published(lane, call, 2, 0, 0)
    assert rise("feed_hop_negative_total", feed="back", hop="ingest_to_publish") == 2
    offset = shown("feed_hop_clock_offset_seconds", feed="back", hop="ingest_to_publish")
    assert offset is not None
    assert 3 <= offset <= 4


def test_one_answer_of_a_write_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rise = Rise()
    meters = PublishMeters("write", lambda: 0.5)
    calls = [made("write", ticks)[1] for ticks in (1, 2, 300)]
    monkeypatch.setattr("feed.bus.publish_meters.time", Clock(50.0))
    meters.asked(calls, 7)
    assert [call.stands_for for call in calls] == [0, 3, 0]
    assert {(call.ts_pub, call.asked_at) for call in calls} == {(7, 50.0)}
    for at, call in enumerate(calls):
        meters.answered(b"OK" if at else b"BEHIND", call, 50.2 + at)

    def call_bucket(bound: str) -> float:
        return rise("feed_bus_call_seconds_bucket", call="publish", le=bound)

    assert [call_bucket(bound) for bound in ("1.0", "2.5", "+Inf")] == [0, 3, 3]
    sizes = [rise("feed_publish_batch_ticks_bucket", feed="write", le=le) for le in ("1.0", "2.0", "200.0", "500.0")]
    assert sizes == [1, 2, 2, 3]
    answers = [rise("feed_publish_calls_total", feed="write", answer=word) for word in ("ok", "behind", "stale")]
    assert answers == [2, 1, 0]


def test_a_call_that_is_made_again_stands_for_what_it_is_written_with() -> None:
    chances = iter([0.0, 0.5])
    meters, rise = PublishMeters("again", lambda: next(chances)), Rise()
    calls = [made("again", 1)[1] for _ in range(2)]
    meters.asked(calls, 7)  # the connection ends before anything is answered
    meters.asked(calls, 8)
    assert [call.ts_pub for call in calls] == [8, 8]
    for call in calls:
        meters.answered(b"OK", call, call.asked_at)
    assert rise("feed_bus_call_seconds_count", call="publish") == 2


def test_the_age_of_what_redis_said_last(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(100.0)
    monkeypatch.setattr("feed.bus.publish_meters.time", clock)
    meters = PublishMeters("heard")
    meters.watch(1, lambda: 0, lambda: 0.0)

    def age() -> float | None:
        return shown("feed_bus_probe_age_seconds", role="publisher")

    clock.now = 107.0
    assert age() == 7, "since the start"
    meters.answered(b"OK", made("heard", 1)[1], 106.0)
    assert age() == 1
    meters.heard(107.0)
    assert age() == 0
