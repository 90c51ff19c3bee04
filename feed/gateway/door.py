"""Where connections come in: who may not is dropped at accept, before TLS, HTTP or a byte of memory is spent on him."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

from feed import metrics
from feed.core.outage import Outage
from feed.gateway.address import plain
from feed.gateway.arrivals import Arrivals, Verdict
from feed.gateway.caller import Caller
from feed.gateway.tls import Tls
from feed.settings import Gateway

BACKLOG: Final = 4096
# Accepting so many, or dropping them, takes two milliseconds at most: then ticks have their turn.
AT_ONCE: Final = 64
# Connections beside max_connections that may be open: REST, handshakes, and those that are told that there is no room.
SPARE: Final = 1_000
SWEEP_S: Final = 1.0
# After accept failed, as a rule for want of open files: until then the kernel keeps those who wait.
PAUSE_S: Final = 0.5
# A reset instead of an end: the client learns it as fast, and nothing is left of the connection in the kernel.
RESET: Final = struct.pack("ii", 1, 0)

log = structlog.get_logger(__name__)


class Door:
    """The listening sockets, and every connection from its accept to its end.

    `exempt` tells of an address whether it is left uncounted; `arrivals` counts the others.
    """

    def __init__(self, knobs: Gateway, arrivals: Arrivals, exempt: Callable[[str], bool], tls: Tls | None) -> None:
        self._knobs = knobs
        self._line_bytes = knobs.max_header_bytes // 2  # one number for all, not one for each
        self._arrivals = arrivals
        self._exempt = exempt
        self._tls = tls
        self._most = knobs.max_connections + SPARE
        self._open = 0
        self._listeners: list[socket.socket] = []
        self._outage = Outage()
        self._pausing: dict[socket.socket, asyncio.TimerHandle] = {}
        self._greetings: set[asyncio.Task[None]] = set()
        self._unheard: dict[Caller, float] = {}  # whose first request is not complete, and since when
        self._server: web.Server | None = None
        self._refused = {
            verdict: metrics.GATEWAY_HANDSHAKES.labels(verdict.value)
            for verdict in (Verdict.TOO_FAST, Verdict.TOO_MANY)
        }  # fmt: skip
        self._full = metrics.GATEWAY_HANDSHAKES.labels("full")

    def open(self, server: web.Server, *, shares_port: bool = False) -> int:
        """Listens, and serves with `server`. Returns the port. Raises OSError where the address can't be had."""
        self._server = server
        loop = asyncio.get_running_loop()
        port = self._knobs.port
        found = socket.getaddrinfo(
            self._knobs.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )  # fmt: skip
        try:
            for family, _, _, _, where in dict.fromkeys(found):
                self._listeners.append(_listener(family, (where[0], port, *where[2:]), shares_port))
                port = self._listeners[-1].getsockname()[1]  # the same for all, where it was 0
        except OSError:
            self._close_listeners()
            raise
        for listener in self._listeners:
            listener.listen(BACKLOG)
            loop.add_reader(listener, self._accept, listener)
        return int(port)

    async def run(self) -> None:
        """Drops those who take too long to ask for something, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        late_s = self._knobs.handshake_timeout_s
        for caller in [caller for caller, since in self._unheard.items() if now - since >= late_s]:
            metrics.GATEWAY_HANDSHAKES.labels("late").inc()
            caller.cut()

    async def close(self) -> None:
        """Listens no more, and gives up on those who are shaking hands. Who was let in stays."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
        for timer in self._pausing.values():
            timer.cancel()
        self._close_listeners()
        for task in self._greetings:
            task.cancel()
        await asyncio.gather(*self._greetings, return_exceptions=True)

    def heard(self, caller: Caller) -> None:
        """Its first request is complete."""
        self._unheard.pop(caller, None)

    def left(self, caller: Caller) -> None:
        """Its connection has ended."""
        self._open -= 1
        self._unheard.pop(caller, None)
        if caller.counted:
            self._arrivals.leave(caller.address)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, peer = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            if self._outage.lasts:
                log.info("accept_back", away_s=self._outage.ends(time.monotonic()), open=self._open)
            self._meet(connection, peer[0] if ":" not in peer[0] else plain(peer[0]))

    def _meet(self, connection: socket.socket, address: str) -> None:
        counted = not self._exempt(address)
        if self._open >= self._most:
            self._full.inc()
        elif not counted or (verdict := self._arrivals.begin(address, time.monotonic())) is Verdict.WELCOME:
            self._welcome(connection, address, counted)
            return
        else:
            self._refused[verdict].inc()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()

    def _welcome(self, connection: socket.socket, address: str, counted: bool) -> None:
        assert self._server is not None
        connection.setblocking(False)
        caller = Caller(
            self,
            self._server,
            address,
            counted=counted,
            secure=self._tls is not None,
            head_bytes=self._knobs.max_header_bytes,
            line_bytes=self._line_bytes,
        )
        self._open += 1
        self._unheard[caller] = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._greet(connection, caller))
        self._greetings.add(task)
        task.add_done_callback(self._greetings.discard)

    async def _greet(self, connection: socket.socket, caller: Caller) -> None:
        """Gives the connection to its caller, after the handshake of TLS where there is one."""
        loop = asyncio.get_running_loop()
        try:
            if self._tls is None:
                await loop.connect_accepted_socket(lambda: caller, connection)
            else:
                await loop.connect_accepted_socket(
                    lambda: caller,
                    connection,
                    ssl=self._tls.context,
                    ssl_handshake_timeout=self._knobs.handshake_timeout_s,
                )
        except OSError:  # gone, or no TLS that we speak; ssl.SSLError and the time-out are OSErrors too
            metrics.GATEWAY_HANDSHAKES.labels("tls").inc()
        finally:
            if not caller.made:
                connection.close()
                self.left(caller)
                caller.discard()

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        if self._outage.begins(str(error), time.monotonic()):
            log.error("accept_lost", error=str(error), open=self._open, again_in_s=PAUSE_S)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        self._pausing[listener] = loop.call_later(PAUSE_S, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        del self._pausing[listener]
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _close_listeners(self) -> None:
        while self._listeners:
            self._listeners.pop().close()


def _listener(family: int, where: tuple[object, ...], shares_port: bool) -> socket.socket:
    """Bound, and not yet listening."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(where)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
