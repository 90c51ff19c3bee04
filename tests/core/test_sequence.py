"""What a message is to a reader, and how a reader goes on: tables, and properties against a plain model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.sequence import Record, Route, Verdict, judge, route
from feed.core.streams import START, Position


@pytest.mark.parametrize(
    ("at", "epoch", "first", "count", "verdict"),
    [
        (Position("e1", 10), "e1", 11, 1, Verdict.NEXT),
        (Position("e1", 10), "e1", 11, 256, Verdict.NEXT),
        (Position("e1", 10), "e1", 12, 1, Verdict.GAP),
        (Position("e1", 10), "e1", 10, 1, Verdict.STALE),
        (Position("e1", 10), "e1", 1, 10, Verdict.STALE),
        (Position("e1", 10), "e1", 1, 11, Verdict.PARTLY_STALE),
        (Position("e1", 10), "e1", 10, 2, Verdict.PARTLY_STALE),
        (Position("e1", 10), "e2", 11, 1, Verdict.EPOCH),
        (Position("e1", 10), "e2", 1, 1, Verdict.EPOCH),
        (Position("e1", 0), "e1", 1, 1, Verdict.NEXT),
        (START, "e1", 1, 5, Verdict.NEXT),
        (START, "e1", 2, 5, Verdict.EPOCH),
    ],
)
def test_verdicts(at: Position, epoch: str, first: int, count: int, verdict: Verdict) -> None:
    assert judge(at, epoch, first, count) is verdict


@given(at=st.integers(0, 50), first=st.integers(1, 60), count=st.integers(1, 20))
def test_a_verdict_says_which_entries_are_new_and_whether_any_are_missing(at: int, first: int, count: int) -> None:
    verdict = judge(Position("e", at), "e", first, count)
    new = [seq for seq in range(first, first + count) if seq > at]
    missing = bool(new) and new[0] != at + 1
    old = len(new) < count
    assert verdict is (
        Verdict.STALE if not new else Verdict.GAP if missing else Verdict.PARTLY_STALE if old else Verdict.NEXT
    )


RECORD = Record("e2", seq=150, start=101, prev_epoch="e1", prev_seq=100)


@pytest.mark.parametrize(
    ("at", "record", "way"),
    [
        # the same epoch: from the next on
        (Position("e2", 120), RECORD, Route(121, cut=False)),
        (Position("e2", 150), RECORD, Route(151, cut=False)),
        # the epoch before this one, at its end or before it: the numbers went on
        (Position("e1", 100), RECORD, Route(101, cut=False)),
        (Position("e1", 60), RECORD, Route(61, cut=False)),
        # a publisher remembered more than Redis did: what lies between shows as a hole in the numbers
        (Position("e1", 100), Record("e2", 150, 121, "e1", 100), Route(101, cut=False)),
        (Position("e1", 120), Record("e2", 150, 121, "e1", 100), Route(121, cut=False)),
        # the reader saw numbers that were given again
        (Position("e1", 101), RECORD, Route(101, cut=True)),
        (Position("e1", 130), RECORD, Route(101, cut=True)),
        (Position("e1", 130), Record("e2", 5, 1, "e1", 100), Route(1, cut=True)),
        # two epochs ago, or a Redis that lost everything: nobody knows where the reader's epoch ended
        (Position("e0", 50), RECORD, Route(101, cut=True)),
        (Position("e1", 50), Record("e2", 5, 1), Route(1, cut=True)),
        # a stream that had not begun
        (START, RECORD, Route(1, cut=False)),
        (START, Record("e1", 5, 1), Route(1, cut=False)),
    ],
)
def test_ways_to_the_present(at: Position, record: Record, way: Route) -> None:
    assert route(at, record) == way


@given(
    seq=st.integers(0, 200),
    start=st.integers(1, 200),
    length=st.integers(0, 50),
    epoch=st.sampled_from(["e1", "e2", "e0"]),
)
def test_no_way_skips_what_can_still_be_read(seq: int, start: int, length: int, epoch: str) -> None:
    record = Record("e2", start + length, start, "e1", start - 1)
    way = route(Position(epoch, seq), record)
    # an uncut way begins right behind the reader, a cut one at the new epoch's first entry: nothing of it is left out
    assert way.first == (start if way.cut else seq + 1)
    if way.cut:
        assert epoch != "e2"


@pytest.mark.parametrize(("seq", "epoch"), [(1, "e1"), (100, "e1"), (101, "e2"), (150, "e2")])
def test_an_entrys_epoch(seq: int, epoch: str) -> None:
    assert RECORD.epoch_of(seq) == epoch


def test_without_an_epoch_before_it_all_entries_are_of_this_one() -> None:
    assert Record("e2", 150, 101).epoch_of(5) == "e2"
    assert RECORD.position == Position("e2", 150)
