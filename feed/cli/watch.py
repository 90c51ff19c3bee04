"""`feed watch`: a gateway's ticks in the terminal."""

import asyncio
from typing import TYPE_CHECKING

import click

from feed.cli.options import configured, log_level, redis_unused

if TYPE_CHECKING:
    from feed.settings.sources import Settings


@click.command()
@click.argument("url")
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option(
    "--kinds", default="trades,quotes,bars", show_default=True, metavar="A,B", help="Kinds of ticks to follow."
)
@configured(redis_unused, log_level)
def watch(settings: "Settings", url: str, symbols: tuple[str, ...], kinds: str) -> None:
    """Follow SYMBOLs of the feed at URL: prices, rates, and the delay from publishing to here. Quote '*' for
    all of them.

    A table on a terminal, plain lines elsewhere. Reconnects by itself and goes on where it stood; Ctrl-C ends it.

    \b
    Examples:
      feed watch ws://127.0.0.1:8080/v2/sim AAPL NVDA
      feed watch ws://127.0.0.1:8080/v2/sim '*' --kinds trades
    """
    from rich.console import Console

    from feed.client.watch import watch as follow
    from feed.lifecycle import report_faults, run

    report_faults(debug=settings.values.log.level == "debug")

    async def main(stop: asyncio.Event) -> int:
        return await follow(
            url, symbols, console=Console(), errors=Console(stderr=True), stop=stop, kinds=kinds.split(",")
        )

    raise SystemExit(run(main))
