"""`feed replay`: plays recordings of a venue as that venue would send them."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from feed.cli.options import Misused, configured, log_format, log_level, redis_unused
from feed.cli.serving import announce, binding, serve, url

if TYPE_CHECKING:
    from feed.ingest.replay import Progress, Replay
    from feed.settings.sources import Settings

BAR_EVERY_S: Final = 0.2
LINE_EVERY_S: Final = 5.0
NS_PER_S: Final = 1_000_000_000


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE...")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on.")
@click.option(
    "--port",
    default=9001,
    type=click.IntRange(0, 65_535),
    show_default=True,
    metavar="PORT",
    help="0 takes a free one.",
)
@click.option(
    "--speed", default=1.0, type=click.FloatRange(0), show_default=True, metavar="N", help="Times the recorded pace."
)
@click.option("--venue", metavar="NAME", help="Whose recording it is, where the files don't tell.")
@configured(redis_unused, log_level, log_format)
def replay(
    settings: "Settings", files: tuple[Path, ...], host: str, port: int, speed: float, venue: str | None
) -> None:
    """Serve recorded frames as the venue's own WebSocket would, at the recorded pace.

    Begins when the first client subscribes, and stays after the end until Ctrl-C. Prints one line when it listens, then
    its progress on stderr. Speed 0 is as fast as clients take it.

    \b
    Example:
      feed replay btcusdt_20240809.gz --speed 10
      feed ingest binance --venue-url ws://127.0.0.1:9001
    """
    from feed.ingest.replay import RecordingError, Replay

    try:
        player = Replay(list(files), host=host, port=port, speed=speed, venue=venue)
    except ValueError as error:
        raise Misused(str(error)) from error

    async def main(stop: asyncio.Event) -> int:
        with binding("replay", host, port, "--port"):
            await player.start()
        announce(f"replay: listening on {url(host, player.port, 'ws')}")
        showing = asyncio.create_task(show_bar(player) if sys.stderr.isatty() else show_lines(player))
        try:
            await player.run(stop)
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing
        click.echo(told(player.progress()), err=True)
        return 0

    try:
        serve(settings.values.log, main)
    except RecordingError as error:
        raise Misused(str(error)) from error


async def show_bar(player: "Replay") -> None:
    """A progress bar on stderr, until cancelled."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("")
        while True:
            now = player.progress()
            bar.update(task, total=now.total_frames, completed=now.frames_sent, description=state_of(now))
            await asyncio.sleep(BAR_EVERY_S)


async def show_lines(player: "Replay") -> None:
    """A line on stderr now and then while frames are being sent, until cancelled."""
    before = -1
    while True:
        await asyncio.sleep(LINE_EVERY_S)
        now = player.progress()
        if now.frames_sent != before:
            click.echo(told(now), err=True)
        before = now.frames_sent


def told(progress: "Progress") -> str:
    share = 100 * progress.frames_sent // max(1, progress.total_frames)
    return f"feed replay: {progress.frames_sent} of {progress.total_frames} frames ({share} %), {state_of(progress)}"


def state_of(progress: "Progress") -> str:
    """What goes on, in a few words."""
    dropped = f", {progress.dropped_clients} too slow" if progress.dropped_clients else ""
    if progress.finished:
        return f"finished{dropped}"
    if not progress.clients:
        return f"nobody is connected{dropped}"
    return f"{progress.clients} connected{dropped}"
