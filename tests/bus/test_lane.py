"""What a worker promises with `prev`, and what it does when it must give ticks up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bus.lane import Call, Lane
from feed.core.streams import Stream
from feed.core.ticks import NS_PER_S, Trade

STREAM = Stream("t", "trades", "A/B")


def lane(*ids: int | None, contiguous: bool = True) -> Lane:
    made = Lane(STREAM, contiguous)
    offer(made, *ids)
    return made


def offer(made: Lane, *ids: int | None) -> None:
    for tick_id in ids:
        made.offer(Trade("A/B", tick_id, 1.0, 1.0, "", 5_000, 7), b"x" * 10)


def calls(made: Lane, max_ticks: int = 256) -> list[tuple[str, str, str, list[str]]]:
    """Sends everything; each call as (prev, flags, cause, ids)."""
    sent = []
    while call := made.next_call(1, max_ticks):
        sent.append(shown(call))
        made.done(0, 0.0, 60.0)
    return sent


def shown(call: Call) -> tuple[str, str, str, list[str]]:
    return call.run.prev, call.flags, call.run.cause, [item.id for item in call.items]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([7, 8, 9], [("6", "i", "venue", ["7", "8", "9"])]),
        ([0, 1], [("", "i", "venue", ["0", "1"])]),
        ([7, 8, 11, 12], [("6", "i", "venue", ["7", "8"]), ("10", "i", "venue", ["11", "12"])]),
        ([7, 8, 8, 9], [("6", "i", "venue", ["7", "8", "8", "9"])]),
        ([7, 8, 7, 8], [("6", "i", "venue", ["7", "8"]), ("6", "i", "venue", ["7", "8"])]),
        ([900, 1, 2], [("899", "i", "venue", ["900"]), ("0", "i", "venue", ["1", "2"])]),
    ],
)
def test_a_hole_in_contiguous_ids_begins_a_call(
    ids: list[int], expected: list[tuple[str, str, str, list[str]]]
) -> None:
    assert calls(lane(*ids)) == expected


def test_ids_that_begin_anew_count_no_hole_before_the_first_that_is_published() -> None:
    made = Lane(STREAM, True, anew=True)
    offer(made, 7, 8, 11)
    made.drop_oldest()
    assert calls(made, max_ticks=1) == [("7", "l", "ingest", ["8"]), ("10", "", "venue", ["11"])]
    offer(made, 13)
    assert calls(made) == [("12", "i", "venue", ["13"])]


def test_the_rest_of_a_run_that_begins_anew_follows_its_first_part() -> None:
    made = Lane(STREAM, True, anew=True)
    offer(made, 7, 8)
    assert calls(made, max_ticks=1) == [("6", "", "venue", ["7"]), ("7", "i", "venue", ["8"])]


def test_long_runs_are_cut_and_each_part_names_what_it_follows() -> None:
    assert calls(lane(1, 2, 3, 4, 5), max_ticks=2) == [
        ("0", "i", "venue", ["1", "2"]),
        ("2", "i", "venue", ["3", "4"]),
        ("4", "i", "venue", ["5"]),
    ]


def test_ids_that_are_not_contiguous_ask_for_their_own_first_after_a_break() -> None:
    made = lane(10, 25, contiguous=False)
    assert calls(made) == [("10", "", "venue", ["10", "25"])]
    offer(made, 40)
    assert calls(made) == [("25", "", "venue", ["40"])]
    made.interrupted()
    offer(made, 60, 61)
    assert calls(made) == [("60", "", "venue", ["60", "61"])]


def test_a_break_cuts_what_waits() -> None:
    made = lane(10, contiguous=False)
    made.interrupted()
    offer(made, 20)
    assert calls(made) == [("10", "", "venue", ["10"]), ("20", "", "venue", ["20"])]


def test_a_break_cuts_contiguous_ids_too_should_they_seem_to_go_on() -> None:
    made = lane(7)
    made.interrupted()
    offer(made, 7, 8)
    assert calls(made) == [("6", "i", "venue", ["7"]), ("6", "i", "venue", ["7", "8"])]


def test_ticks_without_ids_ask_for_nothing() -> None:
    made = lane(None, None, contiguous=False)
    made.interrupted()
    offer(made, None)
    assert [call[0] for call in calls(made)] == ["", ""]


def test_ticks_without_ids_that_may_be_missing_are_announced_all_the_same() -> None:
    made = lane(contiguous=False)
    made.interrupted()
    offer(made, None)
    made.interrupted()
    offer(made, None)
    made.drop_oldest()
    assert [call[:3] for call in calls(made)] == [("", "l", "ingest")]
    made.interrupted()
    offer(made, None)
    offer(made, None)
    assert [call[:3] for call in calls(made, 1)] == [("", "l", "venue"), ("", "", "venue")]


def test_dropping_the_oldest_is_announced_with_its_cause() -> None:
    made = lane(1, 2, 3)
    assert made.drop_oldest() > 10
    assert calls(made) == [("1", "il", "ingest", ["2", "3"])]


def test_dropping_everything_is_announced_by_what_comes_next() -> None:
    made = lane(1, 2)
    assert made.drop_oldest()
    assert made.drop_oldest()
    assert not made.drop_oldest()
    offer(made, 3)
    assert calls(made) == [("2", "il", "ingest", ["3"])]


def test_dropping_where_ids_are_not_contiguous() -> None:
    made = lane(10, 20, 30, contiguous=False)
    made.drop_oldest()
    assert calls(made) == [("20", "l", "ingest", ["20", "30"])]
    made = lane(10, contiguous=False)
    made.drop_oldest()
    offer(made, 20)
    assert calls(made) == [("20", "l", "ingest", ["20"])]


def test_dropping_a_whole_run_marks_the_next() -> None:
    made = lane(1, 5, 6)
    made.drop_oldest()
    assert calls(made) == [("4", "il", "ingest", ["5", "6"])]


def test_after_a_call_the_cause_is_the_venue_again() -> None:
    made = lane(1, 2)
    made.drop_oldest()
    calls(made)
    offer(made, 9)
    assert calls(made) == [("8", "i", "venue", ["9"])]


def test_one_call_under_way_frees_its_bytes_when_done() -> None:
    made = Lane(STREAM, True)
    taken = sum(made.offer(Trade("A/B", i, 1.0, 1.0, "", 1, 1), b"x" * i) for i in range(1, 4))
    assert made.next_call(1, 256)
    assert not made.waiting
    assert made.done(3, 0.0, 60.0) == taken
    assert made.seq == 3


def test_age_of_the_oldest() -> None:
    made = lane(1)
    assert made.oldest_age_ns(7 + 3 * NS_PER_S) == 3 * NS_PER_S
    calls(made)
    assert made.oldest_age_ns(10**18) == 0.0


def test_what_redis_has_not_taken_waits_since_its_oldest_was_received() -> None:
    made = lane()
    assert made.waiting_since_ns == 0
    for number in (1, 2, 3):
        made.offer(Trade("A/B", number, 1.0, 1.0, "", 5_000, number * NS_PER_S), b"x")
    made.next_call(1, 2)
    assert made.waiting_since_ns == NS_PER_S, "what is under way is not taken yet"
    made.done(2, 0.0, 60.0)
    assert made.waiting_since_ns == 3 * NS_PER_S
    made.next_call(2, 2)
    made.done(3, 0.0, 60.0)
    assert made.waiting_since_ns == 0


def test_a_bar_was_received_with_its_last_trade_and_waits_since_nobody_knows() -> None:
    made = Lane(Stream("t", "bars", "A/B"), contiguous=False)
    offer(made, 1)
    assert made.waiting
    assert made.waiting_since_ns == 0


def test_trims_what_was_published_that_long_ago() -> None:
    made = Lane(STREAM, True)
    trims = []
    for second in range(8):
        offer(made, second)
        made.next_call(1, 256)
        made.done(second + 1, float(second), 5.0)
        trims.append(made.trim_below)
    assert trims == [0, 0, 0, 0, 0, 0, 1, 2]


@given(
    st.lists(st.sampled_from(["tick", "tick", "tick", "tick", "skip", "drop", "send"]), min_size=10, max_size=60),
    st.booleans(),
)
def test_no_tick_is_lost_unannounced(steps: list[str], contiguous: bool) -> None:
    """Whatever happens, a stream that applies the script's rule for `prev` misses nothing without a gap."""
    made, tick_id, stream_at = Lane(STREAM, contiguous), 0, 0
    published: set[int] = set()
    offered: set[int] = set()

    def send() -> bool:
        nonlocal stream_at
        call = made.next_call(1, 2)
        if call is None:
            return False
        first = int(call.items[0].id)
        lost = {i for i in offered if stream_at < i < first} - published
        if lost and stream_at:
            behind = call.run.prev != "" and stream_at < int(call.run.prev)
            assert behind, f"{lost} lost before {first}, prev {call.run.prev!r}, stream at {stream_at}"
        published.update(int(item.id) for item in call.items)
        stream_at = int(call.items[-1].id)
        made.done(1, 0.0, 60.0)
        return True

    for step in steps:
        if step == "tick":
            tick_id += 1
            offered.add(tick_id)
            offer(made, tick_id)
        elif step == "skip" and contiguous:
            tick_id += 1
        elif step == "drop":
            made.drop_oldest()
        elif step == "send":
            send()
    while send():
        pass
    assert not made.waiting
