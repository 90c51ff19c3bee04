"""Each rule of `publish.lua`, against real servers."""

from collections.abc import Iterator

import pytest
import redis

from feed.bus import names
from tests.bus.script import Script


@pytest.fixture
def script(redis_url: str) -> Iterator[Script]:
    with Script(redis_url) as script:
        yield script


def test_numbers_log_and_message_agree(script: Script) -> None:
    assert script.publish(11, 12, prev=10) == ["OK", "e1", 1, 2, 0, 0]
    assert script.publish(13, prev=12) == ["OK", "e1", 3, 3, 0, 0]
    assert script.log() == [(1, "11"), (2, "12"), (3, "13")]
    assert script.heard() == [("e1", 1, ["11", "12"]), ("e1", 3, ["13"])]
    meta = script.meta()
    assert (meta["epoch"], meta["seq"], meta["epochs"], meta["last_id"]) == ("e1", "3", "e1:1", "13")


def test_a_repeated_call_gets_its_answer_and_writes_nothing(script: Script) -> None:
    first = script.publish(1, 2, number=5)
    assert script.publish(1, 2, number=5) == first
    assert script.log() == [(1, "1"), (2, "2")]
    assert len(script.heard()) == 1


def test_a_repeat_gets_its_answer_even_after_a_peer_went_on(script: Script) -> None:
    first = script.publish(1, number=5, worker="w1")
    script.publish(2, 3, number=900, worker="w2")
    assert script.publish(1, number=5, worker="w1") == first


def test_a_call_delayed_in_a_dead_connection_is_stale(script: Script) -> None:
    script.publish(1, number=5)
    script.publish(2, number=6)
    assert script.publish(3, number=5) == ["STALE", "6"]
    assert script.log() == [(1, "1"), (2, "2")]


def test_call_numbers_of_microseconds_keep_every_digit(script: Script) -> None:
    number = 1_795_000_000_123_457
    first = script.publish(1, number=number)
    assert script.publish(1, number=number) == first
    assert script.publish(2, number=number - 1) == ["STALE", str(number)]
    assert script.publish(2, number=number + 1)[0] == "OK"


def test_each_worker_has_its_own_numbers(script: Script) -> None:
    script.publish(1, number=1_000, worker="w1")
    assert script.publish(2, number=1, worker="w2")[0] == "OK"


def test_two_workers_of_one_name_do_not_get_each_others_answers(script: Script) -> None:
    assert script.publish(1, 2, number=5, life="a")[0] == "OK"
    assert script.publish(3, 4, number=5, life="b") == ["STALE", "5"]
    assert script.publish(3, 4, number=6, life="b")[0] == "OK"
    assert [label for _, label in script.log()] == ["1", "2", "3", "4"]


def test_what_a_peer_published_is_dropped(script: Script) -> None:
    script.publish(1, 2, 3, worker="w1")
    assert script.publish(2, 3, 4, worker="w2", prev=1) == ["OK", "e1", 4, 4, 2, 0]
    assert script.publish(3, 4, worker="w1", prev=2) == ["OK", "e1", 5, 4, 2, 0]
    assert script.log() == [(1, "1"), (2, "2"), (3, "3"), (4, "4")]
    assert len(script.heard()) == 2


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("9", "10"),
        ("99999999999999999998", "99999999999999999999"),
        ("9007199254740992", "9007199254740993"),
        ("1723161240000000000", "1723161300000000000"),
    ],
)
def test_ids_of_any_length_are_compared_exactly(script: Script, earlier: str, later: str) -> None:
    script.publish(earlier)
    assert script.publish(later)[2:] == [2, 2, 0, 0]
    assert script.publish(earlier)[4] == 1
    assert script.publish(later)[4] == 1


def test_ticks_without_ids_all_pass(script: Script) -> None:
    script.publish("", "")
    assert script.publish("") == ["OK", "e1", 3, 3, 0, 0]


def test_behind_writes_nothing(script: Script) -> None:
    script.publish(1, 2, worker="w1")
    assert script.publish(5, 6, worker="w2", prev=4, flags="i") == ["BEHIND", "2"]
    assert script.log() == [(1, "1"), (2, "2")]
    assert script.meta()["seq"] == "2"
    assert "w:w2" not in script.meta()


def test_a_worker_with_a_hole_that_is_ahead_does_not_make_its_peers_ticks_old(script: Script) -> None:
    script.publish(1, 2, worker="w1")
    assert script.publish(5, worker="w2", prev=4, flags="i")[0] == "BEHIND"
    assert script.publish(3, 4, worker="w1", prev=2)[0] == "OK"
    assert script.publish(5, worker="w2", prev=4, flags="i", stood_at=2) == ["OK", "e1", 5, 5, 0, 0]
    assert [label for _, label in script.log()] == ["1", "2", "3", "4", "5"]


