"""A replay that runs for the length of a test, recordings to play, and clients for it."""

import asyncio
import functools
import gzip
import itertools
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect

from feed.ingest.replay import Replay
from tests.data import recording
from tests.ingest.venue_server import (
    DEADLINE_S,
)

# A client that goes with frames unread waits for so long until it hangs up.
connect = functools.partial(websockets_connect, close_timeout=0.05)


@asynccontextmanager
async def playing(files: Sequence[Path], speed: float = 0, **more: object) -> AsyncIterator[Replay]:
    replay = Replay(files, host="127.0.0.1", port=0, speed=speed, **more)
    await replay.start()
    stop = asyncio.Event()
    running = asyncio.create_task(replay.run(stop))
    try:
        yield replay
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await running


def lines(name: str, count: int) -> list[bytes]:
    with gzip.open(recording(name)) as file:
        return list(itertools.islice(file, count))


def slices(tmp_path: Path, count: int) -> list[Path]:
    """The beginnings of the two recordings of 8 August."""
    paths = []
    for symbol in ("btcusdt", "ethusdt"):
        path = tmp_path / symbol
        path.write_bytes(b"".join(lines(f"binance_spot/{symbol}_20240808.gz", count)))
        paths.append(path)
    return paths


def made(tmp_path: Path, frames: int, step_s: int = 1, padding: int = 0) -> Path:
    """A recording of our own: trades of one symbol, some seconds apart."""
    path = tmp_path / "made"
    texts = []
    for number in range(frames):
        payload = {"e": "trade", "s": "AB", "t": number, "p": "1", "q": "1", "T": 1, "m": True, "pad": "x" * padding}
        texts.append(f"{1_700_000_000 + number * step_s}: {json.dumps({'stream': 'ab@trade', 'data': payload})}\n")
    path.write_text("".join(texts))
    return path


async def take(client: ClientConnection, count: int) -> list[dict[str, object]]:
    async with asyncio.timeout(DEADLINE_S):
        return [json.loads(await client.recv()) for _ in range(count)]


async def stalled(port: int) -> socket.socket:
    """A client that subscribes and then reads nothing."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    handshake = "GET /ws/ab@trade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    handshake += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    await loop.sock_sendall(client, handshake.encode())
    return client
