"""One client's connection: its commands, its place in the hub, its bytes."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSMsgType

from feed import metrics
from feed.access.principal import Credentials
from feed.core.rate import TokenBucket
from feed.gateway.diary import Diary
from feed.gateway.echo import trip_s
from feed.gateway.entitled import NotGranted
from feed.gateway.guests import Guests
from feed.gateway.hub import Hub
from feed.gateway.identity import Dismissed, Identity, Peer
from feed.gateway.inbox import MAX_WAITING, Inbox
from feed.gateway.line import BEHIND_BYTES, Line, keep_back
from feed.gateway.pulse import Pulse, Vital
from feed.gateway.socket import Socket
from feed.gateway.subscriptions import Subscriptions
from feed.settings import Gateway
from feed.wire import commands, messages
from feed.wire.closing import Close
from feed.wire.codec import JSON, MSGPACK, Codec
from feed.wire.errors import Code, ProtocolError
from feed.wire.frames import PING, PONG, frame

# A command that names so many symbols costs what two commands cost.
NAMES_A_COMMAND: Final = 100
# Clients that ignore this many 429s in a row are not reading the answers.
EXCESS_COMMANDS: Final = 10

# After these errors the connection is of no use, and the close code says why.
FATAL: Final = {Code.AUTH_TIMEOUT: Close.NOT_AUTHENTICATED, Code.SLOW_CLIENT: Close.SLOW}

# What a connection that ended without a close frame has for a code (RFC 6455 section 7.1.5).
UNANSWERED: Final = "1006"

SLOW: Final = "what is sent is not read fast enough"

Parse = Callable[[Any, int], commands.Command]
PARSE: Final[dict[Codec, Parse]] = {JSON: commands.parse_json, MSGPACK: commands.parse_msgpack}
Received = tuple[WSMsgType, str | bytes]


class Session:
    """A connected client. The hub calls `write`, commands run in the inbox's task, the rest in the connection's own."""

    def __init__(
        self,
        socket: Socket,
        line: Line,
        transport: asyncio.Transport,
        hub: Hub,
        codec: Codec,
        depth: int,
        guests: Guests,
        settings: Gateway,
        connection: str,
        address: str,
    ) -> None:
        """`connection` is the id that the client was told, and `address` where it comes from."""
        self._socket = socket
        self._transport = transport
        # `write` is called for each client and flush: what it calls is bound once, and it looks at the buffer only when
        # the transport has said that there is something in it
        self._diary = Diary.wanted(transport.write, __name__)
        self._out = transport.write if self._diary is None else self._diary.write
        self._line = line
        self._large = settings.outbox_bytes - BEHIND_BYTES
        self._hub = hub
        self._codec = codec
        self._depth = depth
        self._identity = Identity(guests, hub.feed, depth, connection, address)
        self._settings = settings
        self._ending: asyncio.Task[bool] | None = None
        self._inbox = Inbox(self._work, lambda: self.end(Close.INTERNAL))
        self._bucket = TokenBucket(settings.commands_per_s, settings.commands_per_s, time.monotonic())
        self._excess = 0
        self._pulse = Pulse(time.monotonic())
        self._spoke = time.monotonic()
        keep_back(transport)
        self._subscriptions = Subscriptions(self, hub, codec, depth, settings, deflate=socket.deflate)

    def write(self, data: bytes) -> bool:
        """Sends whole frames; False where the client has too much to read already. Of no effect on a closing one."""
        if self._socket.over:
            return True
        if (self._line.writing_paused or len(data) > self._large) and not self._has_room(data):
            return False
        try:
            self._out(data)
        except RuntimeError:
            return True  # uvloop's word for a connection that is gone, of which the reader is told next
        return True

    def put(self, data: bytes) -> None:
        """Sends whole frames that this client is due, unless the connection is about to close."""
        if data and self._ending is None:
            self._put(data)

    @property
    def peer(self) -> Peer:
        return self._identity.peer

    def backlog(self) -> int:
        return self._transport.get_write_buffer_size()

    def slow(self, lag_s: float) -> None:
        self._identity.log.debug("slow_client_warned", lag_s=round(lag_s, 3), waiting_bytes=self.backlog())
        self.notice("slow", SLOW, round(lag_s * 1000))

    def cut(self, *, stalled: bool) -> None:
        """Ends the connection of a client that is too slow. One that reads nothing could not read why either."""
        if self._over:
            return
        self._identity.log.warning("slow_client_cut", waiting_bytes=self.backlog(), stalled=stalled)
        if not stalled:
            self._transport.write(self._told(ProtocolError(Code.SLOW_CLIENT)))
        self.end(Close.SLOW)
        if stalled:
            self._transport.abort()

    def notice(self, code: str, text: str, lag_ms: int | None = None) -> None:
        """Tells the client what the server is about to do; depth one has no place for it."""
        if self._depth == 2 and self._ending is None:
            self._send(messages.notice(code, text, lag_ms))

    def end(self, code: Close) -> None:
        """Begins to close the connection; a peer that has stalled is cut off. The first code stands."""
        if not self._over:
            metrics.GATEWAY_CLOSES.labels(str(int(code))).inc()
            self._socket.over = True
            self._ending = asyncio.get_running_loop().create_task(self._socket.close(code=int(code)))

    async def run(self, credentials: Credentials | None) -> None:
        """Serves the connection until it closes. `credentials` came with the handshake."""
        deadline: asyncio.TimerHandle | None = None
        try:
            if self._diary is not None:
                self._identity.log.debug("connection_opened", depth=self._depth, encoding=self._codec.name)
            self._send(messages.CONNECTED)
            if self._identity.wanting:
                deadline = asyncio.get_running_loop().call_later(self._settings.auth_timeout_s, self._auth_timeout)
            if credentials is not None:
                await self._guarded(self._authenticate(credentials))
            async for message in self._socket:
                self._pulse.heard(time.monotonic())
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._receive((message.type, message.data))
                elif message.type is WSMsgType.PING:
                    self._put(frame(PONG, message.data))
                if self._ending is not None:
                    break  # what waits to be read may be much, and nobody listens to it any more
        finally:
            if deadline is not None:
                deadline.cancel()
            await self._leave()

    def look(self, now: float) -> None:
        """Pings a client that has been silent for long, and cuts off one that does not answer. Closes one that wants
        nothing."""
        if self._over:
            return
        if self._subscriptions.empty and now - self._spoke >= self._settings.idle_s:
            self.end(Close.GOING_AWAY)
        vital = self._pulse.look(now, self._settings.ping_s)
        if vital is Vital.ASK:
            self._put(frame(PING, b""))
        elif vital is Vital.GONE:
            metrics.GATEWAY_CLOSES.labels(UNANSWERED).inc()
            self._transport.abort()

    async def _leave(self) -> None:
        try:
            await self._inbox.close()
        finally:
            self._subscriptions.leave()
            self._identity.leave(self)
            self.end(Close.INTERNAL)  # of no effect but where a fault of ours ended the loop
            if self._ending is not None:
                await self._ending
            if self._diary is not None:
                self._identity.log.debug("connection_closed", code=self._socket.close_code, **self._diary.told())
            # they refer to this session: it would stay until the garbage collector comes by
            del self._inbox, self._subscriptions

    def _receive(self, item: Received) -> None:
        """Takes a client's message for its turn, or refuses it."""
        if self._ending is not None:
            return
        self._spoke = time.monotonic()
        try:
            self._take_turn()
            if not self._inbox.put(item):
                raise ProtocolError(Code.TOO_MANY_COMMANDS, f"{MAX_WAITING} commands wait already")
        except ProtocolError as fault:
            self._refuse(fault)

    async def _work(self, item: Received) -> None:
        await self._guarded(self._command(*item))

    async def _guarded(self, work: Any) -> None:
        """Awaits one command's work; what the protocol forbids becomes its answer."""
        try:
            await work
        except ProtocolError as fault:
            self._refuse(fault)

    def _refuse(self, fault: ProtocolError) -> None:
        if isinstance(fault, NotGranted):
            metrics.GATEWAY_REFUSALS.labels(fault.what).inc()
        self._put(self._told(fault))
        close = fault.close if isinstance(fault, Dismissed) else FATAL.get(fault.code)
        if close is not None:
            self.end(close)

    def _told(self, fault: ProtocolError) -> bytes:
        """The fault as the client is told of it, counted."""
        metrics.GATEWAY_ERRORS.labels(str(int(fault.code))).inc()
        return self._codec.control(messages.error(fault, self._depth))

    def _auth_timeout(self) -> None:
        if self._identity.wanting:
            self._refuse(ProtocolError(Code.AUTH_TIMEOUT))

    async def _command(self, kind: WSMsgType, data: str | bytes) -> None:
        if self._ending is not None:
            return
        self._identity.spoke()
        if (kind is WSMsgType.TEXT) != (self._codec is JSON):
            wanted = "JSON in text frames" if self._codec is JSON else "MessagePack in binary frames"
            raise ProtocolError(Code.INVALID_SYNTAX, f"this connection speaks {wanted}")
        command = PARSE[self._codec](data, self._depth)
        if isinstance(command, commands.Subscribe | commands.Unsubscribe):
            # charged afterwards: the next command pays for what this one costs
            self._bucket.spend(sum(map(len, command.symbols().values())) / NAMES_A_COMMAND)
        if isinstance(command, commands.Auth):
            await self._authenticate(Credentials(command.key, command.secret, command.token))
        elif isinstance(command, commands.Subscribe):
            self._authorised(command)
            await self._subscriptions.subscribe(command)
        elif isinstance(command, commands.Unsubscribe):
            self._authorised(command)
            self._subscriptions.unsubscribe(command)
        elif isinstance(command, commands.Ping):
            self._send(messages.pong(command.id, self._codec.time(time.time_ns())))
        else:
            self._hub.meters.echoed(trip_s(command, time.time_ns()))

    def _take_turn(self) -> None:
        if self._bucket.take(time.monotonic()):
            self._excess = 0
            return
        self._excess += 1
        if self._excess > EXCESS_COMMANDS:
            self.end(Close.TOO_MANY_COMMANDS)
        raise ProtocolError(Code.TOO_MANY_COMMANDS, f"at most {self._settings.commands_per_s:g} commands a second")

    async def _authenticate(self, credentials: Credentials) -> None:
        grant = await self._identity.prove(self, credentials)
        if self._over:
            return
        self._send(messages.AUTHENTICATED)
        try:
            await self._subscriptions.regrant(grant)
        except TimeoutError as fault:
            raise Dismissed(Code.INTERNAL, Close.INTERNAL, "the bus did not answer") from fault

    def _authorised(self, command: commands.Subscribe | commands.Unsubscribe) -> None:
        if self._identity.wanting:
            raise ProtocolError(Code.NOT_AUTHENTICATED, "", command.id)

    @property
    def _over(self) -> bool:
        """Whether the connection is closing, or closed."""
        return self._ending is not None or self._socket.closed or self._transport.is_closing()

    def _send(self, fields: dict[str, Any]) -> None:
        self._put(self._codec.control(fields))

    def _has_room(self, data: bytes) -> bool:
        waiting = self.backlog()
        return not waiting or (waiting <= BEHIND_BYTES and waiting + len(data) <= self._settings.outbox_bytes)

    def _put(self, data: bytes) -> None:
        """Writes to the socket, unless it is closing. A client that does not read its answers is cut off."""
        if self._socket.closed or self._transport.is_closing():
            return
        waiting = self.backlog()
        # what goes into an empty buffer may be larger than the bound: the client has read all there was
        if waiting and waiting + len(data) > self._settings.outbox_bytes and self._ending is None:
            self.cut(stalled=False)
            return
        self._transport.write(data)
