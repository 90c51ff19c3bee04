"""A real master with a replica and three Sentinels that watch them, of Valkey or Redis, on this machine."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from feed.bus.embedded import HOST, EmbeddedServer, ask
from feed.lifecycle import dies_with_parent

SERVICE = "market"
READY_WITHIN_S = 20.0
POLL_S = 0.02
CONFIGURATION = """\
port {port}
bind 127.0.0.1
dir {directory}
sentinel monitor {service} 127.0.0.1 {master} 2
sentinel down-after-milliseconds {service} 500
sentinel failover-timeout {service} 5000
"""


class Watched:
    """`servers` are the master of the start and its replica."""

    def __init__(self, servers: Sequence[EmbeddedServer], ports: Sequence[int]) -> None:
        self.servers = list(servers)
        self.ports = list(ports)

    @property
    def url(self) -> str:
        return f"redis+sentinel://{','.join(f'{HOST}:{port}' for port in self.ports)}/{SERVICE}"

    def master(self) -> EmbeddedServer | None:
        """The master, as the first Sentinel has it."""
        answer = ask(self.ports[0], f"SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}".encode()).split(b"\r\n")
        return next((each for each in self.servers if str(each.port).encode() in answer), None)

    def ready(self) -> bool:
        """Whether each Sentinel knows the replica and the other Sentinels."""
        for port in self.ports:
            words = ask(port, f"SENTINEL MASTER {SERVICE}".encode()).split(b"\r\n")
            known = dict(zip(words[2::4], words[4::4], strict=False))
            if (known.get(b"num-slaves"), known.get(b"num-other-sentinels")) != (b"1", b"2"):
                return False
        return True


@contextmanager
def watched(binary: Path) -> Iterator[Watched]:
    """Ready to fail over; ended with the block."""
    with (
        EmbeddedServer(binary=binary, repl_diskless_sync_delay="0") as master,
        EmbeddedServer(binary=binary, replicaof=f"{HOST} {master.port}") as replica,
        ExitStack() as stack,
    ):
        ports = [stack.enter_context(_watching(binary, master.port)) for _ in range(3)]
        found = Watched((master, replica), ports)
        _until(found.ready, "the Sentinels find each other")
        yield found


@contextmanager
def sentinel(binary: Path) -> Iterator[int]:
    """The port of one that knows a master by where it was, and nobody else."""
    with _watching(binary, _free_port()) as port:
        _until(lambda: b"s_down" in ask(port, f"SENTINEL MASTER {SERVICE}".encode()), "it misses its master")
        yield port


@contextmanager
def mistaken(binary: Path, replica: EmbeddedServer) -> Iterator[int]:
    """The port of one that takes a replica for the master, as one that is cut off from the others does after a
    failover: for some twenty seconds it finds nothing wrong."""
    with _watching(binary, replica.port) as port:
        told = f"SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}".encode()
        _until(lambda: str(replica.port).encode() in ask(port, told), "it answers")
        yield port


@contextmanager
def _watching(binary: Path, master: int) -> Iterator[int]:
    """The port of a Sentinel that was told of a master, by its port, and of nobody else."""
    with tempfile.TemporaryDirectory(prefix="feed-sentinel-") as directory:
        port, path = _free_port(), Path(directory, "sentinel.conf")
        path.write_text(CONFIGURATION.format(port=port, directory=directory, service=SERVICE, master=master))
        process = subprocess.Popen(
            [binary, path, "--sentinel"], stdout=subprocess.DEVNULL, preexec_fn=dies_with_parent()
        )
        try:
            yield port
        finally:
            process.kill()
            process.wait()


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
