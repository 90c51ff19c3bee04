import asyncio

import pytest

from feed import metrics
from feed.core.ticks import BARS, BARS_1S, NS_PER_S, QUOTES, TRADES, Bar, Trade
from feed.ingest.simulator import Simulator
from feed.ingest.source import Sink
from feed.ingest.worker import Worker
from feed.settings import Ingest, Sim, Values
from tests.ingest.worker_stage import FEED, T0, Clock, FakePublisher, FakeSource, make, quote, trade, until


def counted(kind: str) -> float:
    return metrics.INGEST_TICKS.labels(FEED, kind).value


def test_every_tick_is_offered_in_its_order_and_counted() -> None:
    worker, publisher = make(FakeSource())
    before = counted(TRADES), counted(QUOTES)
    ticks = [quote(0.1, 1), trade(0.2, 1), quote(0.3, 2), quote(0.4, 3), trade(0.5, 2)]
    worker.ticks(ticks[:3])
    worker.ticks(ticks[3:])
    assert publisher.offered == ticks
    assert (counted(TRADES) - before[0], counted(QUOTES) - before[1]) == (2, 3)


def test_bars_close_when_the_venues_clock_has_passed_them() -> None:
    async def main() -> None:
        clock = Clock()
        worker, publisher = make(FakeSource(), clock)
        stop = asyncio.Event()
        worker.history([], T0)
        worker.ticks([trade(0.25, 1, 0.1), trade(0.5, 2, 0.2)])
        before = counted(BARS_1S)
        running = asyncio.create_task(worker.run(stop))
        clock.s = 0.99  # the venue's clock shows 1.49: within the grace
        worker.ticks([])
        await asyncio.sleep(0)
        assert publisher.bars == []
        clock.s = 1.01
        await until(lambda: len(publisher.bars) == 1)
        (bar,) = publisher.bars
        assert (bar.kind, bar.id, bar.volume, bar.count) == (BARS_1S, T0, 0.3, 2)
        assert counted(BARS_1S) == before + 1
        clock.s = 60.01
        await until(lambda: len(publisher.bars) == 2)
        assert publisher.bars[1].kind == BARS
        stop.set()
        await running

    asyncio.run(main())


def test_trades_after_their_bar_are_counted_as_late() -> None:
    async def main() -> None:
        late = metrics.INGEST_LATE.labels(FEED, BARS_1S)
        clock, stop, before = Clock(), asyncio.Event(), late._value.get()
        worker, publisher = make(FakeSource(), clock)
        worker.history([], T0)
        worker.ticks([trade(0.5, 1)])
        running = asyncio.create_task(worker.run(stop))
        clock.s = 2.0
        await until(lambda: len(publisher.bars) == 1)
        worker.ticks([trade(0.6, 2), trade(2.6, 3)])
        await until(lambda: late._value.get() > before)
        stop.set()
        await running  # looks at them once more: they count once
        assert late._value.get() == before + 1

    asyncio.run(main())


def test_history_counts_in_bars_and_is_not_published() -> None:
    async def main() -> None:
        clock, stop = Clock(), asyncio.Event()
        worker, publisher = make(FakeSource(), clock)
        worker.history([trade(1, 1), trade(2, 2)], T0)
        worker.history([trade(30.1, 3), trade(30.2, 4)], T0)
        worker.ticks([trade(30.5, 5)])
        clock.s = 60
        stop.set()
        await worker.run(stop)
        assert [(bar.kind, bar.id - T0, bar.count) for bar in publisher.bars] == [
            (BARS, 0, 5),
            (BARS_1S, 30 * NS_PER_S, 3),
        ]
        assert [tick for tick in publisher.offered if not isinstance(tick, Bar)] == [trade(30.5, 5)]

    asyncio.run(main())


def test_a_reconnection_gives_up_open_bars_and_tells_the_publisher() -> None:
    async def main() -> None:
        clock, stop = Clock(), asyncio.Event()
        worker, publisher = make(FakeSource(), clock)
        worker.history([], T0)
        worker.ticks([trade(0.5, 1)])
        worker.reconnected(("A",))
        clock.s = 5
        worker.ticks([trade(5.5, 2), trade(6.6, 3)])
        clock.s = 10
        stop.set()
        await worker.run(stop)
        assert publisher.events[0] == "reconnected"
        assert [bar.id for bar in publisher.bars] == [T0 + 6 * NS_PER_S]

    asyncio.run(main())


def test_a_source_that_starts_over_in_the_past_is_not_late() -> None:
    async def main() -> None:
        clock, stop = Clock(), asyncio.Event()
        stop.set()
        worker, publisher = make(FakeSource(), clock)
        worker.ticks([trade(100, 1)])
        worker.reconnected(("A",))
        clock.s = 10
        await worker.run(stop)  # closes what the clock has passed: it shows nothing before the next trade
        worker.ticks([trade(0.5, 2), trade(2.5, 3)])
        clock.s = 15
        await worker.run(stop)
        assert [bar.id for bar in publisher.bars] == [T0 + 2 * NS_PER_S]

    asyncio.run(main())


def test_a_quiet_market_closes_the_bars_of_its_history() -> None:
    async def main() -> None:
        clock, stop = Clock(), asyncio.Event()
        stop.set()
        worker, publisher = make(FakeSource(), clock)
        worker.history([trade(30.1, 1)], T0)
        clock.s = 31
        await worker.run(stop)
        assert [(bar.kind, bar.count) for bar in publisher.bars] == [(BARS, 1), (BARS_1S, 1)]

    asyncio.run(main())


