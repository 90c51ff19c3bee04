"""A gateway's worker process: serves clients on a port that it shares, and answers its parent."""

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from typing import Final

import structlog
from prometheus_client import REGISTRY

from feed.cli.options import Refused
from feed.cli.reports import ASK, MOST_ASKED, STOP, Listening, Refusal, Report, pack
from feed.cli.serving import binding, living, measured, serve, usable
from feed.exposition import snapshot
from feed.gateway.server import Gateway
from feed.lifecycle import collect_rarely, report_faults
from feed.settings import Values

PARENT: Final = 0  # stdin is the socket between the two


def work(number: int, values: Values) -> None:
    """Serves as worker `number` until told to stop, and exits. What it is refused is its parent's to print."""
    structlog.contextvars.bind_contextvars(worker=number)
    with socket.socket(fileno=os.dup(PARENT)) as parent:
        try:
            serve(values.log, lambda stop: _serve(stop, number, values, parent.dup()))
        except Refused as refused:
            parent.setblocking(True)
            parent.sendall(pack(Refusal(refused.exit_code, refused.lines)))
            raise SystemExit(refused.exit_code) from refused


async def _serve(stop: asyncio.Event, number: int, values: Values, parent: socket.socket) -> int:
    report_faults(values.log.level == "debug", f"feed: worker {number}")
    knobs = values.gateway
    async with AsyncExitStack() as stack:
        stack.enter_context(measured(values.metrics))
        with usable():
            server = Gateway(values, worker=number, role=f"gateway worker {number}")
        reader, writer = await asyncio.open_unix_connection(sock=parent)
        # to the end, so that no half of an answer stands before a refusal
        stack.push_async_callback(writer.wait_closed)
        stack.callback(writer.close)
        stack.push_async_callback(server.close)
        with binding("gateway", knobs.host, knobs.port, "--port", "gateway.port"):
            await server.start()
        collect_rarely()
        stack.enter_context(living(values, connections=server.life))
        writer.write(pack(Listening()))
        async with asyncio.TaskGroup() as group:
            answering = group.create_task(_answer(reader, writer, server, stop))
            await server.run(stop)
            answering.cancel()
    return 0


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Gateway, stop: asyncio.Event
) -> None:
    """Tells the parent how this worker is, each time that it asks, and stops when it says so, or is gone."""
    while words := await reader.read(MOST_ASKED):
        if asked := words.count(ASK):
            writer.write(pack(Report(server.not_ready(), snapshot(REGISTRY))) * asked)
        if STOP in words:
            stop.set()
        await writer.drain()
    stop.set()
