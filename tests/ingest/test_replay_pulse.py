"""What a replayed venue does by the clock: when frames are due, pings, heartbeats, and the end of patience."""

import pytest

from feed.ingest.replay.clock import Clock
from feed.ingest.replay.personas import Rhythm
from feed.ingest.replay.pulse import Beat, Pulse

SECOND = 1_000_000_000


@pytest.mark.parametrize(("speed", "due_s"), [(1, 130.0), (20, 101.5), (0.5, 160.0), (0, 100.0)])
def test_frames_are_due_by_their_recorded_distance(speed: float, due_s: float) -> None:
    clock = Clock(speed, 5 * SECOND, 100.0)
    assert clock.due_s(5 * SECOND) == 100.0
    assert clock.due_s(35 * SECOND) == pytest.approx(due_s)


def test_a_clock_that_was_held_is_late_for_all_that_follows() -> None:
    clock = Clock(10, 0, 100.0)
    clock.hold(2.5)
    assert clock.due_s(10 * SECOND) == pytest.approx(103.5)


PINGS = Rhythm(ping_s=20.0, pong_within_s=60.0)
HEARTBEATS = Rhythm(heartbeat=b"beat", heartbeat_s=1.0)


def test_a_ping_every_so_often() -> None:
    pulse = Pulse(PINGS, 0.0)
    beats = []
    for second in range(60):
        beats += [(second, beat) for beat in pulse.due(second, False)]
        pulse.pong()
        pulse.sent(second)  # data is no reason to leave a ping out
    assert beats == [(20, Beat.PING), (40, Beat.PING)]


def test_a_client_that_answers_no_ping_is_given_up() -> None:
    pulse = Pulse(PINGS, 0.0)
    beats = [(second, beat) for second in range(82) for beat in pulse.due(second, False)]
    assert beats == [(20, Beat.PING), (40, Beat.PING), (60, Beat.PING), (80, Beat.DEAD), (81, Beat.DEAD)]
    pulse.pong()
    assert pulse.due(81, False) == [Beat.PING]


def test_a_heartbeat_in_each_quiet_second_of_who_subscribed() -> None:
    pulse = Pulse(HEARTBEATS, 0.0)
    assert pulse.due(5.0, False) == []
    assert pulse.due(5.0, True) == [Beat.HEARTBEAT]
    assert pulse.due(5.9, True) == []
    pulse.sent(5.9)
    assert pulse.due(6.5, True) == []
    assert pulse.due(6.9, True) == [Beat.HEARTBEAT]
    assert pulse.due(7.9, True) == [Beat.HEARTBEAT]


def test_no_rhythm_is_silence() -> None:
    assert Pulse(Rhythm(), 0.0).due(1e9, True) == []
