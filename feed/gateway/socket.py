"""A WebSocket whose closing always ends, which reads compressed messages where that was agreed on, and which holds
clients to the standard where aiohttp's own does not."""

import asyncio
from typing import Any, Final

from aiohttp import WebSocketError, WSCloseCode, hdrs, web
from aiohttp.http import WebSocketWriter

from feed.wire.masking import Masking

# A peer that has stalled answers no close frame; only an abort frees its socket and its buffer.
CLOSE_WAIT_S: Final = 2.0
# What aiohttp notes of a connection that broke, and what a close frame must never hold (RFC 6455 section 7.4.1).
BROKEN: Final = WSCloseCode.ABNORMAL_CLOSURE


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

    async def prepare(self, request: web.BaseRequest) -> Any:
        """Raises HTTPBadRequest for headers that aiohttp stumbles over, and where nobody is left to answer."""
        try:
            return await super().prepare(request)
        except (ValueError, ConnectionResetError) as fault:
            raise web.HTTPBadRequest(text="this is no WebSocket handshake\n") from fault

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter) -> None:
        # The writer was made without compression; the reader, which is made now, goes by this too.
        self._compress = self.deflate
        start: Any = _Start(request, self)
        super()._post_start(start, protocol, writer)

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = False) -> bool:  # noqa: ARG002
        self.over = True
        if self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._abort)
        if self.close_code == BROKEN:
            # the client's close frame held it, or what it sent can't be inflated: aiohttp would answer that all is well
            code = WSCloseCode.PROTOCOL_ERROR
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


class _Start:
    """A request as `_post_start` sees it: the parser that its connection is given looks at masks first."""

    def __init__(self, request: web.BaseRequest, socket: Socket) -> None:
        self._protocol = request.protocol
        self._socket = socket

    @property
    def protocol(self) -> "_Start":
        return self  # kept as an attribute it would be a cycle, and the socket garbage that only the collector frees

    def set_parser(self, parser: Any, data_received_cb: Any = None) -> None:
        reader: Any = _MaskedReader(parser, self._socket._reader)
        self._protocol.set_parser(reader, data_received_cb)

    def keep_alive(self, keep: bool) -> None:
        self._protocol.keep_alive(keep)


class _MaskedReader:
    """aiohttp's reader of frames, which takes them without a mask too, behind one that does not."""

    __slots__ = ("_masking", "_messages", "_reader")

    def __init__(self, reader: Any, messages: Any) -> None:
        self._reader = reader
        self._messages = messages
        self._masking = Masking()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        if self._masking.kept(data):
            answer: tuple[bool, bytes] = self._reader.feed_data(data)
            return answer
        self._messages.set_exception(WebSocketError(WSCloseCode.PROTOCOL_ERROR, "frame without a mask"))
        return True, b""

    def feed_eof(self) -> None:
        self._reader.feed_eof()
