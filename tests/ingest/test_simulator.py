import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from feed.core.ticks import NS_PER_S, Tick, Trade, kind_of
from feed.ingest.simulator import HISTORY_TICKS, SLICE_TICKS, Pace, Simulator
from feed.ingest.source import Sink, Source
from feed.settings import Sim

MINUTE = 60 * NS_PER_S
T0 = 1_723_161_600 * NS_PER_S  # a whole minute


class Notes:
    """A sink that keeps what it gets and sets `stop` when `enough` says so."""

    def __init__(self, enough: Callable[["Notes"], bool]) -> None:
        self.slices: list[Sequence[Tick]] = []
        self.past: list[Trade] = []
        self.since: set[int] = set()
        self.calls: list[str] = []
        self.stop = asyncio.Event()
        self._enough = enough

    @property
    def live(self) -> list[Tick]:
        return [tick for part in self.slices for tick in part]

    def ticks(self, ticks: Sequence[Tick]) -> None:
        self.calls.append("ticks")
        self.slices.append(ticks)
        if self._enough(self):
            self.stop.set()

    def history(self, trades: Sequence[Trade], since_ns: int) -> None:
        self.calls.append("history")
        self.past += trades
        self.since.add(since_ns)

    def reconnected(self, symbols: Collection[str]) -> None:  # noqa: ARG002 - it never loses a connection
        self.calls.append("reconnected")


def simulate(sim: Sim, enough: Callable[[Notes], bool], now_ns: Callable[[], int] | None = None) -> Notes:
    async def main() -> Notes:
        sink = Notes(enough)
        simulator = Simulator(sim) if now_ns is None else Simulator(sim, now_ns)
        source: Source = simulator
        seam: Sink = sink
        async with asyncio.timeout(20):
            await source.run(seam, sink.stop)
        return sink

    return asyncio.run(main())


def at_once(_: Notes) -> bool:
    return True


def frozen(ns: int) -> Callable[[], int]:
    return lambda: ns


@pytest.mark.parametrize(
    ("elapsed_s", "due"),
    [
        (0, 0),
        (0.004, 0),
        (0.01, 1),
        (13.999, 1_399),
        (14.5, 1_400 + 500),  # the last second of fifteen, ten times the rate
        (15, 1_400 + 1_000),
        (16, 1_400 + 1_000 + 100),
        (30, 2 * 2_400),
    ],
)
def test_bursts_come_at_the_end_of_each_period(elapsed_s: float, due: int) -> None:
    assert Pace(100, 15, 10).due(elapsed_s + 1e-9) == due


def test_no_period_no_bursts() -> None:
    assert Pace(250, 0, 10).due(3_600) == 900_000


@pytest.mark.parametrize("every_s", [1, 0.5, 0.02, 1e-9, 5e-324])
def test_short_periods_are_half_burst(every_s: float) -> None:
    assert Pace(100, every_s, 10).due(10) == pytest.approx(10 * (50 + 500), abs=1)


def test_what_is_due_is_taken_once_with_nothing_lost_to_rounding() -> None:
    pace = Pace(30, 0, 1)
    taken = [pace.take(n / 100) for n in range(1_001)]
    assert (sum(taken), max(taken), pace.skipped) == (300, 1, 0)


def test_a_pause_within_the_bound_is_made_up_for_slice_by_slice() -> None:
    pace = Pace(20_000, 0, 1)
    assert [pace.take(0.2), pace.take(0.2), pace.take(0.2)] == [SLICE_TICKS, SLICE_TICKS, 0]
    assert pace.skipped == 0


def test_ticks_due_for_too_long_are_skipped() -> None:
    pace = Pace(100, 0, 1)
    assert pace.take(0.1) == 10
    assert pace.take(10.0) == 25  # a quarter of a second's
    assert pace.skipped == 1_000 - 25 - 10
    assert pace.take(10.1) == 10


def test_a_rate_beyond_the_machine_costs_ticks_not_memory() -> None:
    pace = Pace(1_000_000, 0, 1)
    taken = [pace.take(n / 50) for n in range(1, 101)]  # slices that take 20 ms
    assert max(taken) == SLICE_TICKS
    left = pace.due(2.0) - sum(taken) - pace.skipped
    assert 0 <= left <= 250_000


