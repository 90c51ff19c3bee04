"""A gateway's own beat is told from all others, and says when it left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.bus.heartbeat import Heartbeat

TIMES = st.floats(0, 1e9)


@given(TIMES, st.floats(0, 100))
def test_the_own_beat_says_how_long_it_took(sent: float, took: float) -> None:
    heartbeat = Heartbeat("word")
    found = heartbeat.took_s(heartbeat.beat(sent), sent + took)
    assert found is not None
    assert found == pytest.approx(took, abs=2e-6)


@given(TIMES)
def test_others_beats_are_not_ours(sent: float) -> None:
    assert Heartbeat("word").took_s(Heartbeat("wor").beat(sent), sent) is None
    assert Heartbeat("word").took_s(Heartbeat("wordy").beat(sent), sent) is None
    assert Heartbeat("word").took_s(b"", sent) is None, "a gateway that puts nothing into its beat"


@given(st.binary())
def test_nothing_else_is_a_beat(data: bytes) -> None:
    assert Heartbeat("word").took_s(data, 1.0) is None
