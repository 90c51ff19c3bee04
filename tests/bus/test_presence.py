"""What the log says of Redis as it comes and goes."""

import pytest
from structlog.testing import capture_logs

from feed.bus.errors import BusDown
from feed.bus.presence import Presence

DOWN, FULL = BusDown("refused"), BusDown("OOM")

STORIES = [
    (["there", "there"], ["redis_connected"]),
    ([DOWN, DOWN, "there"], ["redis_unreachable", "redis_connected"]),
    (["there", DOWN, DOWN, "there", "there"], ["redis_connected", "redis_lost", "redis_back"]),
    (["there", DOWN, FULL, FULL, "there"], ["redis_connected", "redis_lost", "redis_lost", "redis_back"]),
    (["there", DOWN, "there", DOWN], ["redis_connected", "redis_lost", "redis_back", "redis_lost"]),
]


@pytest.mark.parametrize(("story", "told"), STORIES)
def test_each_change_is_told_once(story: list[BusDown | str], told: list[str]) -> None:
    presence = Presence(role="publisher", feed="sim")
    with capture_logs() as lines:
        for event in story:
            if isinstance(event, BusDown):
                presence.away(event, waiting_bytes=7)
            else:
                presence.there()
    assert [line["event"] for line in lines] == told
    for line in lines:
        assert (line["role"], line["feed"]) == ("publisher", "sim")
        if line["event"] in ("redis_lost", "redis_unreachable"):
            assert (line["waiting_bytes"], line["log_level"]) == (7, "warning")
            assert line["error"] in ("refused", "OOM")
        else:
            assert line["log_level"] == "info"
            assert ("away_s" in line) == (line["event"] == "redis_back")
