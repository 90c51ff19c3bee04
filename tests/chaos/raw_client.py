"""A client that owes nothing to the service's code: `websockets`, JSON, and the simplest way to resume.

    python -m tests.chaos.raw_client JOURNAL '{"trades": ["*"]}' --gateways ws://127.0.0.1:8080/v2/binance,ws://...

Its journal is its memory: killed and started again it goes on where the journal ends.
"""

import asyncio
import json
import random
import socket
from typing import Any
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.chaos.reader import Reader, reader_of, run

CONNECT_S = 5.0
# Longer without a frame, heartbeats included, and the connection is taken for dead.
SILENT_S = 15.0
RETRY_S = 0.5


class RawClient:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._chance = random.Random(reader.seed)
        self._commands = 0

    async def run(self) -> None:
        """The first gateway is the first named, each later one is chosen at random."""
        url = self._reader.urls[0]
        while True:
            why, code = await self._once(url)
            self._reader.connected = False
            self._reader.journal.write("lost", why, code)
            url = self._chance.choice(self._reader.urls)
            # a drain, or a slow client's cut: at once, as the close codes say
            await asyncio.sleep(0.02 if code in (1012, 4008) else RETRY_S * self._chance.random())

    async def _once(self, url: str) -> tuple[str, int | None]:
        """One connection, from its beginning to the reason for its end."""
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._connect(url)
        except (OSError, TimeoutError, websockets.InvalidHandshake, websockets.InvalidMessage) as error:
            return f"{url}: {type(error).__name__}: {error}", None
        self._reader.journal.write("open", url)
        self._reader.cut = connection.transport.abort
        try:
            await self._subscribe(connection)
            return await self._read(connection)
        except websockets.ConnectionClosed as closed:
            return str(closed), closed.rcvd.code if closed.rcvd else None
        except TimeoutError:
            return f"silent for {SILENT_S:g} s", None
        finally:
            connection.transport.abort()

    async def _connect(self, url: str) -> ClientConnection:
        sock = socket.socket()
        try:
            sock.setblocking(False)
            if self._reader.receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._reader.receive_bytes)
            parts = urlsplit(url)
            await asyncio.get_running_loop().sock_connect(sock, (parts.hostname, parts.port))
            # one frame at a time, so that the socket is what fills when this client is slow
            return await connect(
                url, sock=sock, subprotocols=[websockets.Subprotocol("feed.v1.json")], max_size=None,
                max_queue=1, compression=None, ping_interval=None,
            )  # fmt: skip
        except BaseException:
            sock.close()
            raise

    async def _subscribe(self, connection: ClientConnection) -> None:
        self._commands += 1
        command: dict[str, Any] = {"action": "subscribe", "id": self._commands, **self._reader.subscription}
        held = self._reader.places.at
        if held:
            command["since"] = {stream: {"epoch": epoch, "seq": seq} for stream, (epoch, seq) in held.items()}
        self._reader.journal.write("sent", command)
        await connection.send(json.dumps(command))

    async def _read(self, connection: ClientConnection) -> tuple[str, int | None]:
        while True:
            async with asyncio.timeout(SILENT_S):
                text = str(await connection.recv())
            self._reader.journal.raw("frame", text)
            messages = json.loads(text)
            self._reader.heard(messages)
            self._reader.connected = True
            refused = next((message for message in messages if message["T"] == "error" and message.get("id")), None)
            if refused is not None:
                return f"refused: {refused}", None
            if self._reader.slow_s:
                await asyncio.sleep(self._reader.slow_s)


def main() -> None:
    reader = reader_of(__doc__)
    run(reader, RawClient(reader).run)


if __name__ == "__main__":
    main()
