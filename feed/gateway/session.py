"""One client's connection: its commands, its place in the hub, its bytes."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import structlog
from aiohttp import WSMsgType, web

from feed import metrics
from feed.core.rate import TokenBucket
from feed.core.ticks import NS_PER_S
from feed.gateway.auth import Authenticator, Credentials
from feed.gateway.cohort import Selection
from feed.gateway.forms import Segment, form_of
from feed.gateway.hub import Hub
from feed.gateway.live import LiveStream
from feed.settings import Gateway
from feed.wire import commands, messages
from feed.wire.closing import Close
from feed.wire.codec import JSON, Codec
from feed.wire.errors import Code, ProtocolError

# Clients that ignore this many 429s in a row are not reading the answers.
EXCESS_COMMANDS: Final = 10
# A peer that answers no close frame in this time has stalled; only an abort frees its socket and buffer.
CLOSE_WAIT_S: Final = 2.0

# After these errors the connection is of no use, and the close code says why.
FATAL: Final = {
    Code.AUTH_FAILED: Close.NOT_AUTHENTICATED,
    Code.AUTH_TIMEOUT: Close.NOT_AUTHENTICATED,
    Code.CONNECTION_LIMIT: Close.CONNECTION_LIMIT,
    Code.SLOW_CLIENT: Close.SLOW,
}

log = structlog.get_logger(__name__)


class Session:
    """A connected client. `write` is called by the hub; everything else runs in the connection's own task."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        hub: Hub,
        codec: Codec,
        depth: int,
        authenticator: Authenticator,
        settings: Gateway,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._hub = hub
        self._codec = codec
        self._depth = depth
        self._authenticator = authenticator
        self._settings = settings
        self._selection = Selection.none(hub.feed)
        self._stamps = False
        self._authenticated = False
        self._ending: asyncio.Task[None] | None = None
        self._bucket = TokenBucket(settings.commands_per_s, settings.commands_per_s, time.monotonic())
        self._excess = 0
        self._subscriptions = metrics.GATEWAY_SUBSCRIPTIONS.labels(hub.feed)

    def write(self, data: bytes) -> None:
        """Sends whole frames, unless the connection is closing. A client that stopped reading is cut off."""
        if self._socket.closed or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._settings.outbox_bytes and self._ending is None:
            log.warning("slow_client", feed=self._hub.feed, outbox_bytes=self._transport.get_write_buffer_size())
            self._send(messages.error(ProtocolError(Code.SLOW_CLIENT), self._depth))
            self.end(Close.SLOW)

    def end(self, code: Close) -> None:
        """Begins to close the connection; a peer that has stalled is cut off. The first code stands."""
        if self._ending is None:
            metrics.GATEWAY_CLOSES.labels(str(int(code))).inc()
            self._ending = asyncio.get_running_loop().create_task(self._end(code))

    async def run(self, credentials: Credentials | None) -> None:
        """Serves the connection until it closes. `credentials` came with the handshake."""
        deadline: asyncio.TimerHandle | None = None
        try:
            self._hub.join(self, form_of(self._codec, self._depth, False), self._selection, ())
            self._send(messages.CONNECTED)
            if credentials is not None:
                await self._guarded(self._authenticate(credentials))
            elif self._authenticator.required:
                deadline = asyncio.get_running_loop().call_later(self._settings.auth_timeout_s, self._auth_timeout)
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._guarded(self._command(message.type, message.data))
        finally:
            if deadline is not None:
                deadline.cancel()
            self._subscriptions.dec(self._selection.size)
            self._hub.leave(self, self._selection)
            if self._ending is not None:
                await self._ending

    async def _guarded(self, work: Any) -> None:
        """Awaits one command's work; what the protocol forbids becomes its answer."""
        try:
            await work
        except ProtocolError as fault:
            self._refuse(fault)

    def _refuse(self, fault: ProtocolError) -> None:
        metrics.GATEWAY_ERRORS.labels(str(int(fault.code))).inc()
        self._send(messages.error(fault, self._depth))
        if fault.code in FATAL:
            self.end(FATAL[fault.code])

    def _auth_timeout(self) -> None:
        if not self._authenticated:
            self._refuse(ProtocolError(Code.AUTH_TIMEOUT))

    async def _command(self, kind: WSMsgType, data: str | bytes) -> None:
        if self._ending is not None:
            return
        self._take_turn()
        if (kind is WSMsgType.TEXT) != (self._codec is JSON):
            wanted = "JSON in text frames" if self._codec is JSON else "MessagePack in binary frames"
            raise ProtocolError(Code.INVALID_SYNTAX, f"this connection speaks {wanted}")
        parse: Callable[[Any, int], commands.Command] = (
            commands.parse_json if self._codec is JSON else commands.parse_msgpack
        )  # fmt: skip
        command = parse(data, self._depth)
        if isinstance(command, commands.Auth):
            await self._authenticate(Credentials(command.key, command.secret, command.token))
        elif isinstance(command, commands.Subscribe):
            await self._subscribe(command)
        elif isinstance(command, commands.Unsubscribe):
            self._unsubscribe(command)
        elif isinstance(command, commands.Ping):
            self._send(messages.pong(command.id, self._codec.time(time.time_ns())))
        else:
            trip = metrics.HOP_DELAY.labels(self._hub.feed, metrics.HOP_CLIENT_ECHO)
            trip.observe((time.time_ns() - command.tw * 1000) / NS_PER_S)

    def _take_turn(self) -> None:
        if self._bucket.take(time.monotonic()):
            self._excess = 0
            return
        self._excess += 1
        if self._excess > EXCESS_COMMANDS:
            self.end(Close.TOO_MANY_COMMANDS)
        raise ProtocolError(Code.TOO_MANY_COMMANDS, f"at most {self._settings.commands_per_s:g} commands a second")

    async def _authenticate(self, credentials: Credentials) -> None:
        if self._authenticated and self._depth == 1:
            raise ProtocolError(Code.ALREADY_AUTHENTICATED)
        if not await self._authenticator.accepts(credentials):
            raise ProtocolError(Code.AUTH_FAILED)
        self._authenticated = True
        self._send(messages.AUTHENTICATED)

    async def _subscribe(self, command: commands.Subscribe) -> None:
        self._authorised(command)
        before, after = self._selection, self._selection.plus(command.symbols())
        if after.size > self._settings.max_streams:
            limit = f"at most {self._settings.max_streams} streams a connection"
            raise ProtocolError(Code.SYMBOL_LIMIT, limit, command.id)
        streams, kinds = after.streams - before.streams, after.kinds - before.kinds
        self._hub.interest.hold(streams, kinds)
        try:
            await self._opened(streams, kinds)
        except BaseException as fault:
            self._hub.interest.release(streams, kinds)
            if isinstance(fault, TimeoutError):
                raise ProtocolError(Code.INTERNAL, "the bus did not answer; nothing changed", command.id) from fault
            raise
        if command.stamps is not None:
            self._stamps = command.stamps
        added = [live for live in self._hub.interest.held(streams, kinds) if not _covered(before, live)]
        self._take(after, added)
        self._answer(command, added)
        if command.snapshot:
            self._snapshot(added)

    async def _opened(self, streams: Iterable[Any], kinds: Iterable[str]) -> None:
        """Waits until the bus has opened the streams and the kinds' directory. Raises TimeoutError."""
        async with asyncio.timeout(self._settings.subscribe_timeout_s):
            while waiting := self._hub.interest.unopened(streams, kinds):
                opened = asyncio.Event()
                waiting[0].append(opened.set)
                await opened.wait()

    def _unsubscribe(self, command: commands.Unsubscribe) -> None:
        self._authorised(command)
        before, after = self._selection, self._selection.minus(command.symbols())
        streams, kinds = before.streams - after.streams, before.kinds - after.kinds
        dropped = [live for live in self._hub.interest.held(streams, kinds) if not _covered(after, live)]
        self._take(after, ())
        self._answer(command, dropped)
        self._hub.interest.release(streams, kinds)

    def _take(self, selection: Selection, added: Iterable[LiveStream]) -> None:
        self._subscriptions.inc(selection.size - self._selection.size)
        self._selection = selection
        self._hub.join(self, form_of(self._codec, self._depth, self._stamps), selection, added)

    def _answer(self, command: commands.Subscribe | commands.Unsubscribe, changed: Iterable[LiveStream]) -> None:
        fields = messages.subscription(self._selection.symbols, self._depth)
        if self._depth == 2:
            if command.id is not None:
                fields["id"] = command.id
            fields["streams"] = {live.key: messages.stream_state(live.at) for live in changed if live.at is not None}
        self._send(fields)

    def _snapshot(self, added: Iterable[LiveStream]) -> None:
        form = form_of(self._codec, self._depth, self._stamps)
        segments = [Segment(1, form.encode(live.last, snapshot=True)) for live in added if live.last is not None]
        if segments and self._depth == 2:
            for frame in form.frames(segments, self._settings.outbox_bytes):
                self.write(frame)

    def _authorised(self, command: commands.Subscribe | commands.Unsubscribe) -> None:
        if self._authenticator.required and not self._authenticated:
            raise ProtocolError(Code.NOT_AUTHENTICATED, "", command.id)

    def _send(self, fields: dict[str, Any]) -> None:
        if not (self._socket.closed or self._transport.is_closing()):
            self._transport.write(self._codec.control(fields))

    async def _end(self, code: Close) -> None:
        try:
            async with asyncio.timeout(CLOSE_WAIT_S):
                await self._socket.close(code=int(code), drain=False)
        except TimeoutError:
            log.info("close_unanswered", feed=self._hub.feed, code=int(code))
        if self._transport.get_write_buffer_size():
            self._transport.abort()


def _covered(selection: Selection, live: LiveStream) -> bool:
    stream = live.stream
    return stream.kind in selection.kinds or stream.symbol in selection.of(stream.kind)