def test_a_hole_in_contiguous_ids_holds_its_bar_back() -> None:
    async def main() -> None:
        clock, stop = Clock(), asyncio.Event()
        worker, publisher = make(FakeSource(), clock)
        worker.history([], T0)
        worker.ticks([trade(0.5, 1), trade(0.6, 3), trade(1.5, 4)])
        clock.s = 2
        stop.set()
        await worker.run(stop)
        assert [bar.id for bar in publisher.bars] == [T0 + NS_PER_S]

    asyncio.run(main())


def test_at_the_stop_the_source_ends_first_then_bars_then_the_drain() -> None:
    async def main() -> None:
        clock, stop = Clock(), asyncio.Event()
        ids = iter((1, 2))
        source = FakeSource(lambda sink: sink.ticks([trade(0.5, next(ids))]))
        worker, publisher = make(source, clock)
        worker.history([], T0)
        running = asyncio.create_task(worker.run(stop))
        await until(lambda: len(publisher.offered) == 1)

        def last_words(sink: Sink) -> None:
            sink.ticks([trade(0.7, 2)])
            clock.s = 1.0  # the bar closes after the source's last tick

        source.act = last_words
        stop.set()
        await running
        assert [type(tick) for tick in publisher.offered] == [Trade, Trade, Bar]
        assert publisher.events == ["drain after 3", "ended"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_source_that_ends_by_itself_ends_the_worker_in_order() -> None:
    async def main() -> None:
        source = FakeSource()
        source.ends = True
        worker, publisher = make(source)
        await asyncio.wait_for(worker.run(asyncio.Event()), 10)
        assert publisher.events == ["drain after 0", "ended"]

    asyncio.run(main())


def test_a_source_that_does_not_stop_is_left_behind() -> None:
    async def main() -> None:
        source = FakeSource()
        source.deaf = True
        worker, publisher = make(source, stop_s=0.05)
        stop = asyncio.Event()
        stop.set()
        await asyncio.wait_for(worker.run(stop), 10)
        assert not source.ended
        assert publisher.events == ["drain after 0", "ended"]

    asyncio.run(main())


def test_what_cannot_be_drained_in_time_does_not_hold_the_process() -> None:
    async def main() -> None:
        worker, publisher = make(FakeSource(), drain_s=0.01)
        publisher.drains = False
        stop = asyncio.Event()
        stop.set()
        await asyncio.wait_for(worker.run(stop), 10)
        assert publisher.events == ["drain after 0", "ended"]
        assert publisher.timeouts == [0.01]

    asyncio.run(main())


def test_the_sources_fault_ends_the_worker() -> None:
    async def main() -> None:
        source = FakeSource()
        source.fault = KeyError("no such symbol")
        worker, publisher = make(source)
        with pytest.raises(KeyError, match="no such symbol"):
            await asyncio.wait_for(worker.run(asyncio.Event()), 10)
        assert publisher.events == ["ended"]

    asyncio.run(main())


@pytest.mark.parametrize(("fault", "expected"), [(OSError("broken"), OSError), (None, RuntimeError)])
def test_a_publisher_that_ends_ends_the_worker(fault: Exception | None, expected: type[Exception]) -> None:
    async def main() -> None:
        worker, publisher = make(FakeSource())
        publisher.fault = fault
        publisher.fails.set()
        with pytest.raises(expected):
            await asyncio.wait_for(worker.run(asyncio.Event()), 10)

    asyncio.run(main())


def test_two_faults_at_once_are_both_told() -> None:
    async def main() -> None:
        source = FakeSource()
        source.fault = KeyError("one")
        worker, publisher = make(source)
        publisher.fault = OSError("other")
        publisher.fails.set()
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(worker.run(asyncio.Event()), 10)
        assert {type(fault) for fault in raised.value.exceptions} == {KeyError, OSError}

    asyncio.run(main())


@pytest.mark.parametrize(
    ("source_up", "publisher_up", "reason"),
    [(True, True, ""), (False, True, "venue"), (True, False, "bus"), (False, False, "venue")],
)
def test_not_ready_says_what_is_missing(source_up: bool, publisher_up: bool, reason: str) -> None:
    source = FakeSource()
    worker, publisher = make(source)
    source.up, publisher.up = source_up, publisher_up
    text = worker.not_ready()
    assert bool(text) == bool(reason)
    assert reason in text


def test_the_simulators_seconds_come_out_as_whole_bars() -> None:
    async def main() -> None:
        publisher, stop = FakePublisher(), asyncio.Event()
        sim = Sim(ticks_per_s=2_000, symbols=3, burst_every_s=0)
        values = Values(sim=sim, ingest=Ingest(bar_grace_s=0))
        # time passes with trades alone: a loop that a busy machine holds up would make some late for their bar
        worker = Worker(values, Simulator(sim), publisher, monotonic_ns=lambda: 0)
        running = asyncio.create_task(worker.run(stop))
        await until(lambda: len({bar.id for bar in publisher.bars if bar.kind == BARS_1S}) >= 2)
        stop.set()
        await running
        # the first second began before publishing did; the one after it is all there
        second = max(bar.id for bar in publisher.bars if bar.kind == BARS_1S)
        for bar in publisher.bars:
            if (bar.kind, bar.id) == (BARS_1S, second):
                of_it = [t for t in publisher.offered if isinstance(t, Trade) and t.symbol == bar.symbol]
                of_it = [t for t in of_it if second <= t.ts_event < second + NS_PER_S]
                assert (bar.count, bar.open, bar.close) == (len(of_it), of_it[0].price, of_it[-1].price)

    asyncio.run(main())
