from io import StringIO

import pytest
from rich.console import Console

from feed.client.events import Event, Heartbeat, Lost, Stamps, Status, Update
from feed.client.screen import Link, line, screen
from feed.client.table import Board
from feed.core.ticks import NS_PER_S, Quote, Trade

NOW_NS = 1_800_000_000 * NS_PER_S
TRADE = Trade("BTC/USDT", 1, 61234.5, 0.0125, "S", NOW_NS, 0)
QUOTE = Quote("BTC/USDT", None, 61234.25, 1.0, 0.0, 0.0, NOW_NS, 0)


def board_of(symbols: list[str], *events: Event) -> Board:
    board = Board(symbols)
    for event in events:
        board.take(event, NOW_NS)
    return board


def published(ago_us: int) -> Stamps:
    return Stamps(NOW_NS, NOW_NS - ago_us * 1000, NOW_NS, NOW_NS)


def ticked(delay_us: int) -> Board:
    trade = Update("trades:BTC/USDT", "e1", 1, TRADE, stamps=published(delay_us))
    return board_of(["BTC/USDT"], trade, Update("quotes:BTC/USDT", "e1", 1, QUOTE))


def shown(board: Board, link: Link, height: int = 30, width: int = 150) -> str:
    console = Console(file=StringIO(), width=width, height=height)
    console.print(screen(board, link, NOW_NS, width, height))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_row_shows_prices_as_they_are_and_an_absent_side_as_none() -> None:
    board = ticked(1500)
    text = shown(board, Link("ws://host/v2/sim", "live"))
    for words in ("ws://host/v2/sim", "● live", "61,234.50", "0.0125", "61,234.25 ×1", "1.50 ms", "0.0 s"):
        assert words in text
    assert "×0" not in text


@pytest.mark.parametrize("width", [80, 116])
def test_prices_and_delays_are_whole_in_a_narrow_terminal(width: int) -> None:
    board = ticked(23456)
    text = shown(board, Link("u", "live"), width=width)
    for words in ("BTC/USDT", "61,234.50", "61,234.25", "23.46 ms", "0.0 s"):
        assert words in text
    assert all(len(row) <= width for row in text.splitlines())


def test_a_row_without_ticks_waits() -> None:
    assert "waiting" in shown(Board(["AAPL"]), Link("ws://host/v2/sim"))


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (Link("u", "connecting"), "● connecting"),
        (Link("u", "waiting", NOW_NS + 4 * NS_PER_S), "● waiting, 4 s"),
        (Link("u", "waiting", NOW_NS - 1), "● connecting"),
    ],
)
def test_the_header_tells_the_state_of_the_connection(link: Link, words: str) -> None:
    assert words in shown(Board(["AAPL"]), link)


def test_the_header_counts_reconnects() -> None:
    lost = Lost("cut off", 1.0)
    assert "reconnects 3" in shown(board_of(["AAPL"], lost, lost, lost), Link("u", "live"))


def test_the_header_tells_of_a_lost_bus() -> None:
    board = board_of(["AAPL"], Heartbeat(NOW_NS, bus_up=False))
    assert "● bus lost" in shown(board, Link("u", "live"))


@pytest.mark.parametrize("height", [10, 12, 24, 50])
def test_everything_fits_the_terminal(height: int) -> None:
    board = Board([f"S{number}" for number in range(40)])
    for number in range(6):
        board.note(f"note {number}")
    text = shown(board, Link("u", "live"), height)
    assert len(text.splitlines()) <= height
    hidden = 40 - sum(f" S{number} " in text for number in range(40))
    assert hidden == 0 or f"and {hidden} more symbols" in text
    assert "note 5" in text


def test_text_of_the_gateway_is_no_markup() -> None:
    board = Board(["AAPL"])
    board.note("[red]not markup[/red]")
    assert "[red]not markup[/red]" in shown(board, Link("u", "live"))


def test_a_line_says_what_is_known() -> None:
    assert line(Board(["BTC/USDT"]).rows["BTC/USDT"], NOW_NS) == "BTC/USDT trades_s=0.0 quotes_s=0.0 gaps=0"
    board = ticked(1500)
    board.take(Status("BTC/USDT", "stale", NOW_NS), NOW_NS)
    assert line(board.rows["BTC/USDT"], NOW_NS) == (
        "BTC/USDT last=61234.5 size=0.0125 side=S bid=61234.25x1 ask=0.0x0 trades_s=4.0 quotes_s=4.0 "
        "delay_p50_ms=1.50 delay_p99_ms=1.50 age_s=0.0 gaps=0 state=stale"
    )