def test_what_no_peer_filled_is_a_gap_with_ids(script: Script) -> None:
    script.publish(1, 2)
    assert script.publish(5, 6, prev=4, flags="i", stood_at=2) == ["OK", "e1", 3, 5, 0, 1]
    assert script.log() == [(1, "1"), (2, "2"), (3, "gap venue 2-5"), (4, "5"), (5, "6")]
    assert script.heard()[-1] == ("e1", 3, ["gap venue 2-5", "5", "6"])


def test_a_gap_names_only_what_is_still_missing(script: Script) -> None:
    script.publish(1, 2, worker="w1")
    assert script.publish(6, worker="w2", prev=5, flags="i")[0] == "BEHIND"
    script.publish(3, worker="w1", prev=2)
    assert script.publish(6, worker="w2", prev=5, flags="i", stood_at=2) == ["BEHIND", "3"], "its peer is at work"
    assert script.publish(6, worker="w2", prev=5, flags="i", stood_at=3)[5] == 1
    assert (4, "gap venue 3-6") in script.log()


def test_a_gap_without_ids_and_its_cause(script: Script) -> None:
    script.publish(10)
    assert script.publish(20, prev=20)[0] == "BEHIND"
    assert script.publish(20, prev=20, stood_at=10, cause="ingest") == ["OK", "e1", 2, 3, 0, 1]
    assert script.log()[1] == (2, "gap ingest -")


def test_a_stream_that_never_published_is_not_behind(script: Script) -> None:
    assert script.publish(500, prev=499, flags="i") == ["OK", "e1", 1, 1, 0, 0]


def test_an_id_that_goes_back_much_later_is_a_reset(script: Script) -> None:
    script.publish(1_000, at_s=1_000.0)
    assert script.publish(1, 2, at_s=1_030.001) == ["OK", "e1", 2, 4, 0, 1]
    assert script.log()[1:] == [(2, "gap venue -"), (3, "1"), (4, "2")]
    assert script.publish(3, at_s=1_031.0)[4] == 0, "numbering of ids restarted"


def test_an_id_that_goes_back_soon_is_a_repeat(script: Script) -> None:
    script.publish(1_000, at_s=1_000.0)
    assert script.publish(1, at_s=1_030.0) == ["OK", "e1", 2, 1, 1, 0]


def test_another_redis_process_begins_another_epoch(script: Script) -> None:
    script.publish(1, 2)
    script.run_id = "run-2"
    assert script.publish(3, epoch="e2") == ["OK", "e2", 3, 3, 0, 0]
    meta = script.meta()
    assert (meta["epoch"], meta["epochs"]) == ("e2", "e1:1 e2:3")
    assert script.publish(4, epoch="e3")[1] == "e2", "one process, one epoch"


def test_an_epoch_that_redis_was_set_back_from_is_entered_all_the_same(script: Script) -> None:
    script.publish(*range(1, 4))
    script.run_id = "run-3"  # there was a second Redis, of epoch e2, from which it knows nothing
    assert script.publish(9, epoch="e3", floor=8, floor_id=8, floor_epoch="e2", began=6)[1:4] == ["e3", 9, 9]
    assert script.meta()["epochs"] == "e1:1 e2:6 e3:9"
    script.run_id = "run-4"
    script.publish(10, epoch="e4", floor=9, floor_id=9, floor_epoch="e3", began=9)
    assert script.meta()["epochs"] == "e1:1 e2:6 e3:9 e4:10", "one that is known is not entered twice"
    script.run_id = "run-5"
    script.publish(11, worker="w2", epoch="e5", floor=2, floor_id=2, floor_epoch="e0", began=1)
    assert script.meta()["epochs"] == "e1:1 e2:6 e3:9 e4:10 e5:11", "nor what is older than all that Redis knows"


def test_a_redis_that_forgot_all_learns_of_the_last_epoch_and_no_more_than_eight(script: Script) -> None:
    script.publish(9, epoch="e3", floor=8, floor_id=8, floor_epoch="e2", began=6)
    assert script.meta()["epochs"] == "e2:6 e3:9"
    for number in range(4, 10):
        script.run_id = f"run-{number}"
        script.publish(6 + number, epoch=f"e{number}")
    script.run_id = "run-10"
    script.publish(30, epoch="e11", floor=29, floor_id=29, floor_epoch="e10", began=20)
    assert script.meta()["epochs"] == "e4:10 e5:11 e6:12 e7:13 e8:14 e9:15 e10:20 e11:30"


