"""`feed demo` as a user has it: processes that start, say where they are, and leave nothing however they end."""

import gzip
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from feed.bus.embedded import EmbeddedServer, ask, ping
from tests.data import recording

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
    pytest.mark.timeout(120),
]

WITHIN_S = 30.0
FREE_PORTS = ("--port", "0", "--admin-port", "0", "--ingest-admin-port", "0")


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Run:
    """One `feed demo`, and how to find every process that it started."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.folder = folder
        self.mark = f"DEMO_TEST={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        environment = {key: text for key, text in os.environ.items() if not key.startswith("FEED_")}
        self.parent = subprocess.Popen(
            [sys.executable, "-m", "feed", "demo", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | more | {name: value, "TMPDIR": str(folder)},
            start_new_session=True,
        )

    def facts(self) -> dict[str, str]:
        """What it printed once it was ready."""
        assert self.parent.stdout is not None
        facts: dict[str, str] = {}
        while "try" not in facts:
            line = self.parent.stdout.readline()
            assert line, f"ended before it was ready: {self.ended()}"
            name, _, text = line.strip().partition(" ")
            facts[name] = text.strip()
        return facts

    def ended(self) -> tuple[int, str]:
        """Exit code and stderr."""
        _, err = self.parent.communicate(timeout=WITHIN_S)
        return self.parent.returncode, err

    def processes(self) -> dict[str, int]:
        """Every live process of this run, by the command that it runs."""
        found = {}
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and self._is_ours(process):
                words = (process / "cmdline").read_text().replace("\0", " ").split()
                after_feed = words[words.index("feed") + 1 :] if "feed" in words else ["redis"]
                found[after_feed[0]] = int(process.name)
        return found

    def _is_ours(self, process: Path) -> bool:
        try:
            if (process / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return False
            # A Redis writes its title over its environment, but it works in a directory of this run.
            at = os.readlink(process / "cwd")
            return at.startswith(str(self.folder)) or self.mark in (process / "environ").read_text(errors="replace")
        except OSError:
            return False

    def nothing_left(self) -> bool:
        return not self.processes()

    def clean_up(self) -> None:
        for pid in self.processes().values():
            os.kill(pid, signal.SIGKILL)
        self.parent.wait()
        for stream in (self.parent.stdout, self.parent.stderr):
            assert stream is not None
            stream.close()


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[Run] = []

    def start_one(*arguments: str, **more: str) -> Run:
        runs.append(Run(tmp_path, *arguments, **more))
        return runs[-1]

    yield start_one
    for run in runs:
        run.clean_up()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_starts_all_serves_all_and_leaves_nothing(start: Start, number: signal.Signals) -> None:
    run = start(*FREE_PORTS, "--symbols", "3", "--rate", "200")
    facts = run.facts()
    pids = run.processes()
    assert set(pids) == {"demo", "redis", "ingest", "gateway"}
    assert len({os.getsid(pid) for pid in pids.values()}) == 4, "Ctrl-C would reach children before their parent"
    gateway, ingest = facts["gateway"].removesuffix("/metrics"), facts["ingest"].removesuffix("/metrics")
    for admin in (gateway, ingest):
        assert fetch(f"{admin}/healthz") == (200, "ok\n")
        assert fetch(f"{admin}/readyz") == (200, "ready\n")
    assert fetch(facts["page"])[0] == 200
    assert "feed_gateway_connections" in fetch(f"{gateway}/metrics")[1]
    wait_until(
        lambda: re.search(r'feed_publish_ticks_total\{feed="sim"\} [1-9]', fetch(f"{ingest}/metrics")[1]),
        "ticks published",
    )
    assert facts["try"] == f"feed watch {facts['websocket']} AAPL"
    if number is signal.SIGINT:
        os.killpg(run.parent.pid, number)  # as a terminal sends it: to everyone in the foreground
    else:
        run.parent.send_signal(number)
    assert run.ended() == (0, "")
    assert run.nothing_left()
    assert list(run.folder.iterdir()) == []


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_redis_that_is_named_is_used_and_left_running(start: Start, by_variable: bool) -> None:
    with EmbeddedServer() as redis:
        before = redis.pid
        environment = {"FEED_REDIS__URL": redis.url} if by_variable else {}
        run = start(*FREE_PORTS, *(() if by_variable else ("--redis", redis.url)), **environment)
        facts = run.facts()
        assert facts["redis"] == redis.url
        assert set(run.processes()) == {"demo", "ingest", "gateway"}
        assert list(run.folder.iterdir()) == []
        wait_until(lambda: ask(redis.port, b"EXISTS feed:sim:symbols") == b":1\r\n", "ticks in that Redis")
        run.parent.send_signal(signal.SIGINT)
        assert run.ended() == (0, "")
        assert run.nothing_left()
        assert (redis.pid, ping(redis.port)) == (before, True)


def test_a_redis_of_a_file_is_not_used(start: Start, tmp_path: Path) -> None:
    (tmp_path / "feed.toml").write_text('[redis]\nurl = "redis://127.0.0.1:1/0"\n')
    run = start(*FREE_PORTS, "--config", str(tmp_path / "feed.toml"))
    assert run.facts()["redis"] != "redis://127.0.0.1:1/0"
    assert "redis" in run.processes()


def test_real_ticks_take_the_whole_way(start: Start, tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    with gzip.open(recording("binance_spot/btcusdt_20240808.gz")) as whole:
        few.write_bytes(b"".join(islice(whole, 3_000)))
    run = start(*FREE_PORTS, "--replay", str(few))
    facts = run.facts()
    assert set(run.processes()) == {"demo", "redis", "replay", "ingest", "gateway"}
    latest = f"{facts['page']}v2/binance/latest?kind=trades&symbols=BTC/USDT"
    wait_until(lambda: '"S":"BTC/USDT"' in fetch(latest)[1], "a recorded trade at the gateway")
    assert facts["try"].endswith(" BTC/USDT")
    run.parent.send_signal(signal.SIGINT)
    assert run.ended() == (0, "")
    assert run.nothing_left()


def test_a_file_that_is_no_recording_is_one_line(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "no.txt"
    path.write_text("hello\n")
    run = start(*FREE_PORTS, "--replay", str(path))
    code, err = run.ended()
    assert (code, len(err.splitlines())) == (1, 1)
    assert err.startswith(f"feed: {path}:1: ")
    assert run.nothing_left()


def test_a_signal_while_it_starts_leaves_nothing(start: Start) -> None:
    run = start(*FREE_PORTS)
    wait_until(lambda: "ingest" in run.processes(), "ingest started")
    run.parent.send_signal(signal.SIGINT)
    assert run.ended() == (0, "")
    assert run.nothing_left()


def test_killed_it_takes_all_with_it(start: Start) -> None:
    run = start(*FREE_PORTS)
    run.facts()
    run.parent.kill()
    wait_until(run.nothing_left, "all processes gone")
    assert len(list(run.folder.iterdir())) == 1
    following = start(*FREE_PORTS)
    following.facts()
    assert len(list(run.folder.iterdir())) == 1, "what the first one left is still there"
    following.parent.send_signal(signal.SIGINT)
    assert following.ended() == (0, "")
    assert list(run.folder.iterdir()) == []


def test_a_second_signal_kills_it_and_takes_all_with_it(start: Start) -> None:
    run = start(*FREE_PORTS)
    run.facts()
    os.kill(run.processes()["gateway"], signal.SIGSTOP)  # it will not drain
    run.parent.send_signal(signal.SIGINT)
    wait_until(lambda: signal_is_default(run.parent.pid, signal.SIGINT), "the first signal taken")
    run.parent.send_signal(signal.SIGINT)
    assert run.ended()[0] == -signal.SIGINT
    wait_until(run.nothing_left, "all processes gone")


def signal_is_default(pid: int, number: signal.Signals) -> bool:
    caught = re.search(r"SigCgt:\t([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
    assert caught
    return not int(caught[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize(("option", "child"), [("--port", "gateway"), ("--ingest-admin-port", "admin")])
def test_a_port_that_is_taken_is_one_line(start: Start, option: str, child: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = start(*FREE_PORTS, option, str(port))
        code, err = run.ended()
    assert code == 1
    assert len(err.splitlines()) == 1
    assert err.startswith(
        f"feed: {child}: cannot listen on 127.0.0.1:{port}: address already in use; choose another with"
    )
    assert run.nothing_left()


@pytest.mark.parametrize(
    ("child", "line"),
    [
        ("gateway", "feed: gateway ended with exit code -9"),
        ("ingest", "feed: ingest ended with exit code -9"),
        ("redis", "feed: the embedded Redis is gone"),
    ],
)
def test_a_child_that_dies_ends_it(start: Start, child: str, line: str) -> None:
    run = start(*FREE_PORTS)
    run.facts()
    os.kill(run.processes()[child], signal.SIGKILL)
    code, err = run.ended()
    assert (code, err.splitlines()[0]) == (1, line)
    assert run.nothing_left()


def test_a_wrong_setting_is_refused_before_anything_starts(start: Start) -> None:
    run = start("--rate", "fast")
    assert run.ended() == (
        2,
        'feed: sim.ticks_per_s = "fast" (from --rate): must be a number above 0 and up to 1000000\n',
    )
    assert list(run.folder.iterdir()) == []


def test_with_tls_it_makes_a_certificate_and_says_how_to_trust_it(start: Start) -> None:
    run = start(*FREE_PORTS, "--tls", "--symbols", "3")
    facts = run.facts()
    assert facts["page"].startswith("https://")
    assert facts["websocket"].startswith("wss://")
    found = re.fullmatch(r"curl --cacert (\S+) (\S+)", facts["trust"])
    assert found is not None
    assert found[2] == facts["page"]
    assert facts["try"].endswith(f" --ca {found[1]}")
    trust = ssl.create_default_context(cafile=found[1])
    with urllib.request.urlopen(facts["page"], timeout=5, context=trust) as answer:
        assert answer.status == 200
    run.parent.send_signal(signal.SIGINT)
    assert run.ended() == (0, "")
    assert not Path(found[1]).exists()
