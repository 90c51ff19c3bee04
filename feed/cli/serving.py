"""What the server commands share: how a process is set up, and what it says when a port can't be had."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from feed.cli.options import Refused, variable

if TYPE_CHECKING:
    from feed.lifecycle import Main
    from feed.settings import Log, Metrics, Values

UNUSABLE: Final = (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL)


def serve(knobs: "Log", main: "Main") -> None:
    """Runs `main(stop)` as a server process and exits with its code. Raises Refused where Redis refuses us for good."""
    from feed.bus.errors import BusRefused
    from feed.lifecycle import leaves, raise_open_files, report_faults, run
    from feed.log import configure

    configure(knobs.level, knobs.format, knobs.lines_per_10s)
    report_faults(debug=knobs.level == "debug")
    raise_open_files()
    refusals: list[BaseException] = []
    code = 1
    try:
        code = run(main)
    except* BusRefused as group:
        refusals = leaves(group)
    if refusals:
        raise Refused(*(f"Redis refused: {refusal}" for refusal in refusals))
    raise SystemExit(code)


@contextmanager
def binding(what: str, host: str, port: int, flag: str, key: str = "") -> Iterator[None]:
    """Around the opening of a port: raises Refused, naming the remedy, where it can't be had."""
    try:
        yield
    except OSError as error:
        if isinstance(error, socket.gaierror):
            raise Refused(f"{what}: {host!r} is no address of this machine") from error
        if error.errno not in UNUSABLE:
            raise
        why = os.strerror(error.errno).lower()
        remedy = f"choose another with {flag}" + (f" or {variable(key)}" if key else "")
        raise Refused(f"{what}: cannot listen on {host}:{port}: {why}; {remedy}") from error


@contextmanager
def measured(knobs: "Metrics") -> Iterator[None]:
    """Around all that a server's process does: whether it counts, and how late its event loop is."""
    from feed import metrics
    from feed.loop_delay import LoopDelay

    if not knobs.enabled:
        metrics.turn_off()
    with LoopDelay():
        yield


@contextmanager
def living(values: "Values", **told: object) -> Iterator[None]:
    """Around a server's life from when it can be reached: the log says with which version and settings it began, what
    else there is to be `told` of it, and when it ended."""
    import structlog

    from feed import __version__
    from feed.settings.words import differing

    log = structlog.get_logger(__name__)
    began = time.monotonic()
    log.info("started", version=__version__, pid=os.getpid(), **told, settings=differing(values))
    yield
    log.info("stopped", lived_s=round(time.monotonic() - began, 3))


@asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Around the main work: these go on as long as it lasts, and a fault of theirs ends it. Raises what it raises."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
            yield
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as group_of:
        if len(group_of.exceptions) == 1:
            raise group_of.exceptions[0] from None
        raise


def url(host: str, port: int, scheme: str = "http") -> str:
    """How to reach what listens on `host`, from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{reachable}:{port}"


def announce(line: str) -> None:
    """The one line on stdout that says a server is ready."""
    click.echo(f"feed {line}")


@contextmanager
def usable() -> Iterator[None]:
    """Around the reading of certificates and keys: raises Refused with the line that says what is wrong."""
    try:
        yield
    except ValueError as error:
        raise Refused(str(error)) from error
