"""The embedded server against the real thing: each server at hand is started, killed, paused and cleaned up."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from feed.bus import embedded
from feed.bus.embedded import EmbeddedError, EmbeddedServer, ask, ping, servers

each_server = pytest.mark.parametrize("binary", servers().values(), ids=servers().keys())


def wait_until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@each_server
def test_starts_answers_and_leaves_nothing(binary: Path) -> None:
    with EmbeddedServer(binary=binary) as server:
        assert ping(server.port)
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        pid, directory = server.pid, server.directory
        assert pid is not None
        assert directory.is_dir()
    assert server.pid is None
    assert not alive(pid)
    assert not directory.exists()


@each_server
@pytest.mark.parametrize(
    ("option", "value"),
    [
        (b"maxmemory-policy", b"noeviction"),
        (b"client-output-buffer-limit", b"pubsub 268435456 67108864 60"),
        (b"save", b"\r\n$0\r\n\r\n"),
        (b"appendonly", b"no"),
    ],
)
def test_is_configured_for_the_bus(binary: Path, option: bytes, value: bytes) -> None:
    with EmbeddedServer(binary=binary) as server:
        assert value in ask(server.port, b"CONFIG GET " + option)


@each_server
def test_kill_and_start_keep_port_and_what_was_saved(binary: Path) -> None:
    with EmbeddedServer(binary=binary, appendonly="yes", appendfsync="always") as server:
        port, first = server.port, server.pid
        assert ask(port, b"SET position 40041") == b"+OK\r\n"
        server.kill()
        assert server.pid is None
        assert not ping(port)
        server.start()
        assert (server.port, ask(port, b"GET position")) == (port, b"$5\r\n40041\r\n")
        assert server.pid != first


@each_server
def test_without_persistence_a_kill_forgets_and_restart_keeps_the_port(binary: Path) -> None:
    with EmbeddedServer(binary=binary) as server:
        port = server.port
        ask(port, b"SET position 1")
        server.kill()
        server.restart()
        assert server.port == port
        assert ask(port, b"GET position") == b"$-1\r\n"


@each_server
def test_paused_it_accepts_and_says_nothing(binary: Path) -> None:
    with EmbeddedServer(binary=binary) as server:
        server.pause()
        with socket.create_connection(("127.0.0.1", server.port), timeout=1.0):
            assert ask(server.port, b"PING", timeout_s=0.2) == b""
        server.resume()
        wait_until(lambda: ping(server.port))
        server.pause()  # stop() must end a server that can't hear
    assert server.pid is None


def test_a_directory_that_was_given_is_kept(tmp_path: Path) -> None:
    with EmbeddedServer(directory=tmp_path, appendonly="yes"):
        pass
    assert (tmp_path / "server.log").exists()


def test_a_port_that_was_given_and_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = EmbeddedServer(port=port)
        with pytest.raises(EmbeddedError, match=rf"did not start on port {port}: .*already in use"):
            server.__enter__()
    assert not server.directory.exists()


def test_a_free_port_that_is_taken_meanwhile_is_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        free = embedded._free_port(65_535)
        choices = iter([taken, free])
        monkeypatch.setattr(embedded, "_free_port", lambda _highest: next(choices))
        with EmbeddedServer() as server:
            assert server.port == free


def test_a_server_of_somebody_else_is_not_taken_for_ours() -> None:
    with EmbeddedServer() as first:
        second = EmbeddedServer(port=first.port)
        with pytest.raises(EmbeddedError, match="already in use"):
            second.__enter__()
        assert ping(first.port)


def test_a_cluster_node_gets_a_port_with_room_for_its_bus() -> None:
    with EmbeddedServer(cluster_enabled="yes") as server:
        assert server.port <= 55_535
        assert b"cluster_state:" in ask(server.port, b"CLUSTER INFO")


def test_a_wrong_option_is_reported_in_the_servers_words() -> None:
    server = EmbeddedServer(no_such_option="1")
    with pytest.raises(EmbeddedError, match="did not start on port"):
        server.__enter__()
    assert not server.directory.exists()


def test_starting_twice_is_refused() -> None:
    with EmbeddedServer() as server, pytest.raises(EmbeddedError, match="runs already"):
        server.start()


def test_signals_need_a_process() -> None:
    server = EmbeddedServer()
    with pytest.raises(EmbeddedError, match="SIGSTOP"):
        server.pause()
    server.stop()


def test_without_any_server_both_remedies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "servers", dict)
    with pytest.raises(EmbeddedError, match=r"feed\[demo\].*redis-server"):
        EmbeddedServer()


def test_without_the_wheel_the_path_is_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert servers() == {}
    (tmp_path / "redis-server").write_text("#!/bin/sh\n")
    (tmp_path / "redis-server").chmod(0o755)
    assert servers() == {"redis": tmp_path / "redis-server"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_dies_with_its_parent() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from feed.bus.embedded import EmbeddedServer; import time\n"
            "s = EmbeddedServer(); s.start(); print(s.pid, s.directory, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        pid, directory = parent.stdout.readline().split()
        assert alive(int(pid))
        os.kill(parent.pid, signal.SIGKILL)
        wait_until(lambda: not alive(int(pid)))
    for left in Path(directory).iterdir():
        left.unlink()
    Path(directory).rmdir()
