"""Very many clients in one process, some of which never read: raw sockets, own frames, every number checked.

    python -m tests.soak.readers ws://127.0.0.1:8080/v2/sim --clients 1000 --stalled 50 --symbols-each 20 --seconds 60

Prints one JSON object: what the reading clients received, holes and repeats (both should be 0), delays from publish to
here, and how those that never read ended.
"""

import argparse
import asyncio
import json
import random
import socket
import time
import urllib.request
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import uvloop

from tests.soak.tally import KINDS, Tally

HANDSHAKES_AT_ONCE: Final = 100
SMALL_BUFFER: Final = 16_384


class Reading(asyncio.Protocol):
    """One client: handshake, subscription, then every message checked."""

    def __init__(
        self, host: str, path: str, symbols: Sequence[str], tally: Tally, sample: bool, since: "Reading | None" = None
    ) -> None:
        """`since` is one that ended, from whose positions this one goes on."""
        self.ready = asyncio.get_running_loop().create_future()
        self._host, self._path, self._symbols, self._tally, self._sample = host, path, symbols, tally, sample
        self._buffer = b""
        self._upgraded = False
        self._since = since
        self._at: dict[str, int] | None = None
        self.epochs: dict[str, str | None] = {}
        self.not_recovered = 0
        self._leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's are no asyncio.Transport
        transport.write(request(self._host, self._path))

    def leave(self) -> None:
        self._leaving = True
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - part of the interface
        if not self._leaving:
            self._tally.ended("a connection ended")
        if not self.ready.done():
            self.ready.set_result(None)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, end, rest = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = buffer
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._upgraded = True
            self._transport.write(masked(1, orjson.dumps(self._command())))
            buffer = rest
        start, length = 0, len(buffer)
        while length - start >= 2:
            size, at = buffer[start + 1], start + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                if length - at < wide:
                    break
                size, at = int.from_bytes(buffer[at : at + wide], "big"), at + wide
            if length - at < size:
                break
            self._frame(buffer[start], buffer[at : at + size])
            start = at + size
        self._buffer = buffer[start:]

    def _command(self) -> dict[str, Any]:
        command: dict[str, Any] = {"action": "subscribe", "stamps": True}
        command |= {kind: list(self._symbols) for kind in KINDS}
        if self._since is not None and self._since._at is not None:
            epochs = self._since.epochs
            command["since"] = {key: {"epoch": epochs[key], "seq": seq} for key, seq in self._since._at.items()}
        return command

    def _frame(self, head: int, payload: bytes) -> None:
        if head == 0x89:
            self._transport.write(masked(0xA, payload))
            return
        if head != 0x81:
            return
        messages = orjson.loads(payload)
        if self._at is None:
            if messages[0]["T"] == "subscription":
                self._answered(messages[0]["streams"])
            elif messages[0]["T"] == "error":
                self._tally.fault(f"refused: {messages[0]}")
                self._transport.abort()
            return
        self._check(messages, self._at)

    def _answered(self, streams: dict[str, dict[str, Any]]) -> None:
        if self._since is not None and self._since._at is not None:
            self._at, self.epochs = self._since._at, self._since.epochs
            self.not_recovered = sum(not state["recovered"] for state in streams.values())
        else:
            self._at = {key: state["seq"] for key, state in streams.items()}
            self.epochs = {key: state["epoch"] for key, state in streams.items()}
        self.ready.set_result(None)

    def _check(self, messages: list[dict[str, Any]], at: dict[str, int]) -> None:
        for message in self._tally.check(messages, at):
            if message["T"] == "epoch":
                self.epochs[message["stream"]] = message["epoch"]
        if self._sample:
            self._tally.sample(messages[-1])


def request(host: str, path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: feed.v1.json\r\n\r\n"
    ).encode()


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame; a mask of zeros leaves the payload as it is."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else bytes((0xFE,)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode,)) + length + bytes(4) + payload


async def stall(host: str, port: int, path: str, symbols: Sequence[str]) -> socket.socket:
    """A client that subscribes and never reads again."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, port))
    await loop.sock_sendall(sock, request(f"{host}:{port}", path))
    await loop.sock_recv(sock, 4_096)
    command = {"action": "subscribe", **{kind: list(symbols) for kind in KINDS}}
    await loop.sock_sendall(sock, masked(1, orjson.dumps(command)))
    return sock


def ended(sock: socket.socket) -> bool:
    """Whether the gateway cut the connection: reads what the kernel kept, to its end."""
    try:
        while sock.recv(1 << 20):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


async def crowd(url: str, clients: int, stalled: int, each: int, seconds: float, seed: int) -> dict[str, Any]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with urllib.request.urlopen(url.replace("ws", "http", 1) + "/symbols", timeout=10) as answer:  # noqa: ASYNC210
        symbols = json.load(answer)["symbols"]
    loop, chance, tally, turns = asyncio.get_running_loop(), random.Random(seed), Tally(), asyncio.Semaphore(100)
    chosen = [chance.sample(symbols, each) for _ in range(clients)]
    reading: list[Reading] = []

    async def come(index: int) -> None:
        async with turns:
            _, protocol = await loop.create_connection(
                lambda: Reading(parts.netloc, parts.path, chosen[index], tally, index % 10 == 0),
                parts.hostname,
                parts.port,
            )
            reading.append(protocol)
            await protocol.ready

    async with asyncio.TaskGroup() as group:
        for index in range(stalled, clients):
            group.create_task(come(index))
    never = [await stall(parts.hostname, parts.port, parts.path, chosen[index]) for index in range(stalled)]
    await asyncio.sleep(1.0)  # what connecting cost is not what is measured
    tally.delays_ms.clear()
    before = tally.messages
    started, cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    measured = tally.messages - before
    took, used = time.monotonic() - started, time.process_time() - cpu
    for protocol in reading:
        protocol.leave()
    cut = sum(ended(sock) for sock in never)
    for sock in never:
        sock.close()
    return {
        "clients": clients, "stalled": stalled, "cut_off": cut, "seconds": round(took, 1),
        "messages_per_s": round(measured / took), "own_cpu": round(used / took, 2), **tally.report(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--stalled", type=int, default=50)
    parser.add_argument("--symbols-each", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(json.dumps(uvloop.run(
        crowd(asked.url, asked.clients, asked.stalled, asked.symbols_each, asked.seconds, asked.seed)
    )))  # fmt: skip


if __name__ == "__main__":
    main()
