"""What holds up the event loop is told."""

import asyncio
import time

import pytest
import uvloop

from feed.loop_delay import EVERY_S, LoopDelay
from tests.counted import Rise
from tests.gateway.gateway_stage import LoopFactory, until

COUNT, SUM = "feed_loop_delay_seconds_count", "feed_loop_delay_seconds_sum"
HELD_UP_S = 3 * EVERY_S


@pytest.mark.parametrize("loops", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_timer_that_comes_late_is_counted_by_how_much(loops: LoopFactory) -> None:
    async def main() -> None:
        risen = Rise()
        with LoopDelay():
            await until(lambda: risen(COUNT) >= 1)
            before = risen(SUM)
            time.sleep(HELD_UP_S)  # noqa: ASYNC251 - the fault itself
            seen = risen(COUNT)
            await until(lambda: risen(COUNT) > seen)
        assert risen(SUM) - before >= HELD_UP_S - EVERY_S - 0.01
        seen = risen(COUNT)
        await asyncio.sleep(2 * EVERY_S)
        assert risen(COUNT) == seen, "it ended"

    with asyncio.Runner(loop_factory=loops) as runner:
        runner.run(main())
