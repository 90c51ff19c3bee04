"""What is attacked: a real gateway process that wants keys, with a Redis and a simulator behind it."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from feed.bus.embedded import EmbeddedServer
from tests.chaos.children import Child
from tests.fuzz.frames import Door

# What a log says of an exception that nobody expected.
FAULT = re.compile(
    r'Traceback|"exception":|"level": "(error|critical)"|Unhandled|never retrieved|never awaited|Task was destroyed'
    r"|Exception ignored"
)
HANDSHAKE_TIMEOUT_S = 2.0
TICKS_PER_S = 200
KNOBS = {
    "FEED_GATEWAY__COMPRESSION": "true",
    "FEED_GATEWAY__HANDSHAKE_TIMEOUT_S": str(HANDSHAKE_TIMEOUT_S),
    # all attacks come from one address, and it is what lies behind these two bounds that they shall find
    "FEED_GATEWAY__HANDSHAKES_PER_S": "100000",
    "FEED_GATEWAY__MAX_CONNECTIONS_PER_ADDRESS": "10000",
    "FEED_LOG__FORMAT": "json",
    "FEED_AUTH__MODE": "keys",
}


class Target:
    """Where the gateway listens, who may come in, and how it is."""

    def __init__(self, gateway: Child, key: str, secret: str, ready: str) -> None:
        self._gateway = gateway
        self._read_to = 0
        self.host, port = re.findall(r"http://([\d.]+):(\d+)", ready)[0]
        self.port = int(port)
        self.admin = re.findall(r"admin (http://\S+)", ready)[0]
        self.key, self.secret = key, secret
        self.door = Door(b"APCA-API-KEY-ID: %s\r\nAPCA-API-SECRET-KEY: %s\r\n" % (key.encode(), secret.encode()))

    @property
    def runs(self) -> bool:
        return self._gateway.running

    def faults(self) -> list[str]:
        """Lines of the log since it was last asked that tell of an exception nobody expected."""
        with open(self._gateway.out, errors="replace") as out:
            out.seek(self._read_to)
            said = out.read()
            self._read_to = out.tell()
        return [line for line in said.splitlines() if FAULT.search(line)]

    def resident_bytes(self) -> int:
        assert self._gateway._process is not None
        pages = int(Path(f"/proc/{self._gateway._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def vitals(self) -> dict[str, float]:
        """Metrics, summed over labels."""
        found: dict[str, float] = {}
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if sample := re.fullmatch(r"(\w+)(?:\{.*\})? (\S+)", line):
                    found[sample[1]] = found.get(sample[1], 0.0) + float(sample[2])
        return found


def make_key(key_file: Path) -> tuple[str, str]:
    """A key for everything, and its secret."""
    command = [
        sys.executable,
        "-m",
        "feed",
        "key",
        "create",
        "--name",
        "witness",
        "--key-file",
        str(key_file),
        "--json",
    ]
    made = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)
    return made["key"], made["secret"]


@contextmanager
def target(directory: Path) -> Iterator[Target]:
    """The gateway, from its ready line to its end."""
    key, secret = make_key(directory / "keys.json")
    redis = EmbeddedServer()
    redis.start()
    ports = ("--redis", redis.url, "--admin-port", "0")
    knobs = KNOBS | {"FEED_AUTH__KEY_FILE": str(directory / "keys.json")}
    gateway = Child("gateway", directory, "-m", "feed", "gateway", "--port", "0", "--feeds", "sim", *ports, **knobs)
    ingest = Child("ingest", directory, "-m", "feed", "ingest", "sim", "--rate", str(TICKS_PER_S), *ports)
    with ExitStack() as stack:
        stack.callback(redis.stop)
        stack.enter_context(ingest)
        stack.enter_context(gateway)
        yield Target(gateway, key, secret, gateway.await_line("listening on"))
