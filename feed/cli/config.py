"""`feed config`: which settings are in force, and who set them."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from feed.cli.gateway import refuse_public
from feed.cli.ingest import source_of
from feed.cli.options import Misused, configured, redis_url

if TYPE_CHECKING:
    from feed.settings.sources import Settings


@click.command()
@click.argument("server", nargs=-1, metavar="[gateway | ingest FEED]")
@click.option("--origin/--no-origin", default=True, help="Whether to say where each value came from (it does).")
@click.option("--check", is_flag=True, help="Print nothing when all is well; exit with 0 or 2.")
@configured(redis_url)
def config(settings: "Settings", server: tuple[str, ...], origin: bool, check: bool) -> None:
    """Show every setting: key, value, unit, and which source it came from.

    Passwords in URLs are hidden. A wrong setting is named in one line, with exit code 2. With --check also what no
    Redis can be reached by and, of a server that is named, all that it would end with before it starts, such as a file
    that is not there.

    \b
    Examples:
      feed config --config config/feed.toml
      FEED_GATEWAY__PORT=8081 feed config | grep gateway.port
      feed config --check ingest binance
    """
    if check:
        refuse_unusable(settings, server)
        return
    if server:
        raise Misused(f"{' '.join(server)}: what a server needs is looked at with --check")
    head, rows = ["key", "value", "unit"], rows_of(settings)
    if origin:
        head.append("from")
    else:
        rows = [row[:-1] for row in rows]
    if sys.stdout.isatty():
        show_table(head, rows)
    else:
        show_columns([head, *rows])


def refuse_unusable(settings: "Settings", server: Sequence[str]) -> None:
    """Raises Misused for what a server would find wrong before it starts; without one, for what is any server's."""
    from feed.bus.errors import BusRefused
    from feed.bus.masters import Masters

    try:
        Masters(settings.values.redis, "feed-config").check()
        match server:
            case ():
                pass
            case ("gateway",):
                refuse_gateway(settings)
            case ("ingest", feed):
                source_of(settings.values, feed)
            case _:
                raise Misused(f"{' '.join(server)}: must be gateway, or ingest with a feed")
    except (BusRefused, ValueError) as error:
        raise Misused(str(error)) from error


def refuse_gateway(settings: "Settings") -> None:
    """Raises Misused, or ValueError that names the knob of a certificate or key which can't be used."""
    from feed.access.authenticator import authenticator_of
    from feed.gateway.tls import Tls

    values = settings.values
    refuse_public(values, settings.origin["gateway.host"])
    authenticator_of(values)
    if values.gateway.tls_cert:
        Tls(values.gateway.tls_cert, values.gateway.tls_key)


def rows_of(settings: "Settings") -> list[list[str]]:
    """Key, value, unit and origin of each knob."""
    from feed.settings.words import knobs, shown, unit, value_of

    return [
        [key, shown(field, value_of(settings.values, key)), unit(field), settings.origin[key]]
        for key, field in knobs().items()
    ]


def show_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*row, style="" if row[-1] == "default" else "green")
    Console(highlight=False, markup=False).print(table)


def show_columns(rows: Sequence[Sequence[str]]) -> None:
    """For programs and files: columns in line, no colour, no line ever wrapped."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
