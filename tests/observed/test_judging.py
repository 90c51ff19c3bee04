"""The judge of alerts must be able to find fault with them."""

import time

import pytest

from tests.observed.judging import Stalls, complaints

PATIENCE_S = 20.0
WITH = ("FeedNoGatewayReady",)


@pytest.mark.parametrize(
    ("fired", "said"),
    [
        (["FeedRedisLost"], []),
        (["FeedRedisLost", "FeedNoGatewayReady"], []),
        ([], ["FeedRedisLost did not fire"]),
        (["FeedNoGatewayReady"], ["FeedRedisLost did not fire"]),
        (["FeedRedisLost", "FeedGaps"], ["FeedGaps fired, which no heading names"]),
    ],
)
def test_what_is_missing_and_what_nobody_announced_is_told(fired: list[str], said: list[str]) -> None:
    assert complaints(("FeedRedisLost",), fired, WITH) == said


def test_a_process_that_is_not_run_is_noticed() -> None:
    began = time.time()
    with Stalls() as stalls:
        end = time.monotonic() + PATIENCE_S
        while not stalls.between(began, time.time()):
            assert time.monotonic() < end
            sum(range(20_000_000))  # lets no other thread run meanwhile
            time.sleep(0.05)
    assert not stalls.between(0.0, began)
