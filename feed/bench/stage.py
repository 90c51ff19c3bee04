"""The processes of one scenario: started where they belong, asked by lines, ended with it."""

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import orjson

from feed.bench.control import LINE_BYTES, Json
from feed.bench.cpu import Cores, pin
from feed.bench.outcome import Outcome
from feed.lifecycle import dies_with_parent

LAST_WORDS: Final = 20
SAID_LINES: Final = 3
SAID_CHARS: Final = 300
STOP_WITHIN_S: Final = 5.0
BLAME_S: Final = 0.5
READY_WITHIN_S: Final = 60.0
ADDRESS: Final = re.compile(r"https?://[^\s:]+:(\d+)")


class ChildDied(Exception):
    """A process of the benchmark ended by itself; its text has what it said last."""

    def __init__(self, name: str, code: int | None, last_words: Sequence[str]) -> None:
        super().__init__("\n  ".join((f"the {name} ended with exit code {code}", *last_words)))


class Child:
    """One process: its first line says that it is ready, later ones answer what it was asked."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._first_line: str | None = None
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls, name: str, module: str, *arguments: str, cores: frozenset[int] | None, environment: Mapping[str, str]
    ) -> Self:
        """Starts `python -m MODULE ARGUMENTS` on these cores."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            start_new_session=True,  # Ctrl-C at the terminal is for us, who end it in order
            preexec_fn=_settle(cores),
        )
        return cls(name, process)

    async def ready(self) -> str:
        """Its first line. Raises ChildDied."""
        if self._first_line is None:
            async with asyncio.timeout(READY_WITHIN_S):
                self._first_line = await self._line()
        return self._first_line

    async def ask(self, verb: str, **arguments: object) -> Json:
        """Its answer to `verb`. Raises ChildDied where it ends instead."""
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps({"verb": verb, **arguments}) + b"\n")
        answer: Json = orjson.loads(await self._line())
        return answer

    async def ended(self) -> ChildDied:
        """Waits for its end; says what it was."""
        code = await self._process.wait()
        await asyncio.wait((self._listening,))
        return ChildDied(self.name, code, self.last_words)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that is still there after a while."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await self.ended()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise await self.ended()
        return line.decode()

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.last_words.append(line.decode(errors="replace").rstrip())


class Stage:
    """Where a scenario's processes stand. Leaving it ends them, the last one first."""

    def __init__(self, cores: Cores) -> None:
        self.cores = cores
        self._stack = AsyncExitStack()
        self._children: list[Child] = []
        self._watching: set[asyncio.Task[None]] = set()
        self._died: asyncio.Future[ChildDied] = asyncio.get_running_loop().create_future()

    async def under_test(self, name: str, module: str, *arguments: str, **environment: str) -> Child:
        """Starts one of the processes that are measured."""
        return await self._start(name, module, arguments, self.cores.under_test, environment)

    async def anywhere(self, name: str, module: str, *arguments: str, **environment: str) -> Child:
        """Starts a process under test that takes as many cores as it finds."""
        both = self.cores.under_test, self.cores.others
        every = None if both[0] is None or both[1] is None else both[0] | both[1]
        return await self._start(name, module, arguments, every, environment)

    async def beside(self, name: str, module: str, *arguments: str) -> Child:
        """Starts one of the processes that measure."""
        return await self._start(name, module, arguments, self.cores.others, {})

    async def until_done(self, measuring: Awaitable[Outcome]) -> Outcome:
        """What `measuring` comes to. Raises ChildDied as soon as one of the processes ends by itself."""
        task = asyncio.ensure_future(measuring)
        try:
            await asyncio.wait((task, self._died), return_when=asyncio.FIRST_COMPLETED)
            if task.done() and not task.cancelled() and task.exception() is not None:
                await asyncio.wait((self._died,), timeout=BLAME_S)  # what failed may have failed for want of a process
            if self._died.done():
                raise self._died.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait((task,))

    def said(self) -> list[str]:
        """What its processes said on stderr."""
        said = [f"{child.name}: {line}" for child in self._children for line in list(child.last_words)[:SAID_LINES]]
        return [line if len(line) <= SAID_CHARS else f"{line[:SAID_CHARS]}..." for line in said]

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watching in self._watching:
            watching.cancel()
        await self._stack.__aexit__(kind, fault, trace)

    async def _start(
        self, name: str, module: str, arguments: Sequence[str], cores: frozenset[int] | None, more: dict[str, str]
    ) -> Child:
        environment = {key: value for key, value in os.environ.items() if not key.upper().startswith("FEED_")} | more
        child = await Child.start(name, module, *arguments, cores=cores, environment=environment)
        watching = asyncio.create_task(self._watch(child))
        self._watching.add(watching)
        self._stack.push_async_callback(child.stop)
        self._children.append(child)
        return child

    async def _watch(self, child: Child) -> None:
        death = await child.ended()
        if not self._died.done():
            self._died.set_result(death)


def _settle(cores: frozenset[int] | None) -> Callable[[], None]:
    ask_kernel = dies_with_parent()

    def settle() -> None:
        if ask_kernel is not None:
            ask_kernel()
        pin(cores)  # before it has threads, which then inherit it

    return settle


def ports(announced: str) -> list[int]:
    """The ports in the line by which a gateway says that it is ready."""
    return [int(port) for port in ADDRESS.findall(announced)]
