"""How a watched feed looks in a terminal: a header, a table of symbols, the newest notes. Pure: the time is given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feed.client.table import Board, Row
from feed.core.ticks import NS_PER_S

NOTES_SHOWN: Final = 4
AROUND_TABLE: Final = 6  # lines of the header, the table's frame and its own header, and of what is not shown
WIDE: Final = 126  # columns that everything takes; with less, what can best be missed is left out
COLUMNS: Final = ("Symbol", "Last", "Size", "Bid", "Ask", "Trades/s", "Quotes/s", "Delay p50", "p99", "Age", "Gaps")
NARROW: Final = ("Symbol", "Last", "Bid", "Ask", "Quotes/s", "Delay p50", "Age")
DASH: Final = "–"
STATE_STYLE: Final = {
    "live": "bold green",
    "connecting": "bold yellow",
    "waiting": "bold yellow",
    "bus lost": "bold red",
}
MOVE: Final = {1: ("▲ ", "green"), -1: ("▼ ", "red"), 0: ("  ", "")}


@dataclass
class Link:
    """The connection as a reader of the screen sees it: `state` is connecting, live or waiting."""

    url: str
    state: str = "connecting"
    retry_ns: int = 0


def screen(board: Board, link: Link, now_ns: int, width: int, height: int) -> RenderableType:
    """Everything in at most `height` lines: rows that don't fit are counted instead."""
    notes = list(board.notes)[-NOTES_SHOWN:]
    room = max(1, height - AROUND_TABLE - len(notes))
    rows = list(board.rows.values())
    shown = rows if len(rows) <= room else rows[: room - 1]
    parts: list[RenderableType] = [
        _header(board, link, now_ns),
        _table(shown, now_ns, COLUMNS if width >= WIDE else NARROW),
    ]
    if len(shown) < len(rows):
        parts.append(Text(f"  … and {len(rows) - len(shown)} more symbols", style="dim"))
    parts += [Text(f"  {note}", style="yellow", no_wrap=True, overflow="ellipsis") for note in notes]
    return Group(*parts)


def line(row: Row, now_ns: int) -> str:
    """A row as `name=value` words, for a pipe or a log; what is unknown is left out."""
    words = [row.symbol]
    if row.trade is not None:
        words += [f"last={row.trade.price}", f"size={_plain(row.trade.size)}", f"side={row.trade.side}"]
    if row.quote is not None:
        words.append(f"bid={row.quote.bid}x{_plain(row.quote.bid_size)}")
        words.append(f"ask={row.quote.ask}x{_plain(row.quote.ask_size)}")
    words.append(f"trades_s={row.trades.per_second(now_ns):.1f}")
    words.append(f"quotes_s={row.quotes.per_second(now_ns):.1f}")
    if (delay := row.delay.quantiles(now_ns)) is not None:
        words += [f"delay_p50_ms={delay[0] / 1000:.2f}", f"delay_p99_ms={delay[1] / 1000:.2f}"]
    if row.heard_ns is not None:
        words.append(f"age_s={(now_ns - row.heard_ns) / NS_PER_S:.1f}")
    words.append(f"gaps={row.gaps}")
    if row.state != "live":
        words.append(f"state={row.state}")
    return " ".join(words)


def _header(board: Board, link: Link, now_ns: int) -> Text:
    state = "bus lost" if link.state == "live" and board.bus_lost else link.state
    if state == "waiting" and now_ns >= link.retry_ns:
        state = "connecting"
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(link.url, style="bold")
    text.append(f"  ● {state}", style=STATE_STYLE[state])
    if state == "waiting":
        text.append(f", {(link.retry_ns - now_ns) / NS_PER_S:.0f} s", style="yellow")
    text.append(f"   {board.messages.per_second(now_ns):,.0f} messages/s")
    text.append(f"   gaps {board.gaps}", style="yellow" if board.gaps else "")
    if board.unexplained:
        text.append(f"   unexplained {board.unexplained}", style="bold red")
    if board.reconnects:
        text.append(f"   reconnects {board.reconnects}", style="yellow")
    text.append(f"   {board.bytes.per_second(now_ns) / 1000:,.1f} kB/s", style="dim")
    return text


def _table(rows: list[Row], now_ns: int, columns: Sequence[str]) -> Table:
    table = Table(expand=True, box=box.SIMPLE_HEAD, header_style="dim", border_style="dim")
    filled = [dict(zip(COLUMNS, _cells(row, now_ns, sizes=columns is COLUMNS), strict=True)) for row in rows]
    for name in columns:
        # where room is short, sizes are cut, never what tells one row from another
        least = max((len(cells[name]) for cells in filled), default=0) if name not in ("Size", "Bid", "Ask") else None
        table.add_column(name, justify="left" if name == "Symbol" else "right", no_wrap=True, min_width=least)
    for row, cells in zip(rows, filled, strict=True):
        table.add_row(*(cells[name] for name in columns), style="dim" if row.state != "live" else "")
    return table


def _cells(row: Row, now_ns: int, *, sizes: bool) -> list[Text | str]:
    """A row's texts in the order of COLUMNS."""
    symbol = Text(row.symbol if row.state == "live" else f"{row.symbol} ({row.state})", style="bold")
    p50, p99 = (_delay(micros) for micros in row.delay.quantiles(now_ns) or (None, None))
    age = "waiting" if row.heard_ns is None else _age((now_ns - row.heard_ns) / NS_PER_S)
    rates = [f"{rate.per_second(now_ns):,.1f}" for rate in (row.trades, row.quotes)]
    gaps = Text(str(row.gaps), style="yellow" if row.gaps else "dim")
    return [symbol, *_traded(row), *_quoted(row, sizes), *rates, p50, p99, age, gaps]


def _traded(row: Row) -> list[Text | str]:
    if row.trade is None:
        return [DASH, ""]
    mark, style = MOVE[row.direction]
    side = {"B": "green", "S": "red"}.get(row.trade.side, "")
    return [Text(f"{mark}{_number(row.trade.price, 2)}", style=style), Text(_size(row.trade.size), style=side)]


def _quoted(row: Row, sizes: bool) -> list[Text | str]:
    if row.quote is None:
        return [DASH, DASH]
    return [_side(row.quote.bid, row.quote.bid_size, sizes), _side(row.quote.ask, row.quote.ask_size, sizes)]


def _side(price: float, size: float, sizes: bool) -> Text | str:
    """Price and size; a side without an order has price 0."""
    if not price:
        return DASH
    return Text.assemble(_number(price, 2), (f" ×{_size(size)}" if sizes else "", "dim"))


def _number(value: float, least: int = 0) -> str:
    """With `least` to 8 decimals: as many as the number has."""
    whole, _, fraction = f"{value:,.8f}".partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _plain(size: float) -> float:
    """Whole where it has no fraction, as the gateway writes it."""
    return int(size) if size.is_integer() else size


def _size(size: float) -> str:
    """Whole, or to four significant digits."""
    return f"{size:,.0f}" if size >= 1_000 or float(size).is_integer() else f"{size:.4g}"


def _delay(micros: int | None) -> str:
    if micros is None:
        return DASH
    return f"{micros / 1000:.2f} ms" if abs(micros) < 1_000_000 else f"{micros / 1e6:.1f} s"


def _age(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"
