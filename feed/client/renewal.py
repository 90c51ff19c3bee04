"""Replacing a token that ends soon, on the connection that it let in."""

import asyncio
import contextlib

from feed.client.connection import Connection, Ended
from feed.client.credentials import Credentials
from feed.client.standing import Standing


class Renewal:
    """Asks for a fresh token beside the reading of a connection, which the source may not hold up, and sends it."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._task: asyncio.Task[None] | None = None

    def follow(self, standing: Standing, connection: Connection) -> None:
        """Begins when the gateway said that it is time to, if fresh tokens can be had. Raises what their source did."""
        if standing.expiring and self._credentials.renewable and self._task is None:
            standing.expiring = False
            self._task = asyncio.get_running_loop().create_task(self._renew(connection), name="feed.client renewal")
        elif self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()

    async def end(self) -> None:
        """Gives it up with its connection: the source is asked again for the next one, and may raise then."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()

    async def _renew(self, connection: Connection) -> None:
        token = await self._credentials.token()
        # who reads learns that the connection is gone
        with contextlib.suppress(Ended):
            await connection.send({"action": "auth", "token": token})
