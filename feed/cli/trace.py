"""`feed trace`: one stream through every hop, in the terminal."""

import asyncio
from typing import TYPE_CHECKING

import click

from feed.cli.options import Misused, Refused, configured, log_level, redis_url

if TYPE_CHECKING:
    from feed.settings.sources import Settings


@click.command()
@click.argument("stream", metavar="FEED:KIND:SYMBOL")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a second, one a line.")
@click.option("--once", is_flag=True, help="Look once, as soon as every process had its time to answer, and end.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), metavar="N", help="End after so many seconds.")
@configured(redis_url, log_level)
def trace(settings: "Settings", stream: str, as_json: bool, once: bool, seconds: float | None) -> None:
    """Follow one stream live from its venue to the clients: where it stands in Redis, who publishes it, where each
    gateway stands, how long each hop takes, and which clients are slow.

    Every process of the service is asked through Redis, so that no port of theirs need be reached; their own hops are
    measured as long as you look. A screen on a terminal, plain lines elsewhere. A stream that is unknown is waited for.
    Ctrl-C ends it. Exit code 1: no such stream, or no Redis, at the last look.

    \b
    Examples:
      feed trace binance:trades:BTC/USDT
      feed trace sim:quotes:AAPL --redis redis://redis.example.com:6379/0 --json
      feed trace sim:trades:AAPL --once
    """
    from rich.console import Console

    from feed.bus.errors import BusRefused
    from feed.core.streams import parse_stream
    from feed.lifecycle import leaves, report_faults, run
    from feed.log import configure
    from feed.trace.follow import Shown, follow

    try:
        wanted = parse_stream(stream)
    except ValueError as error:
        raise Misused(str(error)) from error
    configure("error", settings.values.log.format)  # that Redis is away is said on the screen
    report_faults(debug=settings.values.log.level == "debug")
    console = Console()
    shown = Shown.JSON if as_json else Shown.SCREEN if console.is_terminal else Shown.LINES

    async def main(stop: asyncio.Event) -> int:
        return await follow(
            wanted, settings.values, console=console, shown=shown, stop=stop, once=once, seconds=seconds
        )

    refusals: list[BaseException] = []
    code = 1
    try:
        code = run(main)
    except* BusRefused as group:
        refusals = leaves(group)
    if refusals:
        raise Refused(*(f"Redis refused: {refusal}" for refusal in refusals))
    raise SystemExit(code)
