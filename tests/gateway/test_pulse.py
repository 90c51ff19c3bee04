"""When a silent client is pinged, and when it counts as gone."""

import pytest

from feed.gateway.pulse import Pulse, Vital

PING_S = 20.0


@pytest.mark.parametrize(
    ("heard", "looks"),
    [
        ([], {19.9: Vital.WELL, 20.0: Vital.ASK, 22.0: Vital.WELL, 29.9: Vital.WELL, 30.0: Vital.GONE}),
        ([15.0], {20.0: Vital.WELL, 34.9: Vital.WELL, 35.0: Vital.ASK, 45.0: Vital.GONE}),
        ([25.0], {20.0: Vital.ASK, 30.0: Vital.WELL, 44.9: Vital.WELL, 45.0: Vital.ASK, 55.0: Vital.GONE}),
        # looked at late, it is given the whole time to answer
        ([], {50.0: Vital.ASK, 59.9: Vital.WELL, 60.0: Vital.GONE}),
    ],
)
def test_a_silent_client_is_asked_and_then_gone(heard: list[float], looks: dict[float, Vital]) -> None:
    pulse = Pulse(0.0)
    found = {}
    for now in sorted([*heard, *looks]):
        if now in heard:
            pulse.heard(now)
        else:
            found[now] = pulse.look(now, PING_S)
    assert found == looks
