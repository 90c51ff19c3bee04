"""Rules of `publish.lua` for two workers that are late, ahead, or both with a hole, against real servers."""

from collections.abc import Iterator

import pytest

from feed.bus import names
from tests.bus.script import Script


@pytest.fixture
def script(redis_url: str) -> Iterator[Script]:
    with Script(redis_url) as script:
        yield script


def ids(script: Script) -> list[str]:
    return [label for _, label in script.log()]


def test_a_peer_that_is_late_by_more_than_a_reset_publishes_nothing_twice(script: Script) -> None:
    script.publish(999, 1_000, worker="w1", at_s=1_000.0)
    assert script.publish(1, 2, worker="w1", prev=0, at_s=1_031.0)[5] == 1
    assert script.publish(998, 999, worker="w2", prev=997, flags="i", at_s=999.0)[2:] == [6, 5, 2, 0]
    assert script.publish(1_000, worker="w2", prev=999, flags="i", at_s=1_000.0)[4] == 1
    assert script.publish(1, 2, 3, worker="w2", prev=0, flags="i", at_s=1_031.0)[2:] == [6, 6, 2, 0]
    assert ids(script) == ["999", "1000", "gap venue -", "1", "2", "3"]
    assert script.publish(4, worker="w1", prev=3, flags="i", at_s=1_040.0)[0] == "OK"


def test_what_only_the_late_peer_had_stands_in_the_resets_gap(script: Script) -> None:
    script.publish(1_000, worker="w1", at_s=1_000.0)
    script.publish(1, worker="w1", at_s=1_031.0)
    assert script.publish(1_001, 1_002, worker="w2", prev=1_000, flags="i", at_s=1_001.0)[4] == 2
    assert ids(script) == ["1000", "gap venue -", "1"]


def test_a_hole_after_a_reset_is_one(script: Script) -> None:
    script.publish(1_000, worker="w1", at_s=1_000.0)
    script.publish(1, 2, worker="w1", at_s=1_031.0)
    assert script.publish(5, worker="w2", prev=4, flags="i", at_s=1_032.0) == ["BEHIND", "2"]
    assert script.publish(5, worker="w2", prev=4, flags="i", at_s=1_032.0, stood_at=2)[5] == 1
    assert ids(script)[-2:] == ["gap venue 2-5", "5"]


def test_a_caller_that_saw_the_ids_begin_anew_has_no_hole_before_them(script: Script) -> None:
    script.publish(500, worker="w1", at_s=1_000.0)
    script.publish(3, worker="w1", at_s=1_040.0)
    assert script.publish(7, 9, worker="w2", prev=900, at_s=1_041.0)[:1] == ["OK"]


def test_a_second_reset_is_one_too(script: Script) -> None:
    for at_s in (1_000.0, 1_040.0, 1_080.0):
        script.publish(1, 2, at_s=at_s)
    assert ids(script) == ["1", "2", "gap venue -", "1", "2", "gap venue -", "1", "2"]
    assert script.publish(1, 2, 3, worker="w2", at_s=1_040.0)[4] == 3


def test_of_two_workers_with_a_hole_the_smaller_goes_first(script: Script) -> None:
    script.publish(1, 2)
    assert script.publish(9, worker="w1", prev=8, flags="i") == ["BEHIND", "2"]
    assert script.publish(6, worker="w2", prev=5, flags="i") == ["BEHIND", "2"]
    assert script.publish(9, worker="w1", prev=8, flags="i", stood_at=2) == ["BEHIND", "2"], "its peer has 6 to 8"
    assert script.publish(6, 7, 8, worker="w2", prev=5, flags="i", stood_at=2)[5] == 1
    assert script.publish(9, worker="w1", prev=8, flags="i", stood_at=2)[2:] == [7, 7, 0, 0]
    assert ids(script) == ["1", "2", "gap venue 2-6", "6", "7", "8", "9"]
    assert script.meta()["waits"] == ""


def test_a_worker_that_waited_and_died_is_waited_for_once(script: Script) -> None:
    script.publish(1, 2)
    script.publish(6, worker="w2", prev=5, flags="i")
    script.publish(9, worker="w1", prev=8, flags="i")
    assert script.publish(9, worker="w1", prev=8, flags="i", stood_at=2)[0] == "BEHIND"
    assert script.publish(9, worker="w1", prev=8, flags="i", stood_at=2)[5] == 1


def test_after_the_dead_it_is_the_turn_of_the_next_smallest_hole(script: Script) -> None:
    script.publish(1, 2)
    script.publish(6, worker="dead", prev=5, flags="i")
    for first, worker in ((9, "w1"), (12, "w2")):
        assert script.publish(first, worker=worker, prev=first - 1, flags="i") == ["BEHIND", "2"]
    assert script.publish(9, worker="w1", prev=8, flags="i", stood_at=2)[0] == "BEHIND"
    assert script.publish(12, worker="w2", prev=11, flags="i", stood_at=2)[0] == "BEHIND"
    assert script.publish(9, worker="w1", prev=8, flags="i")[0] == "BEHIND"  # it looks now and then
    assert script.publish(9, 10, 11, worker="w1", prev=8, flags="i", stood_at=2)[5] == 1
    assert script.publish(12, worker="w2", prev=11, flags="i")[2:] == [7, 7, 0, 0]


def test_who_waited_in_the_numbering_before_a_reset_waits_no_more(script: Script) -> None:
    script.publish(1, 2, at_s=1_000.0)
    assert script.publish(6, worker="w2", prev=5, flags="i", at_s=1_001.0) == ["BEHIND", "2"]
    script.publish(1, worker="w1", at_s=1_040.0)
    assert script.publish(9, worker="w1", prev=8, flags="i", at_s=1_041.0) == ["BEHIND", "1"]
    assert script.publish(9, worker="w1", prev=8, flags="i", at_s=1_041.0, stood_at=1)[5] == 1


def test_where_redis_forgot_all_the_callers_own_loss_is_still_measured(script: Script) -> None:
    script.publish(*range(1, 11))
    script.redis.delete(names.meta_key(script.stream))
    script.run_id = "run-2"
    lost = {"prev": 14, "flags": "il", "cause": "ingest", "floor": 10, "floor_id": 10, "epoch": "e2"}
    assert script.publish(15, worker="w1", **lost) == ["BEHIND", "10"]
    peer = {"worker": "w2", "prev": 10, "floor": 10, "floor_id": 10, "epoch": "e3"}
    assert script.publish(11, 12, 13, 14, **peer)[:3] == ["OK", "e3", 11]
    assert script.publish(15, worker="w1", **lost | {"stood_at": 10})[2:] == [15, 15, 0, 0]
