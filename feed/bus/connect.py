"""One connection to Redis, used until its first fault and then thrown away.

redis-py makes the connection (URL, TLS, AUTH) but none of its clients is used: they reconnect and retry in silence,
which runs a script twice, loses what was published meanwhile, and can take one server process's run id to the next.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from feed.bus.errors import BusDown, BusRefused
from feed.settings import Redis

Command = Sequence[str | bytes | int]


class Link:
    """A connection to one Redis process, whose `run_id` was read over this very connection."""

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._usable = True
        self.run_id = ""

    @classmethod
    async def open(cls, settings: Redis, name: str) -> "Link":
        """Connects. `name` shows in CLIENT LIST. Raises BusDown, or BusRefused where that can never work."""
        try:
            arguments: dict[str, Any] = dict(parse_url(settings.url))
        except ValueError as error:
            raise BusRefused(f"redis.url: {error}") from error
        connection_class = arguments.pop("connection_class", Connection)
        connection = connection_class(
            **arguments,
            protocol=2,
            client_name=name,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=settings.connect_timeout_s,
            socket_timeout=None,
        )
        link = cls(connection, settings.timeout_s)
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await connection.connect()
            link.run_id = _run_id(await link.call("INFO", "server"))
        except ResponseError as error:
            await link.close()
            raise BusRefused(str(error)) from error
        except (RedisError, OSError, TimeoutError) as error:
            await link.close()
            raise BusDown(f"cannot connect to Redis: {error or type(error).__name__}") from error
        except BaseException:
            await link.close()
            raise
        return link

    async def call(self, *command: str | bytes | int) -> Any:
        """One command, its reply. Raises BusDown, or BusRefused with the server's words."""
        reply = (await self.calls([command]))[0]
        if isinstance(reply, BusRefused):
            raise reply
        return reply

    async def calls(self, commands: Sequence[Command]) -> list[Any]:
        """Commands in one write, their replies in order; a refused one has a BusRefused in its place."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send(commands)
                return [await self._reply() for _ in commands]
        except TimeoutError as error:
            await self.close()
            raise BusDown(f"no answer from Redis in {self._timeout_s:g} s") from error

    async def send(self, *command: str | bytes | int) -> None:
        """Writes a command whose reply comes as a push: SUBSCRIBE and its like."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._send([command])
        except TimeoutError as error:
            await self.close()
            raise BusDown(f"Redis took no data for {self._timeout_s:g} s") from error

    async def push(self) -> list[Any]:
        """The next push message, waited for without limit: silence is judged by whoever knows what is due."""
        reply = await self._reply()
        if isinstance(reply, BusRefused):
            raise reply
        return reply  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Frees the socket at once; a read that waits on it raises BusDown."""
        self._usable = False
        try:
            await self._connection.disconnect(nowait=True)
        except (RedisError, OSError):
            return  # it was gone already, which is what was asked for

    async def _send(self, commands: Sequence[Command]) -> None:
        # redis-py would reconnect in silence when asked to send over a connection that it lost
        if not (self._usable and self._connection.is_connected):
            raise BusDown("the connection to Redis is closed")
        try:
            await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        except (RedisError, OSError) as error:
            await self.close()
            raise BusDown(str(error)) from error

    async def _reply(self) -> Any:
        if not (self._usable and self._connection.is_connected):
            raise BusDown("the connection to Redis is closed")
        try:
            return await self._connection.read_response(disable_decoding=True, timeout=math.inf)
        except ResponseError as error:
            return BusRefused(str(error))
        except (RedisError, OSError) as error:
            await self.close()
            raise BusDown(str(error)) from error


def _run_id(info: bytes) -> str:
    for line in info.decode().splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:")
    raise BusRefused("INFO server names no run_id: an epoch cannot be bound to this server")
