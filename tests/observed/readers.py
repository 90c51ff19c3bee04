"""Independent clients of the service, of each sort that there is; they count what they get."""

import asyncio
import contextlib
import json
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

ECHO_S: Final = 0.2
DATA: Final = frozenset("tqb")
Message = dict[str, Any]


class Reader:
    """One client: what it asks for, and what it was given."""

    def __init__(
        self,
        url: str,
        wants: Mapping[str, Any],
        *,
        packed: bool = False,
        depth: int = 2,
        echoes: bool = False,
        headers: Mapping[str, str] | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url
        self.wants = dict(wants)
        self.packed, self.depth, self.echoes = packed, depth, echoes
        self._headers = dict(headers or {})
        self._trust = trust
        self.up = False
        self.got: Counter[str] = Counter()
        """Messages by type."""
        self.delays_s: list[float] = []
        """Of each stamped message, from publishing to here."""
        self.missing = 0
        """Ticks that gaps said it lacks."""
        self.positions: dict[str, Message] = {}
        self.reads = asyncio.Event()
        """Cleared, it leaves its socket unread."""
        self.reads.set()

    @property
    def delivered(self) -> int:
        return sum(self.got[kind] for kind in DATA)

    async def run(self) -> None:
        """Reads until cancelled or closed."""
        async with self.connection() as socket:
            await self.read(socket, self.wants)

    def connection(self) -> connect:
        encoding = "msgpack" if self.packed else "json"
        protocols = [Subprotocol(f"feed.v1.{encoding}")] if self.depth == 2 else None
        headers = dict(self._headers)
        if self.packed and self.depth == 1:
            headers["Content-Type"] = "application/msgpack"
        return connect(
            self.url, subprotocols=protocols, compression=None, proxy=None, max_size=None, ssl=self._trust,
            additional_headers=headers, close_timeout=1.0,
        )  # fmt: skip

    async def read(self, socket: ClientConnection, wants: Mapping[str, Any]) -> None:
        await self.send(socket, {"action": "subscribe", **wants})
        echoed = 0.0
        try:
            async for frame in socket:
                now = time.time()
                await self.reads.wait()
                last = self._take(frame, now)
                if self.echoes and last is not None and now - echoed > ECHO_S:
                    echoed = now
                    await self.send(socket, {"action": "echo", "tw": last})
        finally:
            self.up = False

    async def send(self, socket: ClientConnection, message: Message) -> None:
        await socket.send(msgpack.packb(message) if self.packed else json.dumps(message))

    def _take(self, frame: str | bytes, now: float) -> int | None:
        """Counts a frame's messages; the last one's `tw`, to be echoed."""
        last = None
        for message in msgpack.unpackb(frame) if isinstance(frame, bytes) else json.loads(frame):
            self.got[message["T"]] += 1
            if message["T"] == "subscription":
                self.up = True
                for stream, position in message.get("streams", {}).items():
                    self.positions[stream] = {"epoch": position["epoch"], "seq": position["seq"]}
            elif message["T"] == "gap":
                first, last = message.get("ids") or (message["from"], message["to"])
                self.missing += last - first + 1
            elif message["T"] == "epoch":
                self.positions[message["stream"]] = {"epoch": message["epoch"], "seq": message["seq"] - 1}
            if "tp" in message:
                self.delays_s.append(now - message["tp"] / 1e6)
            last = message.get("tw", last)
            if message["T"] == "t" and (position := self.positions.get(f"trades:{message['S']}")):
                position["seq"] = message.get("q", position["seq"])
        return last


class Returning(Reader):
    """Goes every `stays_s` seconds, and resumes where it stood, or where it stood when it came first."""

    def __init__(self, *arguments: Any, stays_s: float = 1.0, from_first: bool = False, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._stays_s = stays_s
        self._from_first = from_first
        self._first: dict[str, Message] = {}

    async def run(self) -> None:
        while True:
            since = {name: dict(at) for name, at in (self._first or self.positions).items() if at["epoch"]}
            async with self.connection() as socket:
                wants = {**self.wants, **({"since": since} if since else {})}
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._stays_s):
                        await self.read(socket, wants)
            if self._from_first and not self._first:
                self._first = {name: dict(at) for name, at in self.positions.items()}


class Refused(Reader):
    """Comes every second, and is turned away or told of a mistake."""

    async def run(self) -> None:
        while True:
            try:
                async with self.connection() as socket, asyncio.timeout(2.0):
                    await self.read(socket, self.wants)
            except (InvalidStatus, ConnectionClosed, TimeoutError):
                self.got["refused"] += 1
            await asyncio.sleep(1.0)
