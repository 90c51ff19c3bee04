"""What the parent makes of its workers' ends, and what it answers for them, with workers that never get far."""

import asyncio
import os
import sys

import pytest
from prometheus_client import REGISTRY

from feed.cli.crew import Crew
from tests.integration.crews import children, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers share a port as only Linux does it")


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEED_")}
    return kept | variables


def test_an_end_before_all_listen_ends_all_with_its_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    announced: list[str] = []

    async def main() -> int:
        crew = Crew(2, environment(FEED_GATEWAY__PORT="x"), asyncio.Event())
        assert crew.not_ready() == "the workers start"
        async with asyncio.timeout(30):
            return await crew.run(lambda: announced.append("said"))

    assert asyncio.run(main()) == 2
    assert announced == []
    assert 'feed: gateway.port = "x"' in capfd.readouterr().err  # its own words: it came no further


@pytest.mark.parametrize("begun", [False, True], ids=["before it starts any", "while they start"])
def test_a_parent_that_is_told_to_stop_early_ends_well(begun: bool) -> None:
    others = children(os.getpid())

    async def main() -> int:
        stop = asyncio.Event()
        crew = Crew(2, environment(FEED_GATEWAY__PORT="0", FEED_REDIS__URL="redis://127.0.0.1:1"), stop)
        running = asyncio.create_task(crew.run(lambda: None))
        await asyncio.sleep(0)
        if begun:
            await until(lambda: children(os.getpid()) - others, "some process")
        stop.set()
        assert crew.not_ready() == "draining"
        async with asyncio.timeout(30):
            return await running

    assert asyncio.run(main()) == 0
    assert children(os.getpid()) == others


def test_before_any_worker_has_told_anything_there_are_the_parents_own_metrics() -> None:
    async def main() -> None:
        crew = Crew(3, environment(), asyncio.Event())
        await crew.refresh()
        shown = {(sample.name, sample.labels): sample.value for family in crew.families() for sample in family.samples}
        assert shown["feed_gateway_workers", ()] == 3
        assert shown["feed_gateway_workers_up", ()] == 0
        assert shown["process_open_fds", (("worker", "parent"),)] > 0
        assert {name for name, _ in shown} == {
            sample.name for family in REGISTRY.collect() for sample in family.samples
        }

    asyncio.run(main())
