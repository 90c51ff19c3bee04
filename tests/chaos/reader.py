"""What both kinds of chaos client share: command line, journal, orders, and the rule by which they end."""

import argparse
import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.chaos import journal
from tests.chaos.orders import obey
from tests.chaos.places import Places

# The market is closed: so long without a tick, connected, and a client has all that will come.
QUIET_S = 2.0
END_WITHIN_S = 45.0
POLL_S = 0.1
FRAMES_BETWEEN_PLACES = 500  # so that who is started again has little to read


class Reader:
    """One client process: what it was asked for, where it stands, and its journal, which outlives it.

    Orders: `cut` breaks its connection, `end` ends it once it is quiet. A slow one takes `slow_s` over each frame,
    until `end`.
    """

    def __init__(self, asked: argparse.Namespace) -> None:
        self.urls: list[str] = asked.gateways.split(",")
        self.subscription: dict[str, Any] = json.loads(asked.subscribe)
        self.receive_bytes: int = asked.receive_bytes
        self.seed: int = asked.seed
        self.slow_s: float = asked.slow_s
        self.places = Places()
        self.noted: dict[str, Any] = {}  # what the project's own client gave as its positions
        self.ending = False
        self.connected = False
        self.tick_at = time.monotonic()
        self.cut: Callable[[], None] = self.break_sockets
        self.path = Path(asked.journal)
        self._frames = 0
        for line in journal.read_from_last(self.path, "places"):
            if line.what == "places":
                self.places.at, self.noted = (
                    {key: (at[0], at[1]) for key, at in line.content[0].items()},
                    line.content[1],
                )
            for message in line.content if line.what == "frame" else ():
                self._take(message)
        self.journal = journal.Journal(self.path)
        self.journal.write("start", self.path.stem)

    def heard(self, messages: list[dict[str, Any]]) -> None:
        """Moves on; the frame is in the journal already."""
        for message in messages:
            self._take(message)
            if message["T"] in ("t", "q", "b"):
                self.tick_at = time.monotonic()
        self._frames += 1
        if self._frames % FRAMES_BETWEEN_PLACES == 0:
            self.journal.write("places", self.places.at, self.noted)

    def _take(self, message: dict[str, Any]) -> None:
        self.places.take(message)
        self.noted |= message.get("stands", {})

    def break_sockets(self) -> None:
        """Shuts this process's connections to the gateways, whoever holds them: the peer sees the connection break."""
        ports = {int(url.split(":")[2].split("/")[0]) for url in self.urls}
        for name in os.listdir("/proc/self/fd"):
            try:
                if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                    continue
                with socket.socket(fileno=os.dup(int(name))) as copy:
                    if copy.family == socket.AF_INET and copy.getpeername()[1] in ports:
                        copy.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed meanwhile, or not connected: there is nothing to break

    async def run(self, read: Callable[[], Coroutine[Any, Any, None]]) -> int:
        """Reads until it was told to end and is quiet; exit code 3 where that does not come about in time."""
        reading = asyncio.create_task(read())
        obeying = asyncio.create_task(obey({"cut": lambda _: self.cut(), "end": lambda _: self._end()}))
        quiet = asyncio.create_task(self._quiet())
        done, pending = await asyncio.wait({reading, obeying, quiet}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)
        for task in done:
            task.result()
        if quiet not in done or not quiet.result():
            return 3
        self.journal.write("end")
        return 0

    def _end(self) -> None:
        self.ending = True
        self.slow_s = 0.0

    async def _quiet(self) -> bool:
        deadline = None
        while deadline is None or time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            if self.ending:
                deadline = deadline or time.monotonic() + END_WITHIN_S
                if not self.connected:
                    self.tick_at = time.monotonic()
                if time.monotonic() - self.tick_at > QUIET_S:
                    return True
        return False


def reader_of(description: str | None) -> Reader:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("journal")
    parser.add_argument("subscribe", help='what to subscribe to, as JSON: {"trades": ["*"], "rate": 5}')
    parser.add_argument("--gateways", required=True, help="their URLs, separated by commas; the first comes first")
    parser.add_argument("--slow-s", type=float, default=0.0)
    parser.add_argument("--receive-bytes", type=int, default=0, help="SO_RCVBUF, 0 for the system's own")
    parser.add_argument("--seed", type=int, default=1)
    return Reader(parser.parse_args())


def run(reader: Reader, read: Callable[[], Coroutine[Any, Any, None]]) -> None:
    sys.exit(asyncio.run(reader.run(read)))
