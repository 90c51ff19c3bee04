"""A WebSocket whose closing always ends, and which reads compressed messages where that was agreed on."""

import asyncio
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http import WebSocketWriter

# A peer that has stalled answers no close frame; only an abort frees its socket and its buffer.
CLOSE_WAIT_S: Final = 2.0


class Socket(web.WebSocketResponse):
    """Closing waits for the peer for up to `CLOSE_WAIT_S`, whoever begins it, and then cuts the connection.

    aiohttp's own would wait until the peer reads what is buffered, and pings would be answered by waiting likewise:
    answering them is left to whoever reads the messages.

    `extension` is what was agreed on about compression, or empty. aiohttp's own writer never compresses: its messages
    would refer to earlier ones, and others than the client got.
    """

    def __init__(self, transport: asyncio.Transport, extension: str = "", **options: Any) -> None:
        super().__init__(autoping=False, compress=False, **options)
        self.deflate = bool(extension)
        if extension:
            self.headers[hdrs.SEC_WEBSOCKET_EXTENSIONS] = extension
        self.over = False  # no data may follow: a close frame came, or is about to be sent
        self._transport = transport
        self._cut: asyncio.TimerHandle | None = None

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        # The writer was made without compression; the reader, which is made now, goes by this too.
        self._compress = self.deflate
        super()._post_start(request, protocol, writer)

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = False) -> bool:  # noqa: ARG002
        self.over = True
        if self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._abort)
        try:
            return await super().close(code=code, message=message, drain=False)
        finally:
            fault = self.exception()
            if fault is not None:
                # its frames hold this socket, which holds it: only the garbage collector would ever free them
                fault.__traceback__ = fault.__context__ = None

    def _abort(self) -> None:
        self._cut = None  # which holds this method, and so this socket
        # asyncio's own transports can't be aborted when they are closed already
        if not self._transport.is_closing() or self._transport.get_write_buffer_size():
            self._transport.abort()
