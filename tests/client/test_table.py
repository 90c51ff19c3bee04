from typing import Any

import pytest

from feed.client.table import Board
from feed.core.ticks import NS_PER_S

NOW_NS = 1_800_000_000 * NS_PER_S
NOW_US = NOW_NS // 1000


def trade(price: float, seq: int, **more: Any) -> dict[str, Any]:
    return {"T": "t", "S": "AAPL", "p": price, "s": 100, "tks": "B", "t": NOW_NS, "q": seq, **more}


def quote(seq: int, **more: Any) -> dict[str, Any]:
    return {"T": "q", "S": "AAPL", "bp": 9.5, "bs": 1, "ap": 10, "as": 2, "t": NOW_NS, "q": seq, **more}


def board_after(*messages: dict[str, Any]) -> Board:
    board = Board(["AAPL"])
    board.frame(messages, 100, NOW_NS)
    return board


def test_rows_follow_the_last_trade_and_quote() -> None:
    row = board_after(trade(10, 1), trade(11, 2), quote(7), trade(11, 3)).rows["AAPL"]
    assert row.trade is not None
    assert row.quote is not None
    assert (row.trade["p"], row.direction, row.quote["bp"]) == (11, 1, 9.5)
    assert row.heard_ns == NOW_NS


@pytest.mark.parametrize(("prices", "direction"), [((10, 9), -1), ((10, 11), 1), ((10, 11, 11), 1), ((10,), 0)])
def test_a_direction_stands_until_the_price_moves_again(prices: tuple[float, ...], direction: int) -> None:
    board = board_after(*(trade(price, seq) for seq, price in enumerate(prices, 1)))
    assert board.rows["AAPL"].direction == direction


def test_a_symbol_that_was_not_named_gets_a_row_when_it_ticks() -> None:
    board = Board(["*"])
    assert board.rows == {}
    board.frame([trade(10, 1)], 50, NOW_NS)
    assert list(board.rows) == ["AAPL"]


def test_rates_count_what_a_conflated_message_stands_for_and_no_snapshot() -> None:
    row = board_after(quote(1, snap=True), quote(9, m={"n": 8, "q0": 2})).rows["AAPL"]
    assert row.quotes.per_second(NOW_NS) == 8 * 4  # over the quarter second that was seen


def test_delay_is_measured_from_publishing_and_never_of_snapshots() -> None:
    board = board_after(trade(10, 1, snap=True, tp=NOW_US - 9_000_000), trade(10, 2, tp=NOW_US - 1500), trade(10, 3))
    assert board.rows["AAPL"].delay.quantiles(NOW_NS) == (1500, 1500)


def test_a_snapshot_is_as_old_as_its_tick() -> None:
    old_ns = NOW_NS - 60 * NS_PER_S
    row = board_after(trade(10, 1, snap=True, t=old_ns)).rows["AAPL"]
    assert row.heard_ns == old_ns


def test_bars_of_different_length_are_streams_of_their_own() -> None:
    bar = {"T": "b", "S": "AAPL", "o": 1, "h": 2, "l": 1, "c": 2, "v": 9, "n": 3, "vw": 1.5, "t": NOW_NS}
    board = board_after({**bar, "q": 5}, {**bar, "q": 900, "kind": "bars1s"}, {**bar, "q": 6})
    assert board.unexplained == 0


def test_what_is_lost_in_silence_is_counted_and_noted() -> None:
    board = board_after(trade(10, 1), trade(10, 3), trade(10, 3))
    assert board.unexplained == 2
    assert list(board.notes) == [
        "trades:AAPL: ticks before 3 are missing, and no message named them",
        "trades:AAPL: tick 3 came twice",
    ]


GAP = {"T": "gap", "stream": "trades:AAPL", "epoch": "e1", "next": {"epoch": "e1", "seq": 5}}


@pytest.mark.parametrize(
    ("gap", "note"),
    [
        ({"from": 2, "to": 4, "cause": "history"}, "gap in trades:AAPL: ticks 2 to 4 missing (history)"),
        ({"from": 2, "to": None, "cause": "bus"}, "gap in trades:AAPL: everything after 1 missing (bus)"),
        (
            {"from": 4, "to": 4, "q": 4, "ids": [70, 72], "cause": "venue"},
            "gap in trades:AAPL: venue ids 70 to 72 missing (venue)",
        ),
    ],
)
def test_a_gap_is_counted_and_noted_and_explains_what_follows(gap: dict[str, Any], note: str) -> None:
    board = board_after({"T": "subscription", "streams": {"trades:AAPL": {"epoch": "e1", "seq": 1}}})
    board.frame([{**GAP, **gap}, trade(10, 5)], 10, NOW_NS)
    assert (board.gaps, board.rows["AAPL"].gaps, board.unexplained) == (1, 1, 0)
    assert list(board.notes) == [note]


def test_what_was_missed_while_away_is_counted() -> None:
    board = board_after(trade(10, 1))
    board.frame([{"T": "subscription", "streams": {"trades:AAPL": {"epoch": "e1", "seq": 13}}}], 10, NOW_NS)
    assert board.gaps == 1
    assert list(board.notes) == ["missed 12 ticks of 1 streams while disconnected"]


def test_heartbeats_tell_of_the_bus_and_of_silent_losses() -> None:
    board = board_after(trade(10, 1), {"T": "heartbeat", "t": NOW_NS})
    assert board.bus_lost
    board.frame([{"T": "heartbeat", "t": NOW_NS, "seq": {"trades:AAPL": 1}}], 10, NOW_NS)
    assert not board.bus_lost
    assert board.unexplained == 0
    board.frame([{"T": "heartbeat", "t": NOW_NS, "seq": {"trades:AAPL": 2}}], 10, NOW_NS)
    assert board.unexplained == 1


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ({"T": "status", "S": "AAPL", "state": "stale", "t": NOW_NS}, "AAPL is stale"),
        ({"T": "notice", "code": "slow", "msg": "too slow", "lag_ms": 40}, "slow: too slow (40 ms behind)"),
        ({"T": "notice", "code": "drain", "msg": "restarting"}, "drain: restarting"),
        ({"T": "error", "code": 405, "msg": "symbol limit exceeded"}, "error 405: symbol limit exceeded"),
        ({"T": "error", "code": 400, "msg": "bad", "detail": "trades"}, "error 400: bad: trades"),
    ],
)
def test_what_the_gateway_says_is_noted(message: dict[str, Any], note: str) -> None:
    assert list(board_after(message).notes) == [note]


def test_messages_of_an_unknown_type_are_passed_over() -> None:
    board = board_after({"T": "pong", "id": 1}, {"T": "x", "S": "AAPL"}, {"T": "success", "msg": "connected"})
    assert list(board.notes) == []


def test_notes_are_bounded() -> None:
    board = board_after(*({"T": "status", "S": "AAPL", "state": "stale"} for _ in range(1000)))
    assert len(board.notes) == 100
    assert board.noted == 1000
