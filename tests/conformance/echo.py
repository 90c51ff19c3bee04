"""The gateway with its sessions' commands replaced by an echo: what the Autobahn cases want of a server.

What is the same as in production: all of `Gateway` (aiohttp's application and its options, the handshake, what is
agreed on about compression), `Socket` (reading, masks, closing), `Session.run` (who reads, who answers pings, how it
ends) and the frames that are written. What is another: two methods, the one that would take a message for a command,
and the one that greets.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

from aiohttp import WSMsgType

from feed.gateway import server
from feed.gateway.session import Received, Session
from feed.wire.deflate import compressed
from feed.wire.frames import BINARY, TEXT, frame
from tests.gateway.gateway_stage import Stage, serving

# The largest message of the cases is 131,072 bytes.
MAX_MESSAGE_BYTES = 1 << 18


class EchoSession(Session):
    def _receive(self, item: Received) -> None:
        kind, data = item
        opcode = TEXT if kind is WSMsgType.TEXT else BINARY
        whole = frame(opcode, data.encode() if isinstance(data, str) else data)
        self.put(compressed(whole) if self._socket.deflate else whole)

    def _send(self, fields: dict[str, object]) -> None:
        """The cases expect what they sent, and nothing before it."""


@asynccontextmanager
async def echoing(redis_url: str, *, compression: bool) -> AsyncIterator[Stage]:
    """A gateway that echoes on `/v2/sim`."""
    with patch.object(server, "Session", EchoSession):
        async with serving(redis_url, compression=compression, max_message_bytes=MAX_MESSAGE_BYTES) as stage:
            yield stage
