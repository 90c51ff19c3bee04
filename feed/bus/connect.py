"""One connection to Redis, used until its first fault and then thrown away.

redis-py makes the connection (URL, TLS, AUTH) but none of its clients is used: they reconnect and retry in silence,
which runs a script twice, loses what was published meanwhile, and can take one server process's run id to the next.
Nor is its reading: `feed.bus.replies` takes the connection over once it stands.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from feed.bus.errors import BusDown, BusRefused
from feed.bus.refusal import refusal, trouble
from feed.bus.replies import Command, Replies, Taker, ignored
from feed.settings import Redis

# Settings that this process was connected with once. What Redis refuses of others is a mistake in them, which has to be
# told at once; what it refuses of these was changed over there, and is no reason to drop every client: a password that
# is taken back, or a certificate renewed, may be put right again while we try.
ADMITTED: Final[set[Redis]] = set()


class Link:
    """A connection to one Redis process, whose `run_id` was read over this very connection."""

    def __init__(self, connection: AbstractConnection, replies: Replies, run_id: str) -> None:
        self.run_id = run_id
        self._connection = connection
        self._replies = replies

    @classmethod
    async def open(cls, settings: Redis, name: str, ended: Callable[[], None] = lambda: None) -> "Link":
        """Connects. `name` shows in CLIENT LIST; `ended` is called once, when the connection is gone.

        Raises BusDown, or BusRefused where that can never work: settings that make no sense, and a user, a password or
        a certificate that is not accepted and never was in this process.
        """
        try:
            connection = connection_of(settings, name)
        except BusRefused as refused:
            raise _fault(settings, str(refused)) from None
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
            async with asyncio.timeout(settings.timeout_s):
                await connection.send_command("INFO", "server", check_health=False)
                run_id = _run_id(await connection.read_response(disable_decoding=True))
            ADMITTED.add(settings)
            return cls(connection, Replies(_transport(connection), settings.timeout_s, ended), run_id)
        except (RedisError, OSError, TimeoutError) as error:
            await _disconnect(connection)
            words = refusal(error)
            if words is not None:
                raise _fault(settings, words) from error
            raise BusDown(
                f"cannot connect to Redis: {trouble(error, tls=isinstance(connection, SSLConnection))}"
            ) from error
        except BaseException:
            await _disconnect(connection)
            raise

    async def call(self, *command: str | bytes | int) -> Any:
        """One command, its reply. Raises BusDown, or BusRefused with the server's words."""
        reply = (await self.calls([command]))[0]
        if isinstance(reply, BusRefused):
            raise reply
        return reply

    async def calls(self, commands: Sequence[Command]) -> list[Any]:
        """Commands in one write, their replies in order; a refused one has a BusRefused in its place."""
        return await self._replies.answers(commands)

    async def ask(self, commands: Sequence[Command], takers: Sequence[Taker]) -> None:
        """Writes commands and leaves; each reply is given to its taker when it comes. Raises BusDown.

        A reply that is late ends the link, and no taker hears anything after its end.
        """
        self._replies.ask(commands, takers)
        await self._replies.written()

    async def send(self, *command: str | bytes | int) -> None:
        """Writes a command whose reply comes as a push: SUBSCRIBE and its like."""
        self._replies.write(command)
        await self._replies.written()

    def say(self, *command: str | bytes | int) -> None:
        """Writes a command whose reply is of no interest. Raises BusDown."""
        self._replies.ask([command], [ignored])

    def follow(
        self, follower: Callable[[list[Any]], None], refused: Callable[[BusRefused], None] | None = None
    ) -> None:
        """From here on `follower` is given all pushes of each read in one call, and `refused` what Redis refuses, which
        ends the link otherwise. To be said before anything is sent."""
        self._replies.follow(follower, refused)

    async def over(self) -> None:
        """Lasts until the link ends, which is raised, without limit: silence is judged by whoever knows what is due.

        Ends the link where it is cancelled: nothing is pushed after that.
        """
        await self._replies.over()

    def check(self) -> None:
        """Raises BusDown if the link has ended."""
        self._replies.check()

    def end(self, reason: BusDown) -> None:
        """Frees the socket at once; whoever waits or asks is told the reason."""
        self._replies.end(reason)

    async def close(self) -> None:
        """Frees the socket at once; whoever waits on it is told BusDown."""
        self._replies.end(BusDown("the connection to Redis is closed"))
        await _disconnect(self._connection)


def _fault(settings: Redis, words: str) -> BusDown | BusRefused:
    return BusDown(f"Redis can't be connected to any more: {words}") if settings in ADMITTED else BusRefused(words)


def connection_of(settings: Redis, name: str) -> AbstractConnection:
    """What redis-py makes of the settings, not connected yet. Raises BusRefused; its text has nothing of the URL, whose
    password may be where the port should be.
    """
    try:
        arguments: dict[str, Any] = dict(parse_url(settings.url))
        if settings.username:
            arguments["username"] = settings.username
        if password := settings.password.get_secret_value():
            arguments["password"] = password
        connection_class = arguments.pop("connection_class", Connection)
        connection: AbstractConnection = connection_class(
            **arguments,
            protocol=2,
            client_name=name,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=settings.connect_timeout_s,
            socket_timeout=None,
        )
    except (ValueError, TypeError, RedisError):
        raise BusRefused("redis.url: not understood; in a user or password, special characters are %-encoded") from None
    if settings.ca_file:
        if not isinstance(connection, SSLConnection):
            raise BusRefused("redis.ca_file is given, but redis.url is not rediss://: nothing would be encrypted")
        connection.ssl_context.context = _trusting(connection, settings.ca_file)
    return connection


def _trusting(connection: SSLConnection, ca_file: str) -> ssl.SSLContext:
    """TLS as the URL has it, which believes nobody but `ca_file`'s: redis-py would go on to believe the system's too.

    Raises BusRefused.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError:
        raise BusRefused(f"redis.ca_file: {ca_file}: it has no certificate in PEM") from None
    except OSError as error:
        raise BusRefused(f"redis.ca_file: {ca_file}: {error.strerror}") from None
    url = connection.ssl_context
    context.check_hostname, context.verify_mode = url.check_hostname, url.cert_reqs
    if url.min_version is not None:
        context.minimum_version = url.min_version
    try:
        if url.certfile:
            context.load_cert_chain(url.certfile, url.keyfile, url.password)
    except OSError as error:
        raise BusRefused(f"redis.url: ssl_certfile: {error.strerror or error}") from None
    return context


def _transport(connection: AbstractConnection) -> asyncio.Transport:
    """What to take over. RESP2 sends nothing unasked: with the last reply read, redis-py's own buffer is empty."""
    writer = connection._writer  # no public name, in all of redis 8: tests/bus/test_connect.py holds it to that
    assert writer is not None
    return cast(asyncio.Transport, writer.transport)


async def _disconnect(connection: AbstractConnection) -> None:
    try:
        await connection.disconnect(nowait=True)
    except (RedisError, OSError):
        return  # it was gone already, which is what was asked for


def _run_id(info: bytes) -> str:
    for line in info.decode().splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:")
    raise BusRefused("INFO server names no run_id: an epoch cannot be bound to this server")
