"""The services of compose.yaml as processes of this machine, by their own commands, environment, files and order.

Each has a loopback address of its own in place of a container's, and so its own ports. Volumes are folders; where a
container's file names another one or a service, a copy names what stands for it. What Grafana does isn't played: there
is no Grafana to be had where there is no engine.
"""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from feed.bus.embedded import servers
from feed.lifecycle import dies_with_parent
from tests.deploy.composed import COMPOSE, IMAGE, ROOT, Service, environment, mounts, seconds, services

LAST_WORDS: Final = 2_000
PLAYED: Final = {"setup", "check", "redis", "ingest-sim", "ingest-binance-1", "ingest-binance-2", "gateway-1",
                 "gateway-2", "proxy", "prometheus"}  # fmt: skip
# What Compose's name server would be asked.
NAMES: Final = re.compile(rf"(?<![\w.-])({'|'.join(sorted(PLAYED))})(?=:\d)")


def programs() -> dict[str, Path]:
    """What stands for the images, by the command that a service names."""
    found = {name: Path(path) for name in ("haproxy", "prometheus") if (path := shutil.which(name))}
    return found | {"valkey-server": next(iter(servers().values()))}


class Native:
    """The services, not yet running. `variables` are those that one gives to Compose."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self.folder = folder
        block = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}"
        self.addresses = {name: f"{block}.{10 + number}" for number, name in enumerate(sorted(PLAYED))}
        # the proxy's address is believed: on loopback that is the one from which all connections come
        given = {"EDGE_SUBNET": "127.0.0.1/32", **variables}
        self.services = {name: each for name, each in services(variables=given).items() if name in PLAYED}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def path(self, inside: str) -> Path:
        """What stands for a container's folder or file that is a volume or in one."""
        return self.folder / inside.lstrip("/")

    def words(self, name: str) -> str:
        """What a service said last."""
        return self.path(f"{name}.log").read_text(errors="replace")[-LAST_WORDS:]

    def start(self, name: str) -> None:
        """Starts a service, after those that it waits for."""
        if name in self.running:
            return
        service = self.services[name]
        for needed, how in service.get("depends_on", {}).items():
            self.start(needed)
            self._wait(needed, how["condition"])
        for where, what in mounts(service).items():
            if not what.startswith("."):
                self.path(where).mkdir(parents=True, exist_ok=True)
        with open(self.path(f"{name}.log"), "ab") as log:
            self.running[name] = subprocess.Popen(
                self._command(name), env=self.environment(name), cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=dies_with_parent(),
            )  # fmt: skip

    def stop(self, name: str) -> int:
        """Ends a service as Compose does; its exit code. Raises subprocess.TimeoutExpired where that takes too long."""
        process = self.running.pop(name)
        # haproxy's image says so itself
        process.send_signal(signal.SIGUSR1 if name == "proxy" else signal.SIGTERM)
        try:
            return process.wait(seconds(self.services[name].get("stop_grace_period", "10s")))
        finally:
            process.kill()
            process.wait()

    def healthy(self, name: str) -> bool:
        """What its health check says now."""
        _, program, *arguments = self.services[name]["healthcheck"]["test"]
        if program == "feed":
            command = [sys.executable, "-m", "feed", *arguments]
            return subprocess.run(command, env=self.environment(name), cwd=ROOT, capture_output=True).returncode == 0
        if program == "valkey-cli":
            return b"PONG" in self.ask_redis(arguments[-1])
        assert program == "wget"
        return self.get(arguments[-1].replace("127.0.0.1", self.addresses[name])) is not None

    def get(self, url: str) -> bytes | None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                content: bytes = answer.read()
                return content
        except (urllib.error.URLError, ConnectionError):
            return None

    def ask_redis(self, command: str) -> bytes:
        """As nobody in particular."""
        try:
            with socket.create_connection((self.addresses["redis"], 6379), timeout=5) as connection:
                connection.sendall(f"{command}\r\n".encode())
                return connection.recv(65_536)
        except OSError:
            return b""

    def environment(self, name: str) -> dict[str, str]:
        """The service's own, and the project's code; a container's 0.0.0.0 is its address."""
        told = {each: self._here(value, name) for each, value in environment(self.services[name]).items()}
        outside = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        # a container's name is its host's, and so its worker's
        named = {"FEED_INGEST__WORKER_ID": name} if name.startswith("ingest") else {}
        return outside | told | named

    def _command(self, name: str) -> list[str]:
        service = self.services[name]
        if service["image"] == IMAGE:
            entrypoint = service.get("entrypoint", ["dumb-init", "--", "python3", "-m", "feed"])
            command = [sys.executable, *entrypoint[entrypoint.index("python3") + 1 :], *service["command"]]
        elif name == "prometheus":
            command = [name, *service["command"], f"--web.listen-address={self.addresses[name]}:9090"]
        else:
            command = [*service["command"]]
        told = [self._inside(service, word, name) for word in command]
        if told[0] in ("haproxy", "prometheus", "valkey-server"):
            told[0] = str(programs()[told[0]])
        return told + (["--bind", self.addresses[name]] if name == "redis" else [])

    def _inside(self, service: Service, word: str, name: str) -> str:
        """A word of a command: where it is a mounted file, what stands for that."""
        flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        what = mounts(service).get(value, "")
        if not what.startswith("."):
            return flag + equals + self._here(value, name)
        source = COMPOSE.parent / what
        if source.suffix == ".py":
            return str(source)
        copy = self.path(f"{name}.{source.name}")
        copy.write_text(self._here(source.read_text(), name))
        return f"{flag}{equals}{copy}"

    def _here(self, text: str, name: str) -> str:
        """With the addresses and folders of this machine."""
        text = NAMES.sub(lambda found: self.addresses[found[1]], text)
        text = re.sub(r"^( *bind )(:\d+)", rf"\g<1>{self.addresses[name]}\2", text, flags=re.MULTILINE)
        text = re.sub(r"(?<![\w/.])/(run/feed|data|prometheus)\b", f"{self.folder}/\\1", text)
        text = text.replace("/etc/prometheus/rules", str(COMPOSE.parent / "prometheus"))
        return self.addresses[name] if text == "0.0.0.0" else text

    def _wait(self, name: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            assert self.running[name].wait(30) == 0, self.words(name)
        else:
            assert condition == "service_healthy"
            self.until_healthy(name)

    def until_healthy(self, name: str) -> None:
        """For as long as Compose would wait. Raises TimeoutError."""
        check = self.services[name]["healthcheck"]
        end = time.monotonic() + seconds(check["start_period"]) + check["retries"] * seconds(check["interval"])
        while not self.healthy(name):
            if self.running[name].poll() is not None or time.monotonic() > end:
                raise TimeoutError(f"{name}: {self.words(name)}")
            time.sleep(seconds(check["start_interval"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@contextmanager
def venue(folder: Path) -> Iterator[tuple[str, str]]:
    """A venue on this machine: its URL, and its symbols as feed names them."""
    command = [sys.executable, "-m", "tests.chaos.venue", str(folder / "truth"), "--rate", "250"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_parent()
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            yield next(word for word in said if word.startswith("ws://")), said[-1]
        finally:
            process.kill()
