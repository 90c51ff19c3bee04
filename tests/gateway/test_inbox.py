"""Commands take turns; what waits is bounded; a fault ends the connection and is told."""

import asyncio

import pytest

from feed.gateway.inbox import MAX_WAITING, Inbox


def test_items_are_worked_off_one_at_a_time_in_order() -> None:
    async def main() -> None:
        done: list[int] = []
        under_way = 0

        async def work(item: int) -> None:
            nonlocal under_way
            under_way += 1
            assert under_way == 1
            await asyncio.sleep(0)
            under_way -= 1
            done.append(item)

        inbox = Inbox(work, lambda: None)
        for item in range(MAX_WAITING):
            assert inbox.put(item)
        assert not inbox.put(99), "that many may wait, and no more"
        async with asyncio.timeout(5):
            while len(done) < MAX_WAITING:  # noqa: ASYNC110 - turns of the loop are what is waited for
                await asyncio.sleep(0)
        assert inbox.put(100)
        async with asyncio.timeout(5):
            while done[-1] != 100:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0)
        assert done == [*range(MAX_WAITING), 100]
        await inbox.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left while there is no work"

    asyncio.run(main())


def test_closing_ends_what_is_under_way_and_drops_what_waits() -> None:
    async def main() -> None:
        begun: list[int] = []

        async def work(item: int) -> None:
            begun.append(item)
            await asyncio.Event().wait()

        inbox = Inbox(work, lambda: pytest.fail("nothing failed"))
        inbox.put(1)
        inbox.put(2)
        await asyncio.sleep(0)
        await inbox.close()
        assert begun == [1]

    asyncio.run(main())


def test_a_fault_is_told_at_once_and_raised_on_closing() -> None:
    async def main() -> None:
        told = asyncio.Event()

        async def work(_: int) -> None:
            raise ZeroDivisionError

        inbox = Inbox(work, told.set)
        inbox.put(1)
        await asyncio.wait_for(told.wait(), 5)
        with pytest.raises(ZeroDivisionError):
            await inbox.close()

    asyncio.run(main())
