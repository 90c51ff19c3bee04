"""`feed ingest`: reads a venue, or makes ticks up, and publishes."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import click

from feed.cli.options import Misused, configured, knob, log_format, log_level, redis_url
from feed.cli.serving import announce, beside, binding, living, measured, serve, url

if TYPE_CHECKING:
    from feed.ingest.source import Source
    from feed.settings import Values
    from feed.settings.sources import Settings

POLL_S: Final = 0.05


@click.command()
@click.argument("feed")
@configured(
    redis_url,
    knob("--host", "ingest.host", "Address that the admin port listens on.", metavar="HOST"),
    knob("--admin-port", "ingest.admin_port", "Port of /metrics, /healthz, /readyz.", metavar="PORT"),
    click.option("--venue-url", "venue__url", metavar="URL", help="Where the venue is, such as at `feed replay`."),
    click.option("--symbols", "venue__symbols", metavar="A,B", help="The venue's symbols to read, such as BTC/USDT."),
    knob("--symbols-count", "sim.symbols", "Symbols that the simulator makes up.", metavar="N"),
    knob("--rate", "sim.ticks_per_s", "Ticks a second of the simulator, over all symbols.", metavar="N"),
    knob("--seed", "sim.seed", "The same seed gives the same prices.", metavar="N"),
    log_level,
    log_format,
)
def ingest(settings: "Settings", feed: str) -> None:
    """Publish the ticks of FEED: sim, or a venue such as binance.

    Reconnects to venue and Redis by itself. Prints one line when ticks can flow from the one to the other. Run two for
    one feed to survive the loss of either: every tick is published once. SIGTERM or Ctrl-C publishes what was read.

    \b
    Examples:
      feed ingest sim --symbols-count 50 --rate 1000
      feed ingest binance --symbols BTC/USDT,ETH/USDT
    """
    values = settings.values
    source_of(values, feed)  # a wrong feed or symbol is a fault of this command line: said before anything starts

    async def main(stop: asyncio.Event) -> int:
        from feed.admin import Admin
        from feed.bus.inquiries import Respondent
        from feed.bus.publisher import Publisher
        from feed.ingest.view import View
        from feed.ingest.worker import Worker

        knobs = values.ingest
        async with AsyncExitStack() as stack:
            stack.enter_context(measured(values.metrics))
            source = source_of(values, feed)
            publisher = Publisher(values, source.feed, source.contiguous, source.silent, source.share, source.anew)
            worker = Worker(values, source, publisher)
            respondent = Respondent(values.redis, f"ingest {feed}", View(source, publisher, worker.not_ready))
            with binding("admin", knobs.host, knobs.admin_port, "--admin-port", "ingest.admin_port"):
                admin = await stack.enter_async_context(Admin(knobs.host, knobs.admin_port, worker.not_ready))
            tells = url(knobs.host, admin.port)
            stack.enter_context(living(values, feed=feed, admin=tells))
            ready = asyncio.create_task(announce_ready(worker.not_ready, f"ingest {feed}: publishing · admin {tells}"))
            try:
                async with beside(respondent.run()):
                    await worker.run(stop)
            finally:
                ready.cancel()
        return 0

    serve(values.log, main)


def source_of(values: "Values", feed: str) -> "Source":
    from feed.ingest.sources import source_for

    try:
        return source_for(values, feed)
    except ValueError as error:
        raise Misused(str(error)) from error


async def announce_ready(not_ready: Callable[[], str], line: str) -> None:
    """Prints the line as soon as nothing speaks against it."""
    while not_ready():  # noqa: ASYNC110  a question to several parts, none of which has an event for all
        await asyncio.sleep(POLL_S)
    announce(line)
