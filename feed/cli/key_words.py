"""What `feed key` prints: a new key with its secret, and the table of all keys."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from feed.core.ticks import KINDS

if TYPE_CHECKING:
    from feed.core.keys import KeyRecord

HEAD: Final = ("name", "key", "state", "feeds", "kinds", "symbols", "limits")
ALL: Final = "all"
NEVER: Final = "no end"
SHOWN: Final = 3


def new_key(record: "KeyRecord", secret: str, as_json: bool) -> None:
    """Prints a key and its secret: a block for people, two lines for programs, or JSON."""
    if as_json:
        click.echo(json.dumps({"key": record.id, "secret": secret} | fields(record)))
    elif sys.stdout.isatty():
        click.echo(_block(record, secret))
    else:
        click.echo(f"key {record.id}\nsecret {secret}")


def table(records: "Sequence[KeyRecord]", now: float, as_json: bool) -> None:
    """Prints keys, without their secrets: a table for people, columns for programs, or JSON."""
    if as_json:
        keys = [{"key": record.id, "state": state(record, now)} | fields(record) for record in records]
        click.echo(json.dumps(keys, indent=2))
        return
    from feed.cli.config import show_columns

    rows = [_row(record, now) for record in records]
    if not sys.stdout.isatty():
        show_columns([HEAD, *rows])
    elif not rows:
        click.echo("no keys; make one with: feed key create --name NAME")
    else:
        _draw(rows, [record.fault(now) is None for record in records])


def state(record: "KeyRecord", now: float) -> str:
    fault = record.fault(now)
    return "in force" if fault is None else fault.value


def fields(record: "KeyRecord") -> dict[str, Any]:
    """All of a key that may be shown."""
    grant = record.grant
    return {
        "name": record.name,
        "feeds": None if grant.feeds is None else sorted(grant.feeds),
        "kinds": None if grant.kinds is None else sorted(grant.kinds),
        "symbols": sorted(grant.symbols),
        "max_connections": grant.max_connections,
        "max_symbols": grant.max_symbols,
        "max_rate": grant.max_rate,
        "operator": grant.operator,
        "created": _iso(record.created),
        "expires": _iso(record.expires),
        "revoked": _iso(record.revoked),
        "former_secrets_end": [_iso(kept.until) for kept in record.secrets[1:]],
    }


def _row(record: "KeyRecord", now: float) -> list[str]:
    return [record.name, record.id, _lasts(record, now), *_allowed(record)]


def _lasts(record: "KeyRecord", now: float) -> str:
    """Whether the key is good, and until when."""
    if record.revoked is not None:
        return f"revoked {_day(record.revoked)}"
    if record.expires is None:
        lasts = NEVER
    else:
        lasts = f"{'until' if record.fault(now) is None else 'expired'} {_day(record.expires)}"
    former = [kept.until for kept in record.secrets[1:] if kept.until is not None and kept.until > now]
    return lasts + (f", former secret until {_minute(max(former))}" if former else "")


def _allowed(record: "KeyRecord") -> list[str]:
    """Feeds, kinds, symbols and limits, in words; what an operator may see besides stands with the last."""
    grant = record.grant
    symbols = sorted(grant.symbols)
    more = f" and {len(symbols) - SHOWN} more" if len(symbols) > SHOWN else ""
    limits = (
        (grant.max_connections, " clients"),
        (grant.max_symbols, " symbols"),
        (grant.max_rate or None, "/s"),
    )
    return [
        ALL if grant.feeds is None else ", ".join(sorted(grant.feeds)),
        ALL if grant.kinds is None else ", ".join(kind for kind in KINDS if kind in grant.kinds),
        ALL if "*" in grant.symbols else ", ".join(symbols[:SHOWN]) + more,
        (", ".join(f"{limit:g}{what}" for limit, what in limits if limit is not None) or "none")
        + (", operator" if grant.operator else ""),
    ]


def _block(record: "KeyRecord", secret: str) -> str:
    feeds, kinds, symbols, limits = _allowed(record)
    lines = [
        f"key      {record.id}",
        f"secret   {secret}",
        "",
        "The secret is shown this once: only its hash is kept.",
        "",
        f"name     {record.name}",
        f"feeds    {feeds}",
        f"kinds    {kinds}",
        f"symbols  {symbols}",
        f"limits   {limits}",
        f"until    {NEVER if record.expires is None else _minute(record.expires)}",
    ]
    if len(record.secrets) > 1 and record.secrets[1].until is not None:
        lines.append(f"before   the former secret works until {_minute(record.secrets[1].until)}")
    lines += [
        "",
        "Clients send it as their first message:",
        f'  {{"action":"auth","key":"{record.id}","secret":"fs_..."}}',
        "or as headers: APCA-API-KEY-ID and APCA-API-SECRET-KEY.",
        'Gateways of auth.mode "keys" know it within a second.',
    ]
    return "\n".join(lines)


def _draw(rows: Sequence[Sequence[str]], in_force: Sequence[bool]) -> None:
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*HEAD, box=None, header_style="bold", pad_edge=False)
    for column in drawn.columns:
        column.overflow = "fold"
    drawn.columns[2].min_width = len("2026-11-22")
    drawn.columns[1].no_wrap = True  # to be copied
    for row, good in zip(rows, in_force, strict=True):
        drawn.add_row(*row, style="" if good else "dim")
    Console(highlight=False, markup=False).print(drawn)


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
