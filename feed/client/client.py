"""A feed, read through gateways that come and go."""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from feed.client.address import parse_address
from feed.client.connection import Connection, Dialer, Ended, trusting
from feed.client.credentials import Credentials, Token, check_road
from feed.client.decode import Encoding
from feed.client.errors import Refused, Unanswered, Unreadable
from feed.client.events import Connected, Event, Granted, Lost
from feed.client.renewal import Renewal
from feed.client.session import Call, Session
from feed.client.standing import Standing, meaning
from feed.client.wishes import Terms, keys_of
from feed.core.backoff import delay_s
from feed.core.rate import TokenBucket
from feed.core.streams import Position
from feed.wire.closing import Close
from feed.wire.errors import Code

STEADY_S: Final = 5.0
RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 15.0
# A gateway that drains spreads its clients itself, and tokens end each in its time; this keeps the rest apart.
DRAINED_S: Final = 0.1
# The gateway takes 50 commands a second, and as many at once.
COMMANDS_PER_S: Final = 40.0
MAX_UNREAD_BYTES: Final = 8_388_608

Symbols = Iterable[str]


class Client:
    """Reads one feed: `subscribe`, then iterate over the events. Use it as an async context manager.

    `urls` are gateways of the same feed; after a loss the next one is tried. `positions`, of an earlier Client, are
    where streams are resumed that are subscribed to. `patient`: go on trying although no gateway was ever reached; else
    that is Refused. `headers` go into each handshake.

    Credentials are a `key` with its `secret`, or a `token`: text, or a function, async or not, that gives a fresh one.
    It is asked before each connection, and when the gateway says that the token ends soon; nothing is missed by that.
    What it raises is raised to whoever reads, who may read on. Credentials are not sent unencrypted to another machine
    unless `insecure`. `ca_file` (PEM) has the certificates to believe in place of the system's.

    There is no queue inside: iterating reads the socket, and whoever iterates slowly is a slow client to the gateway,
    which conflates quotes and bars, and in the end closes with 4008; the client then resumes. While your code waits for
    something else the connection is kept alive. Code that blocks the event loop for some 30 s loses it, and resumes.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        positions: Mapping[str, Iterable[object]] | None = None,
        encoding: Encoding = "msgpack",
        patient: bool = False,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        secret: str = "",
        token: Token = "",
        ca_file: str = "",
        insecure: bool = False,
        max_unread_bytes: int = MAX_UNREAD_BYTES,
    ) -> None:
        """Raises ValueError for what makes no sense, and for credentials that must not be sent there.

        `max_unread_bytes` bounds what `subscribe` reads until its answer while nobody iterates; then it is Unanswered.
        """
        self._addresses = [parse_address(url) for url in ([urls] if isinstance(urls, str) else urls)]
        if len({address.feed for address in self._addresses}) != 1:
            raise ValueError("name at least one gateway, and gateways of one feed only")
        self._credentials = Credentials(key, secret, token)
        for address in () if insecure else self._addresses:
            check_road(address, headers or {}, self._credentials)
        self._session = Session(positions)
        self._encoding: Encoding = encoding
        self._headers = dict(headers or {})
        self._tls = trusting(ca_file) if ca_file else None
        self._renewal = Renewal(self._credentials)
        self._standing = Standing()
        self._patient = patient
        self._max_unread_bytes = max_unread_bytes
        self._dialer: Dialer | None = None
        self._connection: Connection | None = None
        self._reading = asyncio.Lock()
        self._closing = asyncio.Event()
        self._over: Refused | None = None
        self._turn = 0
        self._failures = 0
        self._reached = False
        self._since = 0.0
        self._retry_at = 0.0
        self._bucket = TokenBucket(COMMANDS_PER_S, COMMANDS_PER_S, 0.0)
        self.received_bytes = 0

    @property
    def positions(self) -> dict[str, Position]:
        """Where each stream stands after the last event given: a new dict of plain data, which JSON can hold.

        A Client that is given it goes on there. Save it once you have dealt with that event.
        """
        return self._session.positions()

    async def __aenter__(self) -> Self:
        if self._dialer is not None:
            raise RuntimeError("a Client is entered once")
        self._dialer = Dialer(self._encoding, self._headers, self._credentials, self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection, and every iteration."""
        self._closing.set()
        connection, self._connection = self._connection, None
        await self._renewal.end()
        if connection is not None:
            await connection.close()
        if self._dialer is not None:
            await self._dialer.close()

    async def subscribe(
        self,
        *,
        trades: Symbols = (),
        quotes: Symbols = (),
        bars: Symbols = (),
        bars1s: Symbols = (),
        rate: float = 0,
        snapshot: bool = False,
        stamps: bool | None = None,
    ) -> Mapping[str, Granted]:
        """Adds streams, or changes their rate; `*` is every symbol. Returns what the gateway changed, once it has.

        `rate`: at most so many updates a second and stream, 0 for every tick. `snapshot`: begin with the last tick.
        `stamps`: put hop stamps on updates; None leaves that as it is. Streams that have a position are resumed there.

        May be awaited while another task iterates, and where nobody does; events then wait for their turn. Raises
        CommandError if the gateway refuses (of a subscription too long for one command, parts may stand), Unanswered,
        Refused, ValueError for what is no symbol.
        """
        terms = Terms(rate, snapshot)
        wanted = dict.fromkeys(keys_of(trades=trades, quotes=quotes, bars=bars, bars1s=bars1s), terms)
        return await self._answered(self._session.subscribe(wanted, stamps))

    async def unsubscribe(
        self, *, trades: Symbols = (), quotes: Symbols = (), bars: Symbols = (), bars1s: Symbols = ()
    ) -> None:
        """Drops streams and their positions; `*` and names are kept apart. Raises like `subscribe`."""
        await self._answered(self._session.unsubscribe(keys_of(trades=trades, quotes=quotes, bars=bars, bars1s=bars1s)))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event. Raises Refused."""
        while not self._closing.is_set():
            try:
                event = self._session.next()
            except Unreadable as error:
                await self._lose(self._connection, Ended(str(error)))
                continue
            if event is not None:
                return event
            async with self._reading:
                if self._session.empty:
                    await self._read()
        raise StopAsyncIteration

    async def _answered(self, call: Call) -> Mapping[str, Granted]:
        connection = self._connection
        if connection is not None:
            # who reads learns that the connection is gone, and the command is sent again
            with contextlib.suppress(Ended):
                await self._send(connection)
        while not call.done():
            async with self._reading:
                if call.done():
                    break
                if self._session.unread_bytes > self._max_unread_bytes:
                    raise Unanswered(f"{self._session.unread_bytes} bytes came before the answer: iterate meanwhile")
                await self._read()
        if call.error is not None:
            raise call.error
        return call.granted

    async def _read(self) -> None:
        """Takes in one frame, or what becomes of the connection. Raises Refused."""
        if self._over is not None:
            raise self._over
        if self._closing.is_set():
            raise RuntimeError("the Client is closed")
        connection = self._connection
        try:
            if connection is None:
                connection = await self._connect()
            await self._send(connection)
            messages, size = await connection.receive()
            self.received_bytes += size
            self._session.feed(messages, size)
            self._standing.hear(messages)
            self._resumed()
        except (Ended, Unreadable) as error:
            await self._lose(connection, error if isinstance(error, Ended) else Ended(str(error)))
        else:
            self._renewal.follow(self._standing, connection)

    async def _connect(self) -> Connection:
        """The next gateway, when its time has come. Raises Ended, Refused, and what the source of tokens raises."""
        if self._dialer is None:
            raise RuntimeError("a Client is used within `async with`")
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._retry_at):
                await self._closing.wait()
        if self._closing.is_set():
            raise Ended("closed here")
        address = self._addresses[self._turn % len(self._addresses)]
        try:
            connection = await self._dialer.dial(address)
        except Refused as refused:
            self._over = refused
            raise
        if self._closing.is_set():
            await connection.close()
            raise Ended("closed here")
        self._connection, self._reached, self._since = connection, True, loop.time()
        self._standing = Standing()
        self._session.connected()
        self._session.tell(Connected(address.url))
        return connection

    async def _send(self, connection: Connection) -> None:
        """Sends the next command if it is time for one. Raises Ended."""
        while self._session.due and connection is self._connection:
            if self._bucket.take(asyncio.get_running_loop().time()):
                command = self._session.command()
                assert command is not None
                await connection.send(command)
                return
            await asyncio.sleep(1 / COMMANDS_PER_S)

    def _resumed(self) -> None:
        """Raises Ended, or Refused, where the gateway would not resume what another one had granted."""
        failed = self._session.failed
        if failed is None:
            return
        if failed.code not in (Code.INTERNAL, Code.TOO_MANY_COMMANDS):
            self._over = Refused(f"cannot resume: {failed}")
            raise self._over
        raise Ended(f"cannot resume: {failed}")

    async def _lose(self, connection: Connection | None, ended: Ended) -> None:
        """Throws a connection away, or an attempt at one, and plans the next. Raises Refused if that is no use."""
        if connection is not self._connection or self._closing.is_set():
            return  # it was thrown away before
        self._connection = None
        self._session.disconnected()
        self._turn += 1
        now = asyncio.get_running_loop().time()
        steady = connection is not None and now - self._since > STEADY_S
        # one that greets and closes at once must not be asked ever faster
        self._failures = 1 if steady else self._failures + 1
        self._over = self._verdict(ended)
        if self._over is None:
            delay = self._delay_s(ended.code)
            self._retry_at = now + delay
            self._session.tell(Lost(str(ended), delay, ended.code))
        await self._renewal.end()
        if connection is not None:
            await connection.close()
        if self._over is not None:
            raise self._over from ended

    def _verdict(self, ended: Ended) -> Refused | None:
        """What a loss means for good."""
        code, objection = ended.code, self._standing.objection
        expired = code == Close.TOKEN_EXPIRED and self._credentials and not self._credentials.renewable
        if code is not None and (code == Close.TOO_BIG or 4500 <= code <= 4999 or expired):
            words = (f"the gateway {ended}", meaning(code, objection, self._credentials.what))
            return Refused(": ".join(filter(None, words)), code, objection and objection.code)
        if not self._reached and not self._patient and self._failures >= len(self._addresses):
            return Refused(str(ended))
        return None

    def _delay_s(self, code: int | None) -> float:
        chance = random.random()
        if not self._reached and self._failures < len(self._addresses):
            return 0.0  # there are gateways that nobody asked yet
        if code in (Close.DRAIN, Close.TOKEN_EXPIRED) and self._failures == 1:
            return chance * DRAINED_S
        return delay_s(self._failures, RETRY_MIN_S, RETRY_MAX_S, chance)
