"""haproxy in front of the gateways: started with the deployed settings, told of gateways as they come and go."""

import asyncio
import csv
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feed.lifecycle import dies_with_parent
from tests.integration.rollout.settings import SLOTS, fitted

POLL_S = 0.05
ANSWERS_WITHIN_S = 10.0
STOP_S = 10.0
BACKLOG = 1024


class Proxy:
    """A running haproxy. `port` is where clients connect."""

    def __init__(self, port: int, control: Path, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self._control = control
        self._process = process
        self._free = [f"gateways/place-{number}" for number in range(SLOTS)]

    @property
    def pid(self) -> int:
        return self._process.pid

    async def add(self, port: int, admin_port: int) -> str:
        """Sends clients to one more gateway, which is ready; answers its place, once the proxy counts it in."""
        place = self._free.pop(0)
        await self._tell(f"set server {place} addr 127.0.0.1 port {port}")
        await self._tell(f"set server {place} check-port {admin_port}")
        await self._tell(f"set server {place} state ready")
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        while (await self.state(place))["status"] != "UP":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{place} does not come up: {await self.state(place)}")
            await asyncio.sleep(POLL_S)
        return place

    async def remove(self, place: str) -> None:
        """Forgets a gateway that has ended."""
        await self._tell(f"set server {place} state maint")

    async def state(self, place: str) -> dict[str, str]:
        """What the proxy says of a place: `status`, `scur` (connections now), `stot` (all so far), ..."""
        backend, _, name = place.partition("/")
        lines = (await self._tell("show stat")).lstrip("# ").splitlines()
        return next(row for row in csv.DictReader(lines) if (row["pxname"], row["svname"]) == (backend, name))

    async def _tell(self, command: str) -> str:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(self._control)
            writer.write(f"{command}\n".encode())
            answer = (await reader.read()).decode().strip()
            writer.close()
            await writer.wait_closed()
        if command.startswith("set ") and ("ERR" in answer or "nvalid" in answer or "No such" in answer):
            raise RuntimeError(f"haproxy: {command}: {answer}")
        return answer


@contextmanager
def proxy(deployed: Path, folder: Path) -> Iterator[Proxy]:
    """haproxy with the settings of the file `deployed`, at a free port, ended with the block."""
    control, config = folder / "control", folder / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as entrance:
        config.write_text(fitted(deployed.read_text(), entrance.fileno(), str(control)))
        with open(folder / "haproxy.log", "wb") as log:
            process = subprocess.Popen(
                ["haproxy", "-db", "-f", config], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                pass_fds=(entrance.fileno(),), preexec_fn=dies_with_parent(),
            )  # fmt: skip
        try:
            deadline = time.monotonic() + ANSWERS_WITHIN_S
            while not control.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"haproxy did not start: {(folder / 'haproxy.log').read_text()}")
                time.sleep(POLL_S)
            yield Proxy(entrance.getsockname()[1], control, process)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)
