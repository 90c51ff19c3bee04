"""How a traced stream looks in a terminal: its position, who publishes, who reads, its way hop by hop, who is slow."""

import math
from collections.abc import Iterable
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from feed.trace.look import Look, Reader, SlowClient, Worker
from feed.trace.way import Hop, faults_of, way_of

WIDE: Final = 110  # columns that everything takes; with less, what can best be missed is left out
NOTES_SHOWN: Final = 6
SLOW_SHOWN: Final = 8
DASH: Final = "–"
# Characters that names may have, with room and without: of longer ones the end is kept, which tells pods apart.
NAME, SHORT_NAME = 18, 14
IDENTITY, ADDRESS = 20, 24
# So that columns of numbers that come and go stay where they are.
LEAST: Final = {"p50": 9, "p99": 9, "Position": 11, "Lag": 8, "Waiting": 8}
BAR, SHORT_BAR = 16, 10
DECADES: Final = 3  # that a bar shows: hops differ by thousands of times
DOES: Final = {"publishes": "green", "repeats": "cyan", "idle": "dim", "gone": "red", "waits for its peer": "yellow"}
GATEWAYS: Final = ("Gateway", "Position", "Behind", "Clients", "Cohorts", "Lanes", "Slow", "Pending", "Tail", "Said")
FEW_GATEWAYS: Final = ("Gateway", "Position", "Behind", "Clients", "Lanes", "Slow")
SLOW: Final = ("Slow client", "Key", "Address", "Lag", "Waiting", "Behind", "")
FEW_SLOW: Final = ("Slow client", "Address", "Lag", "Waiting", "Behind")


def screen(look: Look, width: int, *, asking: bool = False) -> RenderableType:
    """Everything; `asking` says that processes had no time to answer yet."""
    wide = width >= WIDE
    parts: list[RenderableType] = [_header(look), _redis(look)]
    parts += _workers(look.workers, wide)
    if look.readers:
        parts.append(_gateways(look.readers, wide))
    hops = way_of(look)
    if hops:
        parts.append(_way(hops, wide))
    if look.slow:
        parts.append(_slow(look.slow, wide))
    notes = ["the processes are asked; they answer within a second"] if asking and not look.fault else faults_of(look)
    parts += [Text(f"{note}", style="yellow") for note in notes[-NOTES_SHOWN:]]
    return Group(*parts)


def _header(look: Look) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(look.stream.name, style="bold")
    if look.fault:
        text.append("  ● Redis is away", style="bold red")
    elif look.standing is not None and look.standing.record is None:
        text.append("  ● unknown so far", style="bold yellow")
    elif look.rate == 0:
        text.append("  ● quiet", style="bold yellow")
    else:
        text.append("  ● live", style="bold green")
    if look.rate is not None:
        text.append(f"   {look.rate:,.1f} entries/s")
    slow = sum(reader.slow_clients for reader in look.readers)
    if slow:
        text.append(f"   {slow} slow", style="bold yellow")
    return text


def _redis(look: Look) -> Text:
    text = Text("Redis    ", style="bold")
    standing = look.standing
    if standing is None or standing.record is None:
        return text.append(DASH, style="dim")
    record = standing.record
    text.append(f"epoch {record.epoch}  seq {record.seq:,}", style="not bold")
    text.append(f"  log {standing.length:,}  last entry {_ago(look.age_s)}", style="not bold dim")
    return text


def _workers(workers: Iterable[Worker], wide: bool) -> list[Text]:
    found = []
    for number, worker in enumerate(workers):
        text = Text("Ingest   " if not number else " " * 9, style="bold", no_wrap=True, overflow="ellipsis")
        text.append(worker.name, style="not bold")
        text.append(f"  {worker.does}", style=f"not bold {DOES[worker.does]}")
        told = worker.answer
        if told is not None:
            up = told.get("venue_up")
            text.append("  venue up" if up else "  venue down", style="not bold" if up else "bold red")
            text.append(
                f"  waiting {told.get('unpublished', 0):,}, {told.get('oldest_s', 0.0):.1f} s", style="not bold"
            )
            if wide:
                text.append(f"  buffer {_bytes(told.get('buffered_bytes', 0))}", style="not bold dim")
        elif worker.does != "gone":
            text.append("  no answer", style="not bold yellow")
        if worker.call is not None and wide:
            text.append(f"  wrote to {worker.call.last:,}", style="not bold dim")
            text.append(f", {worker.call.duplicates:,} twice" if worker.call.duplicates else "", style="not bold dim")
        found.append(text)
    return found


