"""What a message is to a reader, and how a reader goes on: tables, and properties against a plain model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.core.sequence import Epoch, Record, Route, Verdict, judge, route, untold
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


RECORD = Record(150, (Epoch("e1", 1), Epoch("e2", 101), Epoch("e3", 141)))


@pytest.mark.parametrize(
    ("at", "way"),
    [
        # the present epoch: from the next on
        (Position("e3", 145), Route(146, cut=False)),
        (Position("e3", 150), Route(151, cut=False)),
        # epochs before it: the numbers went on, or show as a hole what a publisher remembered and Redis did not
        (Position("e2", 140), Route(141, cut=False)),
        (Position("e1", 100), Route(101, cut=False)),
        (Position("e1", 60), Route(61, cut=False)),
        # the reader saw numbers that were given again
        (Position("e1", 101), Route(101, cut=True)),
        (Position("e1", 130), Route(101, cut=True)),
        (Position("e2", 149), Route(141, cut=True)),
        # an epoch that nobody remembers: before all others, and numbers went on, or were given again
        (Position("e0", 0), Route(1, cut=False)),
        (Position("e0", 50), Route(1, cut=True)),
        # a stream that had not begun
        (START, Route(1, cut=False)),
    ],
)
def test_ways_to_the_present(at: Position, way: Route) -> None:
    assert route(at, RECORD) == way


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (Position("e3", 145), False), (Position("e3", 150), False), (Position("e1", 60), False), (START, False),
        (Position("e3", 151), True), (Position("e4", 160), True), (Position("e4", 1), True),
    ],
)  # fmt: skip
def test_a_record_that_nobody_has_published_to_says_nothing_of_what_it_does_not_know(
    at: Position, expected: bool
) -> None:
    assert untold(at, RECORD._replace(settled=False)) is expected
    assert untold(at, RECORD) is False


def test_a_redis_that_was_set_back_is_behind_a_reader_that_passed_its_epochs() -> None:
    record = Record(160, (Epoch("e1", 1), Epoch("e3", 151)))
    assert route(Position("e2", 150), record) == Route(1, cut=True)
    assert route(Position("e2", 150), record, ["e1"]) == Route(151, cut=False)
    assert route(Position("e2", 155), record, ["e0", "e1"]) == Route(151, cut=True)


@given(
    starts=st.lists(st.integers(1, 40), min_size=1, max_size=8).map(
        lambda steps: [sum(steps[: i + 1]) for i in range(len(steps))]
    ),
    seq=st.integers(0, 400),
    epoch=st.integers(-1, 7),
)
def test_no_way_skips_what_can_still_be_read(starts: list[int], seq: int, epoch: int) -> None:
    record = Record(starts[-1] + 10, tuple(Epoch(f"e{i}", start) for i, start in enumerate(starts)))
    way = route(Position(f"e{epoch}", seq), record)
    later = [start for i, start in enumerate(starts) if i > epoch]
    known = 0 <= epoch < len(starts)
    # uncut, it begins right behind the reader, before any later epoch; cut, at the first epoch after the reader's
    if way.cut:
        assert way.first == (later[0] if known else starts[0])
        assert way.first <= seq
    else:
        assert way.first == seq + 1
        assert known or way.first <= starts[0]
        assert not later or way.first <= later[0]


@pytest.mark.parametrize(("seq", "epoch"), [(1, "e1"), (100, "e1"), (101, "e2"), (140, "e2"), (141, "e3"), (150, "e3")])
def test_an_entrys_epoch(seq: int, epoch: str) -> None:
    assert RECORD.epoch_of(seq) == epoch


def test_entries_older_than_every_epoch_remembered_count_to_the_oldest() -> None:
    assert Record(150, (Epoch("e2", 101),)).epoch_of(5) == "e2"
    assert RECORD.position == Position("e3", 150)
