"""The load client: a process that holds many connections, counts what they are sent, and samples when it came.

    python -m feed.bench.load

Told by lines on stdin, see `feed.bench.control`. It measures CPU time itself, at the very moments at which it begins
and ends to count.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from feed.bench import frames, samples
from feed.bench.clients import Opening, Tally
from feed.bench.control import Json, Verb, child, named, serve
from feed.bench.cpu import busy_ns, cpu_of
from feed.bench.delays import join
from feed.bench.frames import BAR, QUOTE, TRADE
from feed.bench.pulse import Pulse
from feed.bench.witness import Witness, listen

IN_FLIGHT: Final = 64
OPENS_WITHIN_S: Final = 60.0
QUIET_S: Final = 0.15
MISSING_S: Final = 1.0
ALMOST_ALL: Final = 0.99
POLL_S: Final = 0.01
MARKERS: Final = {"trades": TRADE, "quotes": QUOTE, "bars": BAR}

REQUEST: Final = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
)


class Load:
    """The connections of one system, and what is known of them."""

    def __init__(self) -> None:
        self._tally = Tally(())
        self._openings: list[tuple[Opening, bytes]] = []
        self._witness: Witness | None = None
        self._context: ssl.SSLContext | None = None
        self._stamped = False

    async def connect(
        self, host: str, port: int, path: str, clients: list[list[Any]], kinds: list[str], tls: bool, stamped: bool
    ) -> Json:
        """Opens all connections. A client is [headers, command, how many of them, sampled]; an empty command is none.

        `stamped` says that messages carry their own time, so that no witness is needed.
        """
        self._tally = Tally(tuple(MARKERS[kind] for kind in kinds))
        self._stamped = stamped
        self._context = _trusting() if tls else None
        began = time.monotonic()
        await _in_flight(self._open(host, port, path, *client) for client in _each(clients))
        return {"seconds": time.monotonic() - began}

    async def subscribe(self) -> Json:
        """Sends each client's command and waits for the answers."""
        began = time.monotonic()
        await _in_flight(self._ask(opening, command) for opening, command in self._openings)
        self._openings.clear()
        return {"seconds": time.monotonic() - began}

    async def watch(self, port: int, channels: list[str]) -> Json:
        """Lets a witness listen on these channels of the Redis at this port."""
        self._witness = await listen(port, channels) if channels else None
        return {}

    async def reset(self) -> Json:
        """Counts from nought."""
        tally = self._tally
        tally.frames = tally.messages = tally.bytes = 0
        if self._witness is not None:
            self._witness.take()
        return {}

    async def window(self, seconds: float, every: int, pids: dict[str, list[int]]) -> Json:
        """Counts for so long, and the CPU time that these processes take meanwhile, by name; samples one of `every`."""
        tally, pulse = self._tally, Pulse()
        tally.sample_every(every)
        before, cpu, began = (tally.frames, tally.messages, tally.bytes), cpu_of(pids), time.monotonic_ns()
        busy = busy_ns()
        own = time.process_time_ns()
        await asyncio.sleep(seconds)
        own = time.process_time_ns() - own
        took = time.monotonic_ns() - began
        cpu = {name: after - cpu[name] for name, after in cpu_of(pids).items()}
        busy = busy_ns() - busy
        tally.sample_every(0)
        return {
            "seconds": took / 1e9,
            "frames": tally.frames - before[0],
            "messages": tally.messages - before[1],
            "bytes": tally.bytes - before[2],
            "cpu_ns": cpu,
            "client_cpu_ns": own,
            "busy_ns": busy,
            "loop_delay_ms": pulse.stop(),
        }

    async def settle(self, within_s: float, expected: float) -> Json:
        """Waits until nothing more comes, longer where some is missing; gives all that was counted since `reset`."""
        tally, began = self._tally, time.monotonic()
        seen, since = -1, began
        while (now := time.monotonic()) - began < within_s:
            if now - since > (QUIET_S if tally.messages >= ALMOST_ALL * expected else MISSING_S):
                break
            if tally.messages != seen:
                seen, since = tally.messages, now
            await asyncio.sleep(POLL_S)
        return {
            "frames": tally.frames,
            "messages": tally.messages,
            "bytes": tally.bytes,
            "lost": tally.lost,
            "closed": {str(code): many for code, many in tally.closed.items()},
        }

    async def delays(self) -> Json:
        """Delays in ms of what the last window sampled."""
        kept, self._tally.samples = self._tally.samples, []
        if self._stamped:
            found = samples.stamped(kept)
        elif self._witness is not None:
            found = join(samples.seen(kept), self._witness.take())
        else:
            found = []
        return {"samples": len(kept), "delays_ms": found}

    async def _open(self, host: str, port: int, path: str, headers: str, command: str, sampled: bool) -> None:
        key = base64.b64encode(len(self._openings).to_bytes(16, "big")).decode()
        request = REQUEST.format(path=path, host=host, port=port, key=key, headers=headers).encode()
        opening = Opening(request, self._tally, sampled)
        await asyncio.get_running_loop().create_connection(lambda: opening, host, port, ssl=self._context)
        async with asyncio.timeout(OPENS_WITHIN_S):
            await opening.opened
        self._openings.append((opening, frames.command(command, "msgpack" in headers) if command else b""))

    async def _ask(self, opening: Opening, command: bytes) -> None:
        if not command:
            opening.read()
            return
        opening.transport.write(command)
        async with asyncio.timeout(OPENS_WITHIN_S):
            await opening.subscribed

    def verbs(self) -> dict[str, Verb]:
        told: list[Verb] = [self.connect, self.subscribe, self.watch, self.reset, self.window, self.settle, self.delays]
        return named(told)


def _each(clients: list[list[Any]]) -> Iterator[tuple[str, str, bool]]:
    for headers, command, times, sampled in clients:
        for _ in range(times):
            yield headers, command, sampled


async def _in_flight(tasks: Iterable[Any]) -> None:
    """Awaits all of them, at most IN_FLIGHT at a time."""
    waiting = iter(tasks)

    async def one_after_the_other() -> None:
        for task in waiting:
            await task

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(one_after_the_other())


def _trusting() -> ssl.SSLContext:
    """Takes any certificate: the gateway's was made a moment ago and is nobody's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def main() -> None:
    await serve(Load().verbs(), {"ready": True})


if __name__ == "__main__":
    child(main)
