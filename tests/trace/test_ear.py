"""A stream as it is read here: its place, and the delays that its ticks tell."""

import pytest

from feed.bus.reading import Batch, Hole
from feed.core.delays import STEP
from feed.core.streams import Position
from feed.core.ticks import NS_PER_S, Bar, Gap, Trade
from feed.trace.ear import NOTES_KEPT, Ear
from tests.trace.looks import STREAM

MS = 1_000_000
T0 = 1_795_338_308 * NS_PER_S


def trade(event_ns: int = 0, recv_ns: int = 0) -> Trade:
    return Trade("BTC/USDT", 1, 60_000.0, 1.0, "B", T0 + event_ns, T0 + recv_ns)


def test_delays_of_each_hop() -> None:
    ear = Ear()
    ticks = [trade(0, 10 * MS), trade(4 * MS, 10 * MS)]
    ear.batch(STREAM, Batch("e1", 7, T0 + 12 * MS, T0 + 13 * MS, [*ticks]))
    heard = ear.take()
    assert (heard.at, heard.entries) == (Position("e1", 8), 2)
    for found, expected in (
        (heard.venue_to_ingest, (2, 6_000, 10_000, 6_000)),
        (heard.ingest_to_publish, (2, 2_000, 2_000, 2_000)),
        (heard.publish_to_here, (2, 1_000, 1_000, 1_000)),
    ):
        assert found is not None
        assert found == pytest.approx(expected, rel=STEP - 1)
    assert ear.take()._replace(at=None) == heard._replace(
        at=None, entries=0, venue_to_ingest=None, ingest_to_publish=None, publish_to_here=None
    ), "since the last look"


def test_what_tells_no_delay() -> None:
    ear = Ear()
    bar = Bar("BTC/USDT", T0, "bars", 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0, T0 - 60 * NS_PER_S, T0)
    ear.batch(STREAM, Batch("e1", 1, T0, T0, [bar]))  # of its last trade, perhaps long ago
    ear.batch(STREAM, Batch("e1", 2, 0, T0, [trade(0, MS)]))  # read from the log
    ear.batch(STREAM, Batch("e1", 3, T0 + MS, T0 + 2 * MS, [trade()]))  # without a time of its venue's
    heard = ear.take()
    assert [hop and hop.measured for hop in heard[3:6]] == [1, 1, 2]
    assert heard.entries == 3


def test_a_clock_that_runs_behind_shows() -> None:
    ear = Ear()
    ear.batch(STREAM, Batch("e1", 1, T0 + 5 * MS, T0 + 3 * MS, [trade(1_270 * MS, 0)]))
    heard = ear.take()
    assert [hop and hop.least_us for hop in heard[3:6]] == [-1_270_000, 5_000, -2_000]


def test_what_happens_is_told_in_words() -> None:
    ear = Ear()
    ear.connected(True)
    ear.opened(STREAM, Position("e1", 5), None)
    assert ear.take()[:3] == (True, Position("e1", 5), 0)
    ear.batch(
        STREAM, Batch("e1", 6, 0, T0, [Gap("BTC/USDT", "venue", 7, 12, T0), Gap("BTC/USDT", "ingest", None, None, T0)])
    )
    ear.hole(STREAM, Hole("e1", 8, 10, Position("e1", 11)))
    ear.epoch(STREAM, Position("e2", 11))
    ear.hole(STREAM, Hole("e2", 12, None, Position("e3", 20)))
    ear.connected(False)
    heard = ear.take()
    assert heard.notes == (
        "gap at 6: venue, venue ids 8 to 11",
        "gap at 7: ingest",
        "Redis lacks entries 8 to 10",
        "epoch e2 begins at 11; nothing is missing",
        "Redis lacks entries 12 to unknown",
    )
    assert (heard.up, heard.at) == (False, Position("e3", 19))
    assert ear.take().notes == ()


def test_notes_are_bounded() -> None:
    ear = Ear()
    for seq in range(NOTES_KEPT + 5):
        ear.epoch(STREAM, Position("e1", seq))
    assert len(ear.take().notes) == NOTES_KEPT
