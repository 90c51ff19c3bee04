"""What the log says of feeds that fall silent and come back."""

from structlog.testing import capture_logs

from feed.bus import names
from feed.bus.beats import HEARS_ALL, Beat, Silent, pack_beat
from feed.bus.hearing import SHOWN, Hearing, Workers
from tests.bus.ear import Ear

FEED = "heard"
CHANNEL = names.workers_channel(FEED).encode()
MANY = frozenset(f"S{number}" for number in range(9))


def told(*said: tuple[float, Silent | str]) -> list[tuple[object, ...]]:
    """The lines about one worker's beats, each at its second; "nothing" for a second without one."""
    hearing = Hearing(Ear())
    hearing.want(f"feed:{FEED}:worker".encode(), Workers(FEED), 0.0)
    with capture_logs() as lines:
        for at, silent in said:
            if isinstance(silent, str):
                hearing.judge(at, at)
            else:
                hearing.take(CHANNEL, pack_beat(Beat("w", silent)), at, at)
    assert all(line["feed"] == FEED for line in lines)
    return [(line["event"], line["log_level"], line.get("away_s")) for line in lines]


def test_a_feed_without_a_worker_is_told_once_and_its_return_with_how_long_it_was() -> None:
    assert told((1.0, HEARS_ALL), (2.0, "nothing"), (4.5, "nothing"), (5.0, "nothing"), (9.5, HEARS_ALL)) == [
        ("feed_lost", "warning", None),
        ("feed_back", "info", 5.0),
    ]


def test_one_that_nobody_ever_published_is_told_too() -> None:
    assert told((2.0, "nothing"), (3.0, "nothing"), (9.0, "nothing")) == [("feed_lost", "warning", None)]


def test_silent_symbols_are_told_apart_from_a_silent_feed() -> None:
    assert told((3.0, HEARS_ALL), (4.0, MANY), (5.0, frozenset({"S1"})), (6.0, HEARS_ALL)) == [
        ("symbols_lost", "warning", None),
        ("symbols_back", "info", 2.0),
    ]
    assert told((3.0, HEARS_ALL), (4.0, MANY), (5.0, None), (6.0, HEARS_ALL)) == [
        ("symbols_lost", "warning", None),
        ("feed_lost", "warning", None),
        ("feed_back", "info", 1.0),
        ("symbols_back", "info", 2.0),
    ]


def test_of_many_symbols_a_few_are_named() -> None:
    hearing = Hearing(Ear())
    hearing.want(f"feed:{FEED}:worker".encode(), Workers(FEED), 0.0)
    with capture_logs() as lines:
        hearing.take(CHANNEL, pack_beat(Beat("w", MANY)), 3.0, 3.0)
    assert [(line["silent"], line["symbols"]) for line in lines] == [(9, sorted(MANY)[:SHOWN])]
