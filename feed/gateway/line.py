"""How much may wait between a client and us: in our buffer, and in the kernel's."""

import asyncio
import socket as sockets
from typing import Final, Protocol

# A client with this much to read is not given what others get, but what there is when it has read.
BEHIND_BYTES: Final = 262_144
# The kernel takes no more than this ahead of what it can send: what it holds can't be conflated any more.
UNSENT_BYTES: Final = 131_072


class Line(Protocol):
    """The protocol of a transport, aiohttp's own: it is told when much waits to be sent."""

    @property
    def writing_paused(self) -> bool: ...


def keep_back(transport: asyncio.Transport) -> None:
    """Has transport and kernel say early that a client does not read."""
    transport.set_write_buffer_limits(high=BEHIND_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing() and hasattr(sockets, "TCP_NOTSENT_LOWAT"):
        connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
