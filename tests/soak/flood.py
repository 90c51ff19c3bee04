"""Attempts to get in, so many a second, by somebody who has no key.

    python -m tests.soak.flood 127.0.0.1:8080 --kind silence --rate 2000 --seconds 30

Kinds: `silence` asks for a WebSocket and says nothing more, `half_open` connects and says nothing (to a gateway with
TLS: half of a ClientHello), `bad_auth` presents a key that there is none of, `closed` goes away when it is answered.
Prints one JSON object: what became of the attempts.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Final

import uvloop

# Whoever holds more runs out of open files himself.
MOST_OPEN: Final = 8_000
KINDS: Final = ("silence", "half_open", "bad_auth", "closed")
HELLO: Final = bytes.fromhex("1603010200010001fc0303")


class Attempt(asyncio.Protocol):
    """One connection, from its beginning to whatever end."""

    def __init__(self, kind: str, outcomes: Counter[str]) -> None:
        self._kind = kind
        self._outcomes = outcomes
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's are no asyncio.Transport
        self._outcomes["open"] += 1
        self.transport.write(HELLO if self._kind == "half_open" else handshake(self._kind))

    def data_received(self, data: bytes) -> None:
        self._heard += data[: 4_096 - len(self._heard)]
        if b'"authenticated"' in data:
            self._outcomes["got_in"] += 1
        if self._kind == "closed":
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how does not matter
        self._outcomes["open"] -= 1
        self._outcomes[self._heard.split(b" ", 2)[1].decode("ascii", "replace") if self._heard else "dropped"] += 1


def handshake(kind: str) -> bytes:
    key = "APCA-API-KEY-ID: fk_aaaaaaaaaaaaaaaa\r\nAPCA-API-SECRET-KEY: fs_nothing\r\n" if kind == "bad_auth" else ""
    return (
        "GET /v2/sim HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{key}\r\n"
    ).encode()


async def attempt(host: str, port: int, kind: str, source: str, outcomes: Counter[str]) -> Attempt | None:
    loop = asyncio.get_running_loop()
    try:
        _, protocol = await loop.create_connection(
            lambda: Attempt(kind, outcomes), host, port, local_addr=(source, 0)
        )  # fmt: skip
    except OSError:
        outcomes["dropped"] += 1
        return None
    return protocol


async def flood(host: str, port: int, kind: str, rate: float, seconds: float, source: str) -> Counter[str]:
    """Makes the attempts. Where too many are open or under way the next waits: the count tells."""
    outcomes: Counter[str] = Counter(open=0, got_in=0)
    running: set[asyncio.Task[Attempt | None]] = set()
    held: list[Attempt] = []
    began, made = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        while made < elapsed * rate and len(running) + outcomes["open"] < MOST_OPEN:
            task = asyncio.create_task(attempt(host, port, kind, source, outcomes))
            running.add(task)
            task.add_done_callback(running.discard)
            made += 1
        await asyncio.sleep(0.005)
    held += [one for one in await asyncio.gather(*running) if one is not None]
    outcomes["attempts"] = made
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--kind", choices=KINDS, default="silence")
    parser.add_argument("--rate", type=float, default=2_000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--source", default="127.0.0.2", help="The address to come from.")
    asked = parser.parse_args()
    host, _, port = asked.address.rpartition(":")
    outcomes = uvloop.run(flood(host, int(port), asked.kind, asked.rate, asked.seconds, asked.source))
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
