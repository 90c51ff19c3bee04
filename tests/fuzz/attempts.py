"""One attempt: a connection, the writes of a plan, and what came back."""

import asyncio
import contextlib
import socket
from typing import NamedTuple

from tests.fuzz.commands import is_in
from tests.fuzz.frames import Plan

# For how long one is listened to that may stay, and one that the gateway must end: longer than its longest deadline.
MAY_STAY_S = 0.15
MUST_END_S = 8.0
WRITE_S = 8.0
KEPT_BYTES = 200_000


class Outcome(NamedTuple):
    ended: bool
    let_in: bool


async def attempt(host: str, port: int, plan: Plan) -> Outcome:
    """Makes the attempt. A gateway that does not answer at all raises OSError or TimeoutError."""
    said = bytearray()
    async with asyncio.timeout(WRITE_S):
        reader, writer = await asyncio.open_connection(host, port)
    ended = asyncio.create_task(_read(reader, said)) if not plan.deaf else None
    try:
        await _write(writer, plan, ended)
        if ended is not None:
            await asyncio.wait({ended}, timeout=MUST_END_S if plan.must_end else MAY_STAY_S)
        return Outcome(ended is not None and ended.done(), is_in(bytes(said)))
    finally:
        if ended is not None:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        connection = writer.get_extra_info("socket")
        if connection is not None and not writer.is_closing():
            # gone without a word: what the gateway still writes is answered by a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()


async def _write(writer: asyncio.StreamWriter, plan: Plan, ended: "asyncio.Task[None] | None") -> None:
    """Writes until all is written, or the gateway takes no more."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(WRITE_S + len(plan.writes) * plan.pace_s):
            for data in plan.writes:
                writer.write(data)
                await writer.drain()
                if ended is not None and ended.done():
                    return
                await asyncio.sleep(plan.pace_s)


async def _read(reader: asyncio.StreamReader, said: bytearray) -> None:
    """Reads to the end of the connection; keeps its beginning."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            if len(said) < KEPT_BYTES:
                said += data