@given(st.floats(0.01, 1e6), st.floats(0, 100), st.floats(1, 1_000), st.lists(st.floats(0, 1e5), min_size=2))
def test_what_is_due_only_grows(rate: float, every_s: float, factor: float, times: list[float]) -> None:
    pace = Pace(rate, every_s, factor)
    due = [pace.due(at) for at in sorted(times)]
    assert all(a <= b + 1 for a, b in pairwise(due))  # by a tick less at most: floats round
    assert due[0] >= int(sorted(times)[0] * rate * 0.999) - 1


def test_ticks_come_in_slices_and_are_of_the_time_since_the_last() -> None:
    sink = simulate(Sim(ticks_per_s=5_000, burst_every_s=0), lambda notes: len(notes.live) >= 1_000)
    assert Counter(map(kind_of, sink.live)).keys() == {"trades", "quotes"}
    assert max(len(part) for part in sink.slices) <= SLICE_TICKS
    for part in sink.slices:
        times = [tick.ts_event for tick in part]
        assert times == sorted(times)
        (received,) = {tick.ts_recv for tick in part}
        assert received >= times[-1]
    assert "reconnected" not in sink.calls


def test_the_history_is_the_part_of_the_minute_that_has_passed() -> None:
    now = T0 + 42 * NS_PER_S
    sink = simulate(Sim(ticks_per_s=100), lambda notes: len(notes.live) >= 3, frozen(now))
    assert sink.since == {T0}
    assert all(T0 <= trade.ts_event < now for trade in sink.past)
    assert [trade.ts_event for trade in sink.past] == sorted(trade.ts_event for trade in sink.past)
    assert 900 < len(sink.past) < 1_200  # a quarter of 4,200 ticks
    assert sink.calls.index("ticks") == len(sink.calls) - sink.calls[::-1].index("history")
    assert all(tick.ts_event >= now for tick in sink.live)


def test_ids_go_on_from_history_to_live() -> None:
    sink = simulate(Sim(symbols=1), lambda notes: len(notes.live) >= 50, frozen(T0 + 10 * NS_PER_S))
    ids = [tick.id for tick in (*sink.past, *sink.live) if isinstance(tick, Trade)]
    assert len(ids) > len(sink.past) > 0
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_the_same_minute_has_the_same_past() -> None:
    one, other = (
        simulate(Sim(seed=3), at_once, frozen(T0 + 7 * NS_PER_S)).past,
        simulate(Sim(seed=3), at_once, frozen(T0 + 7 * NS_PER_S)).past,
    )
    assert one == other
    assert one


def test_a_minute_that_begins_now_has_an_empty_history_and_is_whole() -> None:
    sink = simulate(Sim(), at_once, frozen(T0))
    assert (sink.past, sink.since) == ([], {T0})


def test_a_high_rate_begins_with_a_thinner_past() -> None:
    sink = simulate(Sim(ticks_per_s=50_000), at_once, frozen(T0 + 50 * NS_PER_S))
    assert 0.2 * HISTORY_TICKS < len(sink.past) < 0.3 * HISTORY_TICKS
    assert sink.past[-1].ts_event > T0 + 49 * NS_PER_S


def test_a_simulator_that_cannot_keep_up_says_so() -> None:
    def slow(notes: Notes) -> bool:
        time.sleep(0.3)  # longer than it may be behind: the loop stands still meanwhile
        return len(notes.slices) >= 3

    with capture_logs() as lines:
        sink = simulate(Sim(ticks_per_s=10_000, burst_every_s=0), slow, frozen(T0))
    assert [len(part) for part in sink.slices[1:]] == [SLICE_TICKS] * 2
    (line,) = lines  # what the third slice skipped is told some seconds later
    assert line["event"] == "simulator_too_slow"
    assert line["ticks_skipped"] > 0


def test_it_is_connected_while_it_trades() -> None:
    async def main() -> None:
        simulator = Simulator(Sim())
        states = []

        def enough(_: Notes) -> bool:
            states.append(simulator.connected())
            return True

        sink = Notes(enough)
        assert not simulator.connected()
        async with asyncio.timeout(20):
            await simulator.run(sink, sink.stop)
        assert states == [True]
        assert not simulator.connected()

    asyncio.run(main())