def test_repeats_alone_begin_no_epoch(script: Script) -> None:
    script.publish(1, 2)
    script.run_id = "run-2"
    assert script.publish(1, 2, epoch="e2") == ["OK", "e1", 3, 2, 2, 0]


def test_the_floor_keeps_numbers_rising_where_redis_forgot_some(script: Script) -> None:
    script.publish(1)
    script.run_id = "run-2"
    assert script.publish(9, epoch="e2", floor=8)[1:4] == ["e2", 9, 9]
    assert script.meta()["epochs"] == "e1:1 e2:9"


def test_a_process_that_forgot_what_it_wrote_itself_begins_an_epoch(script: Script) -> None:
    """A master of a cluster that was given up and put back, without what its successor published meanwhile."""
    script.publish(1)
    assert script.publish(2, epoch="e3", floor=100, floor_epoch="e2", began=90)[1:4] == ["e3", 101, 101]
    assert script.meta()["epochs"] == "e1:1 e2:90 e3:101"
    assert script.publish(3, epoch="e4", floor=101)[1:4] == ["e3", 102, 102]


def test_what_redis_forgot_is_not_the_venues_hole(script: Script) -> None:
    script.publish(*range(1, 51))
    script.run_id = "run-2"  # it comes back from an old snapshot: the caller had published up to id 100 as seq 100
    assert script.publish(101, prev=100, flags="i", epoch="e2", floor=100, floor_id=100) == ["OK", "e2", 101, 101, 0, 0]
    assert script.publish(99, 100, worker="w2", epoch="e3", floor=100, floor_id=100)[4] == 2, (
        "nor are they published again"
    )
    assert script.log()[-2:] == [(50, "50"), (101, "101")]


def test_the_venues_own_hole_is_named_after_a_rewind_too(script: Script) -> None:
    script.publish(*range(1, 51))
    script.run_id = "run-2"
    hole = {"prev": 104, "flags": "i", "epoch": "e2", "floor": 100, "floor_id": 100}
    assert script.publish(105, **hole) == ["BEHIND", "100"]
    assert script.publish(105, **hole | {"stood_at": 100})[5] == 1
    assert script.log()[-2:] == [(101, "gap venue 100-105"), (102, "105")]


def test_what_the_worker_lost_before_a_stream_began_is_a_gap(script: Script) -> None:
    assert script.publish(500, prev=499, flags="il", cause="ingest") == ["OK", "e1", 1, 2, 0, 1]
    assert script.log() == [(1, "gap ingest -"), (2, "500")]


def test_what_the_worker_lost_and_its_peer_had_is_none(script: Script) -> None:
    script.publish(*range(1, 11), worker="w2")
    assert script.publish(9, 10, 11, prev=8, flags="il", cause="ingest")[2:] == [11, 11, 2, 0]


def test_lost_ticks_without_ids_are_always_a_gap(script: Script) -> None:
    script.publish("")
    assert script.publish("", flags="l", cause="ingest")[5] == 1
    assert script.log()[1] == (2, "gap ingest -")


def test_a_lost_meta_takes_the_log_with_it(script: Script) -> None:
    script.publish(1, 2)
    script.redis.delete(names.meta_key(script.stream))
    assert script.publish(3, epoch="e2", floor=2) == ["OK", "e2", 3, 3, 0, 0]
    assert script.log() == [(3, "3")]
    assert script.meta()["epochs"] == "e2:3"


def test_the_last_eight_epochs_are_remembered(script: Script) -> None:
    for number in range(1, 13):
        script.run_id = f"run-{number}"
        script.publish(number, epoch=f"e{number}")
    assert script.meta()["epochs"] == " ".join(f"e{number}:{number}" for number in range(5, 13))


def test_the_log_is_trimmed_by_length_and_by_age(script: Script) -> None:
    script.redis.config_set("stream-node-max-entries", 10)
    try:
        for tick_id in range(1, 101):
            script.publish(tick_id, max_ticks=30)
        assert 30 <= len(script.log()) <= 40
        script.publish(101, trim=96)
        assert 6 <= len(script.log()) <= 16
        assert script.log()[-1] == (101, "101")
    finally:
        script.redis.config_set("stream-node-max-entries", 100)


def test_a_long_call_keeps_its_order(script: Script) -> None:
    ids = range(1, 1_001)
    assert script.publish(*ids)[2:4] == [1, 1_000]
    assert [label for _, label in script.log()] == [str(i) for i in ids]
    assert script.heard()[0][2] == [str(i) for i in ids]


def test_a_full_redis_refuses_and_writes_nothing(script: Script) -> None:
    script.publish(1)
    script.redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            script.publish(2)
    finally:
        script.redis.config_set("maxmemory", "0")
    assert script.log() == [(1, "1")]
    assert script.meta()["seq"] == "1"
