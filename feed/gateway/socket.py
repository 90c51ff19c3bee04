"""A WebSocket whose closing always ends."""

import asyncio
from typing import Any, Final

from aiohttp import web

# A peer that has stalled answers no close frame; only an abort frees its socket and its buffer.
CLOSE_WAIT_S: Final = 2.0


class Socket(web.WebSocketResponse):
    """Closing waits for the peer for up to `CLOSE_WAIT_S`, whoever begins it, and then cuts the connection.

    aiohttp's own would wait until the peer reads what is buffered, and pings would be answered by waiting likewise:
    answering them is left to whoever reads the messages.
    """

    def __init__(self, transport: asyncio.Transport, **options: Any) -> None:
        super().__init__(autoping=False, compress=False, **options)
        self._transport = transport
        self._cut: asyncio.TimerHandle | None = None

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = False) -> bool:  # noqa: ARG002
        if self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._abort)
        return await super().close(code=code, message=message, drain=False)

    def _abort(self) -> None:
        # asyncio's own transports can't be aborted when they are closed already
        if not self._transport.is_closing() or self._transport.get_write_buffer_size():
            self._transport.abort()
