"""The service under test: one Redis, two workers, two gateways, a venue whose truth is known, and its clients.

All are processes of their own, as a user would start them, and each can be broken by itself.
"""

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from feed.bus.embedded import EmbeddedServer, ask
from tests.chaos.audience import Audience
from tests.chaos.checker import SYMBOLS
from tests.chaos.children import Child

PERSISTENCE: dict[str, dict[str, str]] = {
    "always": {"appendonly": "yes", "appendfsync": "always"},
    "default": {"save": "3600 1 300 100 60 10000"},
    "none": {},
}
# Short enough that a client that stalls for some seconds is cut off.
BOUNDS = {"FEED_GATEWAY__SLOW_NOTICE_S": "1", "FEED_GATEWAY__SLOW_CLOSE_S": "3"}
REPLAY_SPEED = 5
TICKING_S = 30.0
REPLAY_WITHIN_S = 600.0
END_S = 60.0
POLL_S = 0.05


class Stage:
    """One run of the service, from the market's opening to its close. What it leaves is in `directory`."""

    def __init__(
        self, directory: Path, persistence: str, seed: int, *, recording: Sequence[Path] = (), rate: float = 250.0
    ) -> None:
        """With `recording` the venue plays these files, five times as fast, instead of the simulator."""
        self.directory = directory
        self.persistence = persistence
        self._seed = seed
        self.symbols: list[str] = []
        self.workers: list[Child] = []
        self.gateways: list[Child] = []
        self.clients: dict[str, Child] = {}
        self._recording = recording
        self._rate = rate
        (directory / "redis").mkdir(parents=True)
        self.redis = _server(directory / "redis", **PERSISTENCE[persistence])
        self._ports = [_free_port(), _free_port()]
        self._stack = ExitStack()

    @property
    def recorded(self) -> bool:
        return bool(self._recording)

    def __enter__(self) -> Self:
        try:
            self._begin()
            self.venue = self._started("venue", *self._venue())
            listening = self.venue.await_line("listening").split()
            self._venue_url = next(word for word in listening if word.startswith("ws://"))
            self.symbols = list(SYMBOLS.values()) if self.recorded else listening[-1].split(",")
            self.gateways = [self._started(f"gateway{number}", *self._gateway(number), **BOUNDS) for number in (0, 1)]
            for gateway in self.gateways:
                gateway.await_line("listening")
        except BaseException:
            self._stack.close()
            raise
        return self

    def _begin(self) -> None:
        self._stack.enter_context(self.redis)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open_market(self) -> None:
        """Starts the workers. A recording begins to play with the first of them."""
        self.workers = [
            self._started(f"worker{number}", *self._worker(), FEED_INGEST__WORKER_ID=f"w{number}") for number in (0, 1)
        ]
        for worker in self.workers:
            worker.await_line("publishing")

    def admit(self, audience: Iterable[Audience]) -> None:
        """Starts clients, by turns on the first and the second gateway, and waits until all have been answered."""
        for index, each in enumerate(audience):
            command = (str(self.journal(each.name)), json.dumps(each.subscribe), "--seed", str(index), *each.more)
            client = Child(each.name, self.directory, "-m", each.program, *command)
            self._stack.callback(client.kill)
            client.start("--gateways", self._urls(index % 2))
            self.clients[each.name] = client
        for name in self.clients:
            self.until(partial(self._subscribed, name), f"{name} has subscribed")

    def journal(self, client: str) -> Path:
        return self.directory / f"{client}.journal"

    def ticking(self, since_bytes: Mapping[str, int]) -> bool:
        """Whether every client's journal has grown."""
        return all(self.journal(name).stat().st_size > size for name, size in since_bytes.items())

    def resume_elsewhere(self, name: str) -> None:
        """Starts a client again that was killed, on the gateway that it was not on."""
        opened = [line for line in self._said(name).splitlines() if b',"open",' in line]
        on = next((index for index in (0, 1) if opened and str(self._ports[index]).encode() in opened[-1]), 0)
        self.clients[name].start("--gateways", self._urls(1 - on))

    def close_market(self) -> list[str]:
        """Ends the market, lets every client hear the rest of it, and ends them; names those that did not end well."""
        if self.recorded:
            self.venue.await_line("finished", REPLAY_WITHIN_S)
        else:
            self.venue.order("close")
        for client in self.clients.values():
            client.order("end")
        deadline = time.monotonic() + END_S
        return [
            name
            for name, client in self.clients.items()
            if client.await_end(max(0.0, deadline - time.monotonic())) != 0
        ]

    def hurry(self, factor: float) -> None:
        """Changes the pace of the simulator's market; a recording has its own."""
        if not self.recorded:
            self.venue.order(f"rate {self._rate * factor}")

    def keep_snapshot(self) -> None:
        """Keeps what Redis has on disk now, so that it can be set back to it."""
        if self.persistence != "always":
            ask(self.redis.port, b"SAVE", timeout_s=5.0)
        shutil.rmtree(self._snapshot, ignore_errors=True)
        shutil.copytree(self.redis.directory, self._snapshot, ignore=shutil.ignore_patterns("server.log"))
        if self.persistence == "none":
            self.forget()

    def forget(self) -> None:
        """Removes what Redis has on disk: `SAVE` writes a file even where persistence is off."""
        (self.redis.directory / "dump.rdb").unlink(missing_ok=True)

    def set_back(self) -> None:
        """Puts what was kept in place of what Redis, which does not run, has on disk."""
        shutil.rmtree(self.redis.directory)
        shutil.copytree(self._snapshot, self.redis.directory)

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = TICKING_S) -> None:
        """Waits for a condition. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            time.sleep(POLL_S)

    @property
    def _snapshot(self) -> Path:
        return self.directory / "snapshot"

    def _subscribed(self, name: str) -> bool:
        return b'"sent"' in self._said(name)

    def _said(self, name: str) -> bytes:
        return self.journal(name).read_bytes() if self.journal(name).exists() else b""

    def _urls(self, first: int) -> str:
        return ",".join(f"ws://127.0.0.1:{self._ports[index]}/v2/binance" for index in (first, 1 - first))

    def _started(self, name: str, *arguments: str, **environment: str) -> Child:
        child = Child(name, self.directory, "-m", *arguments, **environment)
        self._stack.callback(child.kill)
        child.start()
        return child

    def _venue(self) -> Iterable[str]:
        if self.recorded:
            return ("feed", "replay", *map(str, self._recording), "--port", "0", "--speed", str(REPLAY_SPEED))
        truth, rate = str(self.directory / "truth"), str(self._rate)
        return ("tests.chaos.venue", truth, "--symbols", "4", "--rate", rate, "--seed", str(self._seed))

    def _gateway(self, number: int) -> Iterable[str]:
        port = str(self._ports[number])
        return ("feed", "gateway", "--feeds", "binance", "--port", port, "--admin-port", "0", *self._redis())

    def _worker(self) -> Iterable[str]:
        symbols = ("--symbols", ",".join(self.symbols))
        return (
            "feed",
            "ingest",
            "binance",
            "--venue-url",
            self._venue_url,
            *symbols,
            "--admin-port",
            "0",
            *self._redis(),
        )

    def _redis(self) -> Iterable[str]:
        return ("--redis", self.redis.url)


def _server(directory: Path, **options: str) -> EmbeddedServer:
    return EmbeddedServer(directory=directory, **options)  # type: ignore[arg-type]  # all of them are options


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
