from typing import Any

import pytest

from feed.client.events import (
    Breach,
    Complaint,
    Connected,
    Event,
    Fault,
    Gap,
    Granted,
    Heartbeat,
    Lost,
    Merged,
    Notice,
    Stamps,
    Status,
    Subscribed,
    Update,
)
from feed.client.table import Board
from feed.core.streams import Position
from feed.core.ticks import NS_PER_S, Bar, Quote, Trade

NOW_NS = 1_800_000_000 * NS_PER_S


def trade(price: float, seq: int, at_ns: int = NOW_NS, **more: Any) -> Update:
    return Update("trades:AAPL", "e1", seq, Trade("AAPL", seq, price, 100.0, "B", at_ns, 0), **more)


def quote(seq: int, **more: Any) -> Update:
    return Update("quotes:AAPL", "e1", seq, Quote("AAPL", None, 9.5, 1.0, 10.0, 2.0, NOW_NS, 0), **more)


def published(ago_ns: int | None) -> Stamps:
    return Stamps(NOW_NS, None if ago_ns is None else NOW_NS - ago_ns, NOW_NS, NOW_NS)


def board_after(*events: Event) -> Board:
    board = Board(["AAPL"])
    for event in events:
        board.take(event, NOW_NS)
    return board


def test_rows_follow_the_last_trade_and_quote() -> None:
    row = board_after(trade(10, 1), trade(11, 2), quote(7), trade(11, 3)).rows["AAPL"]
    assert row.trade is not None
    assert row.quote is not None
    assert (row.trade.price, row.direction, row.quote.bid) == (11, 1, 9.5)
    assert row.heard_ns == NOW_NS


@pytest.mark.parametrize(("prices", "direction"), [((10, 9), -1), ((10, 11), 1), ((10, 11, 11), 1), ((10,), 0)])
def test_a_direction_stands_until_the_price_moves_again(prices: tuple[float, ...], direction: int) -> None:
    board = board_after(*(trade(price, seq) for seq, price in enumerate(prices, 1)))
    assert board.rows["AAPL"].direction == direction


def test_a_symbol_that_was_not_named_gets_a_row_when_it_ticks() -> None:
    board = Board(["*"])
    assert board.rows == {}
    board.take(trade(10, 1), NOW_NS)
    assert list(board.rows) == ["AAPL"]


def test_rates_count_what_a_conflated_message_stands_for_and_no_snapshot() -> None:
    row = board_after(quote(1, snapshot=True), quote(9, merged=Merged(8, 2))).rows["AAPL"]
    assert row.quotes.per_second(NOW_NS) == 8 * 4  # over the quarter second that was seen


def test_delay_is_measured_from_publishing_and_never_of_snapshots() -> None:
    board = board_after(
        trade(10, 1, snapshot=True, stamps=published(9_000_000_000)),
        trade(10, 2, stamps=published(1_500_000)),
        trade(10, 3, stamps=published(None)),
        trade(10, 4),
    )
    assert board.rows["AAPL"].delay.quantiles(NOW_NS) == (1500, 1500)


def test_a_snapshot_is_as_old_as_its_tick() -> None:
    old_ns = NOW_NS - 60 * NS_PER_S
    row = board_after(trade(10, 1, old_ns, snapshot=True)).rows["AAPL"]
    assert row.heard_ns == old_ns


def test_a_bar_is_kept_with_its_row() -> None:
    bar = Bar("AAPL", NOW_NS, "bars", 1.0, 2.0, 1.0, 2.0, 9.0, 3, 1.5, NOW_NS, 0)
    row = board_after(Update("bars:AAPL", "e1", 5, bar)).rows["AAPL"]
    assert row.bar == bar
    assert row.trades.per_second(NOW_NS) == 0


@pytest.mark.parametrize(
    ("breach", "first", "last", "note"),
    [
        (Breach.HOLE, 2, 2, "ticks before 3 are missing, and no message named them"),
        (Breach.REPEAT, 3, 3, "tick 3 came twice"),
        (Breach.LATE, 2, 2, "tick 2 came out of order"),
        (Breach.TOTALS, 2, 9, "what tick 9 stands for does not add up"),
        (Breach.BEHIND, 2, 9, "the gateway has sent more than arrived"),
        (Breach.UNPLACED, 9, 9, "tick 9 came without its place being told"),
    ],
)
def test_what_is_wrong_is_counted_and_noted(breach: Breach, first: int, last: int, note: str) -> None:
    board = board_after(Fault(breach, "trades:AAPL", "e1", first, last))
    assert board.unexplained == 1
    assert list(board.notes) == [f"trades:AAPL: {note}"]


AFTER = Position("e1", 5)


@pytest.mark.parametrize(
    ("gap", "note"),
    [
        (Gap("trades:AAPL", "e1", 2, 4, AFTER, "history"), "gap in trades:AAPL: ticks 2 to 4 missing (history)"),
        (Gap("trades:AAPL", "e1", 2, None, AFTER, "bus"), "gap in trades:AAPL: everything after 1 missing (bus)"),
        (
            Gap("trades:AAPL", "e1", 4, 4, AFTER, "venue", (70, 72), 4),
            "gap in trades:AAPL: venue ids 70 to 72 missing (venue)",
        ),
    ],
)
def test_a_gap_is_counted_and_noted(gap: Gap, note: str) -> None:
    board = board_after(gap)
    assert (board.gaps, board.rows["AAPL"].gaps, board.unexplained) == (1, 1, 0)
    assert list(board.notes) == [note]


def test_heartbeats_tell_of_the_bus() -> None:
    board = board_after(trade(10, 1), Heartbeat(NOW_NS, bus_up=False))
    assert board.bus_lost
    board.take(Heartbeat(NOW_NS, bus_up=True), NOW_NS)
    assert not board.bus_lost
    assert list(board.notes) == ["the gateway has lost the bus: prices may be old", "the gateway has the bus again"]


def test_another_gateway_may_have_the_bus() -> None:
    assert not board_after(Heartbeat(NOW_NS, bus_up=False), Lost("cut off", 0.1), Connected("ws://b/v2/sim")).bus_lost


def test_a_reconnect_shows_in_the_notes() -> None:
    resumed = {"trades:AAPL": Granted("e1", 5, 0, True), "quotes:AAPL": Granted("e1", 5, 0, False)}
    board = board_after(
        Connected("ws://a/v2/sim"),
        Subscribed({"bars:AAPL": Granted("e1", 5)}),
        Lost("closed with 1012 drain", 0.04, 1012),
        Connected("ws://b/v2/sim"),
        Subscribed(resumed),
    )
    assert board.reconnects == 1
    assert list(board.notes) == [
        "closed with 1012 drain; reconnecting in 0.0 s",
        "connected to ws://b/v2/sim",
        "resumed 1 of 2 streams where they had stopped",
    ]


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (Status("AAPL", "stale", NOW_NS), "AAPL is stale"),
        (Notice("slow", "too slow", 40), "slow: too slow (40 ms behind)"),
        (Notice("drain", "restarting"), "drain: restarting"),
        (Complaint(407, "slow client"), "error 407: slow client"),
        (Complaint(400, "bad", "trades"), "error 400: bad: trades"),
    ],
)
def test_what_the_gateway_says_is_noted(event: Event, note: str) -> None:
    assert list(board_after(event).notes) == [note]


def test_notes_are_bounded() -> None:
    board = board_after(*(Status("AAPL", "stale", NOW_NS) for _ in range(1000)))
    assert len(board.notes) == 100
    assert board.noted == 1000
