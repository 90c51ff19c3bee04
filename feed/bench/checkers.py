"""Clients that read everything they are sent and check it; some of them leave and come back, again and again.

    python -m feed.bench.checkers

Told by lines on stdin, see `feed.bench.control`.
"""

import asyncio
import json
import random
from contextlib import suppress
from typing import Any, Final

from feed.bench.clients import Opening, Tally, settle
from feed.bench.continuity import Continuity
from feed.bench.control import Json, Verb, child, named, serve
from feed.bench.frames import PING, PONG, Frame, command, masked, split
from feed.bench.load import REQUEST
from feed.bench.samples import messages

STAYS_S: Final = (0.2, 1.0)
AWAY_S: Final = (0.02, 0.3)
OPENS_WITHIN_S: Final = 15.0  # the gateway itself gives up after gateway.subscribe_timeout_s, 10
KEY: Final = "AAAAAAAAAAAAAAAAAAAAAA=="


class Checker(asyncio.Protocol):
    """An open connection whose every message is checked, control messages included."""

    def __init__(self, transport: asyncio.Transport, continuity: Continuity) -> None:
        self._transport = transport
        self._continuity = continuity
        self._rest = b""
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        used = 0
        for frame in split(data):
            used = frame.end
            self._take(frame)
        self._rest = data[used:]

    def connection_lost(self, fault: Exception | None) -> None:
        settle(self.answered, ConnectionError(f"the connection ended before the answer came: {fault}"))

    def _take(self, frame: Frame) -> None:
        if frame.opcode == PING:
            self._transport.write(masked(PONG, frame.payload))
        elif not frame.opcode & 0x08:
            found = messages(frame)
            self._continuity.take(found)
            if found[0]["T"] == "subscription":
                settle(self.answered)
            elif found[0]["T"] == "error":
                settle(self.answered, ConnectionError(f"refused: {found[0]}"))


class Client:
    """One client over all its connections."""

    def __init__(self, port: int, protocol: str, wish: dict[str, Any], chance: random.Random) -> None:
        self.continuity = Continuity()
        self.resumes = 0
        self.unanswered = 0
        self._port = port
        self._protocol = protocol
        self._wish = wish
        self._chance = chance
        self._transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Connects, and resumes where it stood if it was connected before."""
        headers = f"Sec-WebSocket-Protocol: {self._protocol}\r\n"
        request = REQUEST.format(path="/v2/sim", host="127.0.0.1", port=self._port, key=KEY, headers=headers)
        opening = Opening(request.encode(), Tally(()), sampled=False)
        async with asyncio.timeout(OPENS_WITHIN_S):
            await asyncio.get_running_loop().create_connection(lambda: opening, "127.0.0.1", self._port)
            self._transport = opening.transport
            await opening.opened
            checker = Checker(opening.transport, self.continuity)
            checker.data_received(opening.hand_over(checker))
            told = self._wish | ({"since": self.continuity.since()} if self.continuity.positions else {})
            opening.transport.write(command(json.dumps(told), packed="msgpack" in self._protocol))
            await checker.answered

    async def leave_and_return(self, stays: asyncio.Event) -> None:
        """Cuts the connection and makes another, again and again; once `stays` is set it is connected and stays so."""
        while not stays.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(*STAYS_S)):
                    await stays.wait()
            self.close()
            await asyncio.sleep(self._chance.uniform(*AWAY_S))
            try:
                await self.open()
            except (TimeoutError, ConnectionError):  # no answer, or one that the bus gave none
                self.unanswered += 1
            else:
                self.resumes += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Checkers:
    """All of them."""

    def __init__(self) -> None:
        self._clients: list[Client] = []
        self._restless: list[Client] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stays = asyncio.Event()

    async def connect(self, port: int, clients: list[list[Any]]) -> Json:
        """Opens them; a client is [subprotocol, command, whether it leaves and returns]."""
        chance = random.Random(4)
        for protocol, wish, restless in clients:
            client = Client(port, protocol, wish, chance)
            self._clients.append(client)
            if restless:
                self._restless.append(client)
            await client.open()
        return {}

    async def leave_and_return(self) -> Json:
        """Lets those do so that are meant to, until `stay`."""
        self._stays.clear()
        self._tasks = [asyncio.create_task(client.leave_and_return(self._stays)) for client in self._restless]
        return {}

    async def stay(self) -> Json:
        """Everybody is connected afterwards."""
        self._stays.set()
        await asyncio.gather(*self._tasks)
        return {}

    async def count(self) -> Json:
        """What all of them saw so far."""
        all_of = [client.continuity for client in self._clients]
        names = ("messages", "gaps", "skipped", "repeated", "lost", "faults")
        sums = {name: sum(getattr(each, name) for each in all_of) for name in names}
        unanswered = sum(client.unanswered for client in self._clients)
        sums["faults"] += unanswered
        return sums | {"unanswered": unanswered, "resumes": sum(client.resumes for client in self._clients)}


async def main() -> None:
    checkers = Checkers()
    verbs: list[Verb] = [checkers.connect, checkers.leave_and_return, checkers.stay, checkers.count]
    await serve(named(verbs), {"ready": True})


if __name__ == "__main__":
    child(main)
