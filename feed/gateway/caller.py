"""One connection as HTTP: bounded in what it may send before it is understood."""

import asyncio
from http import HTTPStatus
from typing import Any, Final, Protocol

from aiohttp import web

from feed import metrics

# No endpoint takes a body; a small one is read and forgotten, as it may be some library's habit.
MAX_BODY_BYTES: Final = 65_536
KEEP_ALIVE_S: Final = 60.0
LINGER_S: Final = 1.0
TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)  # fmt: skip


class Doorway(Protocol):
    """Whom a connection tells how far it is."""

    def heard(self, caller: Any) -> None: ...
    def left(self, caller: Any) -> None: ...


class Caller(web.RequestHandler):
    """`counted` where it counts against the limits of `address`, `secure` where it speaks TLS; `made` once it had a
    transport."""

    __slots__ = ("_door", "_left_bytes", "_understood", "address", "counted", "made", "secure")

    def __init__(
        self,
        door: Doorway,
        server: web.Server,
        address: str,
        *,
        counted: bool,
        secure: bool,
        head_bytes: int,
        line_bytes: int,
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            access_log=None,  # type: ignore[arg-type]  # what it is for none, and what the runner passes too
            # the parser bounds lines, and we bound their sum
            max_line_size=line_bytes,
            max_field_size=line_bytes,
        )
        self.address = address
        self.counted = counted
        self.secure = secure
        self.made = False
        self._door = door
        self._left_bytes = head_bytes
        self._understood = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made = True
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._manager is not None:  # the first time
            self._door.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._payload_parser is None:  # a WebSocket counts by itself
            self._left_bytes -= len(data)
            if self._left_bytes < 0:
                self._refuse()
                return
        super().data_received(data)

    def understood(self) -> None:
        """A request of it is complete."""
        if not self._understood:
            self._understood = True
            self._door.heard(self)
        self._left_bytes = MAX_BODY_BYTES

    def discard(self) -> None:
        """It never got a connection. The parser refers to it: without this only the garbage collector would free it."""
        self._parser = None
        self._manager = None

    def cut(self) -> None:
        """Ends the connection at once."""
        transport: Any = self.transport  # uvloop's are no asyncio.Transport
        if transport is not None:
            transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no HTTP is answered without its words: aiohttp would log them each time, with a traceback, and they
        may be a token."""
        if status != HTTPStatus.BAD_REQUEST:
            return super().handle_error(request, status, exc, message)
        metrics.GATEWAY_HANDSHAKES.labels("malformed").inc()
        answer = web.Response(status=status, text="this is no HTTP that is understood here\n")
        answer.force_close()
        return answer

    def _refuse(self) -> None:
        if not self._understood and self.transport is not None and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
        self.force_close()


def caller_of(request: web.Request) -> Caller:
    """The connection that a request came by."""
    protocol = request.protocol
    assert isinstance(protocol, Caller)
    return protocol
