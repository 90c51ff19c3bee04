"""What happens at a venue, and which metric of ingest says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from feed import metrics
from feed.core.ticks import NS_PER_S, Trade
from feed.ingest.connector import Connector
from feed.ingest.intake import Intake
from feed.ingest.replay import Replay
from feed.ingest.simulator import Simulator
from feed.ingest.venues.binance import Binance
from feed.ingest.worker import Worker
from feed.settings import Sim, Values
from tests.counted import Rise, shown
from tests.ingest.replaying import made
from tests.ingest.venue_server import Heard, Script, VenueServer, Visit, connecting, knobs, quote, sends, trade, until
from tests.ingest.worker_stage import FEED as STAGE
from tests.ingest.worker_stage import Clock, FakePublisher, FakeSource, make
from tests.ingest.worker_stage import quote as made_quote
from tests.ingest.worker_stage import trade as made_trade

FEED = "binance"
MS = 1_000_000


def traded(number: int, at_ms: int) -> bytes:
    return trade(number).replace('"T": 1', f'"T": {at_ms}').encode()


def below(rise: Rise, bound: str, feed: str = FEED) -> float:
    return rise("feed_hop_delay_seconds_bucket", feed=feed, hop="venue_to_ingest", le=bound)


def test_each_tick_with_a_time_of_its_venue_is_measured() -> None:
    venue, rise = Binance(["BTC/USDT"]), Rise()
    frames = [
        (1_000 * MS, traded(1, 1_000)),  # two times that happen to be the same tell nothing
        (1_050 * MS, traded(2, 1_000)),
        (1_060 * MS, quote(1).encode()),
        (3_000 * MS, traded(3, 1_000)),
        (3_001 * MS, traded(4, 4_271)),  # the venue's clock is 1.27 s ahead
        (3_002 * MS, traded(5, 4_272)),
    ]
    assert Intake(venue, ("BTC/USDT",), Heard()).take(frames)
    assert [below(rise, bound) for bound in ("-10.0", "-1.0", "0.04", "0.063", "1.6", "2.5", "+Inf")] == [
        0, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip
    assert rise("feed_hop_negative_total", feed=FEED, hop="venue_to_ingest") == 2
    offset = shown("feed_hop_clock_offset_seconds", feed=FEED, hop="venue_to_ingest")
    assert offset is not None
    assert 1.26 < offset < 1.28


def test_each_tick_of_the_simulator_is_measured() -> None:
    async def main() -> None:
        rise, publisher, stop = Rise(), FakePublisher(), asyncio.Event()
        worker = Worker(Values(), Simulator(Sim(ticks_per_s=5_000, symbols=7)), publisher)
        running = asyncio.create_task(worker.run(stop))
        await until(lambda: len(publisher.offered) > 200)
        stop.set()
        await running
        ticks = sum(rise("feed_ingest_ticks_total", feed="sim", kind=kind) for kind in ("trades", "quotes"))
        assert below(rise, "+Inf", "sim") == ticks > 200
        assert below(rise, "0.0", "sim") < ticks, "those of before the last in each slice came earlier"
        delays = [(tick.ts_recv - tick.ts_event) / NS_PER_S for tick in publisher.offered if isinstance(tick, Trade)]
        assert below(rise, "0.001", "sim") >= sum(delay < 0.000_999 for delay in delays)
        assert shown("feed_ingest_symbols", feed="sim") == 7

    asyncio.run(main())


@pytest.mark.parametrize(
    ("silent", "expected"), [(frozenset(), 0), (frozenset({"A"}), 1), (frozenset({"A", "B"}), 2), (None, 3)]
)
def test_silent_symbols(silent: frozenset[str] | None, expected: int) -> None:
    source = FakeSource()
    make(source)
    source.quiet = silent
    assert shown("feed_ingest_symbols", feed=STAGE) == 3
    assert shown("feed_ingest_silent_symbols", feed=STAGE) == expected


def test_the_age_of_the_last_tick() -> None:
    clock = Clock()
    clock.s = 100.0
    worker, _ = make(FakeSource(), clock)

    def age() -> float | None:
        return shown("feed_ingest_last_tick_age_seconds", feed=STAGE)

    clock.s = 103.5
    assert age() == 3.5, "since the start"
    worker.ticks([made_quote(0.1, 1)])
    assert age() == 0
    clock.s = 104.0
    worker.ticks([made_trade(0.2, 1)])
    worker.history([made_trade(0.3, 2)], 0)
    clock.s = 106.0
    assert age() == 2


@asynccontextmanager
async def replaying(tmp_path: Path, frames: int) -> AsyncIterator[tuple[Replay, asyncio.Event]]:
    """A replay that stays connected when it has sent everything; the event ends it."""
    replay = Replay([made(tmp_path, frames)], host="127.0.0.1", port=0, speed=0)
    await replay.start()
    stop = asyncio.Event()
    running = asyncio.create_task(replay.run(stop))
    try:
        yield replay, stop
    finally:
        stop.set()
        await running


def test_a_venue_comes_falls_mute_and_goes(tmp_path: Path) -> None:
    def state() -> list[float | None]:
        names = ("connected", "symbols", "silent_symbols")
        return [shown(f"feed_ingest_{name}", feed=FEED) for name in names]

    async def main() -> None:
        rise, clock, stop = Rise(), Clock(), asyncio.Event()
        async with replaying(tmp_path, 50) as (replay, goes):
            source = Connector(Binance(["A/B"]), f"ws://127.0.0.1:{replay.port}", knobs(stale_after_s=600.0))
            worker = Worker(Values(), source, FakePublisher(), monotonic_ns=clock)
            clock.s = 7.0
            running = asyncio.create_task(worker.run(stop))
            await until(lambda: rise("feed_ingest_ticks_total", feed=FEED, kind="trades") == 50)
            assert state() == [1, 1, 0]
            assert rise("feed_ingest_frames_total", feed=FEED) == 50
            assert rise("feed_ingest_bytes_total", feed=FEED) > 50 * 60
            assert below(rise, "+Inf") == 50
            clock.s = 67.0
            assert shown("feed_ingest_last_tick_age_seconds", feed=FEED) == 60, "it is connected, and mute"
            goes.set()
            await until(lambda: state() == [0, 1, 1])
            await until(lambda: rise("feed_ingest_reconnects_total", feed=FEED, reason="closed") == 1)
            stop.set()
            await running

    asyncio.run(main())


async def close(visit: Visit) -> None:
    await visit.send(trade(1))
    await visit.ws.close()


async def abort(visit: Visit) -> None:
    await visit.send(trade(1))
    visit.abort()


async def mute(visit: Visit) -> None:
    await visit.stay()


TROUBLES: dict[str, tuple[Script, str, dict[str, str]]] = {
    "what is no JSON": (sends("{]"), "feed_ingest_parse_errors_total", {"what": "json"}),
    "a trade without its price": (
        sends(trade(1).replace('"p"', '"w"')), "feed_ingest_parse_errors_total", {"what": "trade"},
    ),
    "a quote of a symbol that nobody wants": (
        sends(quote(1, "XRPUSDT")), "feed_ingest_parse_errors_total", {"what": "bookTicker"},
    ),
    "what was not asked for": (sends('{"e":"kline"}'), "feed_ingest_parse_errors_total", {"what": "unknown"}),
    "a price of 20 digits": (sends(trade(1).replace("1.5", "12345678.123456789012")), "feed_ingest_inexact_total", {}),
    "a venue that hangs up": (close, "feed_ingest_reconnects_total", {"reason": "closed"}),
    "a line that breaks": (abort, "feed_ingest_reconnects_total", {"reason": "lost"}),
    "a venue that says nothing": (mute, "feed_ingest_reconnects_total", {"reason": "stale"}),
    "a venue that shuts down": (
        sends('{"e":"serverShutdown","E":1}'), "feed_ingest_reconnects_total", {"reason": "shutdown"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_raises_its_counter_and_no_other(name: str) -> None:
    script, counter, labels = TROUBLES[name]
    rise = Rise()

    async def main() -> None:
        server = VenueServer([script])
        async with server.serving(), connecting(server.url, Heard(), knobs(stale_after_s=0.3)):
            await until(lambda: rise(counter, feed=FEED, **labels))

    asyncio.run(main())
    others = {(trouble[1], tuple(trouble[2].items())) for trouble in TROUBLES.values()}
    others -= {(counter, tuple(labels.items())), ("feed_ingest_reconnects_total", (("reason", "stale"),))}
    assert {each: rise(each[0], feed=FEED, **dict(each[1])) for each in others} == dict.fromkeys(others, 0)


def test_a_trade_that_comes_after_its_bar() -> None:
    async def main() -> None:
        clock, stop, rise = Clock(), asyncio.Event(), Rise()
        worker, publisher = make(FakeSource(), clock)
        worker.history([], made_trade(0, 0).ts_event)
        worker.ticks([made_trade(0.5, 1)])
        running = asyncio.create_task(worker.run(stop))
        clock.s = 2.0
        await until(lambda: publisher.bars)
        worker.ticks([made_trade(0.6, 2), made_trade(0.7, 3), made_trade(2.6, 4)])
        await until(lambda: rise("feed_ingest_late_trades_total", feed=STAGE, kind="bars1s") == 2)
        assert rise("feed_ingest_late_trades_total", feed=STAGE, kind="bars") == 0
        assert rise("feed_ingest_ticks_total", feed=STAGE, kind="bars1s") == 1
        stop.set()
        await running

    asyncio.run(main())


def test_with_metrics_off_nothing_is_counted_on_a_ticks_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in metrics.ON_THE_WAY:
        monkeypatch.setattr(each, "_on", False)
    venue, rise, publisher = Binance(["BTC/USDT"]), Rise(), FakePublisher()
    worker = Worker(Values(), Connector(venue, "ws://127.0.0.1", knobs()), publisher)
    frames = [(1_050 * MS, traded(1, 1_000)), (1_060 * MS, b"{]")]
    assert Intake(venue, ("BTC/USDT",), worker).take(frames)
    assert len(publisher.offered) == 1
    assert below(rise, "+Inf") == 0
    assert [rise(f"feed_ingest_{what}_total", feed=FEED) for what in ("frames", "bytes")] == [0, 0]
    assert rise("feed_ingest_ticks_total", feed=FEED, kind="trades") == 0
    assert rise("feed_ingest_parse_errors_total", feed=FEED, what="json") == 1, "what goes wrong is still told"
