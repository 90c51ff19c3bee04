"""Child processes of a command: given its settings, started so that they outlive nothing, watched, ended in order."""

import asyncio
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Self

from feed.cli.options import variable
from feed.lifecycle import dies_with_parent

if TYPE_CHECKING:
    from feed.settings.sources import Settings

LAST_WORDS: Final = 20  # lines of a dead child's stderr that are worth reading
LINE_BYTES: Final = 1 << 20
PROBE_S: Final = 0.05
ADDRESS: Final = re.compile(r"(?:http|ws)s?://\S+")


class Child:
    """A `feed` command that runs as a process of its own session: Ctrl-C at the terminal doesn't reach it, its parent's
    death does."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, forward: bool) -> None:
        self.name = name
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._process = process
        self._forward = forward
        self._announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = [asyncio.create_task(self._read_stdout()), asyncio.create_task(self._read_stderr())]

    @classmethod
    async def start(cls, command: str, *arguments: str, environment: Mapping[str, str], forward: bool) -> Self:
        """Starts `feed COMMAND ARGUMENTS`. `forward` sends its log on to our stderr, each line with its name."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "feed",
            command,
            *arguments,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
        return cls(command, process, forward)

    async def announced(self) -> list[str]:
        """The addresses in the line by which it says that it is ready. Waits for ever if it never does."""
        return ADDRESS.findall(await asyncio.shield(self._announced))

    async def ended(self) -> int:
        """Its exit code, once it is gone and its last words are read."""
        code = await self._process.wait()
        await asyncio.gather(*self._reading)
        return code

    async def stop(self, within_s: float) -> None:
        """SIGTERM, and SIGKILL for one that is still there after `within_s`."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self.ended()

    async def _read_stdout(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:  # read to the end: a full pipe would stop it
            if not self._announced.done():
                self._announced.set_result(line.decode(errors="replace").strip())

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            text = line.decode(errors="replace").rstrip()
            self.last_words.append(text)
            if self._forward:
                print(f"{self.name}: {text}", file=sys.stderr, flush=True)


async def until_ready(admin: str) -> None:
    """Waits until /readyz at this address answers 200."""
    host, _, port = admin.removeprefix("http://").rpartition(":")
    while not await _ready(host.strip("[]"), int(port)):  # noqa: ASYNC110  it is another process
        await asyncio.sleep(PROBE_S)


async def _ready(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def environment_of(settings: "Settings") -> dict[str, str]:
    """The environment in which another `feed` command has the same settings."""
    from pydantic import SecretStr

    from feed.settings.words import knobs

    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("FEED_")}
    for key in knobs():
        section, _, name = key.partition(".")
        value = getattr(getattr(settings.values, section), name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        environment[variable(key)] = value if isinstance(value, str) else json.dumps(value)
    return environment