def _gateways(readers: Iterable[Reader], wide: bool) -> Table:
    columns = GATEWAYS if wide else FEW_GATEWAYS
    table = _table(columns)
    for reader in readers:
        cells: dict[str, Text | str] = dict.fromkeys(columns, DASH)
        # its position is as old as that: `Behind` is what it was behind at that moment
        cells |= {"Gateway": _end(reader.name, NAME if wide else SHORT_NAME), "Said": f"{reader.age_s:.1f} s ago"}
        if reader.reads:
            behind = DASH if reader.behind is None else f"{reader.behind:,}"
            cells |= {
                "Position": f"{reader.at.seq:,}",
                "Behind": Text(behind, style="yellow" if reader.behind else ""),
                "Clients": f"{reader.clients:,}",
                "Cohorts": f"{reader.cohorts:,}",
                "Lanes": f"{reader.lanes:,}",
                "Slow": Text(f"{reader.slow_clients:,}", style="yellow" if reader.slow_clients else ""),
                "Pending": f"{reader.pending:,}",
                "Tail": f"{reader.tail:,}",
            }
        else:
            cells["Position"] = "not read"
        table.add_row(*(_plain(cells[column]) for column in columns), style="" if reader.reads else "dim")
    return table


def _way(hops: list[Hop], wide: bool) -> Table:
    table = _table(("Hop", "At", "p50", "p99", "Ticks", "") if wide else ("Hop", "At", "p50", "p99", ""))
    most = max(hop.delays.p99_us for hop in hops)
    for hop in hops:
        cells: dict[str, Text | str] = {
            "Hop": hop.name,
            "At": _end(hop.at or "here", NAME if wide else SHORT_NAME),
            "p50": _delay(hop.delays.p50_us),
            "p99": _delay(hop.delays.p99_us),
            "Ticks": f"{hop.delays.measured:,}",
            "": Text(_bar(hop.delays.p99_us, most, BAR if wide else SHORT_BAR), style="yellow" if hop.most else "cyan"),
        }
        if hop.most:
            cells[""] = Text.assemble(cells[""], (" takes the most" if wide else " most", "bold yellow"))
        table.add_row(*(_plain(cells[str(column.header)]) for column in table.columns))
    return table


def _slow(clients: list[SlowClient], wide: bool) -> Table:
    columns = SLOW if wide else FEW_SLOW
    table = _table(columns)
    for client in clients[:SLOW_SHOWN]:
        cells = {
            "Slow client": _end(client.connection or DASH, SHORT_NAME),
            "Key": _end(client.key or DASH, IDENTITY),
            "Address": _end(client.address or DASH, ADDRESS),
            "Lag": f"{client.lag_s:,.1f} s",
            "Waiting": _bytes(client.waiting_bytes),
            "Behind": DASH if client.behind is None else f"{client.behind:,}",
            "": "resumes" if client.resumes else "",
        }
        table.add_row(*(_plain(cells[column]) for column in columns))
    return table


def _plain(cell: Text | str) -> Text:
    """A cell that is shown as it is: brackets in a client's name are no markup."""
    return cell if isinstance(cell, Text) else Text(cell)


def _table(columns: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), header_style="bold", show_edge=False)
    left = ("Gateway", "Hop", "At", "Slow client", "Key", "Address", "")
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True, min_width=LEAST.get(name))
    return table


def _bar(value_us: int, most_us: int, length: int) -> str:
    """By the logarithm, down from the longest."""
    if value_us <= 0:
        return ""
    share = 1 + math.log10(value_us / most_us) / DECADES
    return "▇" * max(1, round(length * share))


def _end(name: str, most: int) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _delay(micros: int) -> str:
    return f"{micros / 1_000:,.2f} ms" if abs(micros) < 1_000_000 else f"{micros / 1e6:,.2f} s"


def _ago(seconds: float | None) -> str:
    return DASH if seconds is None else f"{seconds:,.3f} s ago"


def _bytes(count: int) -> str:
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:,.1f} kB" if count < 1_000_000 else f"{count / 1e6:,.1f} MB"
