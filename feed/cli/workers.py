"""A gateway's worker process as its parent sees it: started, listened to, asked how it is, ended."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Self

from feed.cli.reports import ASK, MOST_ASKED, STOP, Listening, Refusal, Report, read
from feed.lifecycle import dies_with_parent

# A process imports what it needs in about a second of CPU; on a busy machine, behind others that start, in many.
STARTS_WITHIN_S: Final = 30.0
PROBE_S: Final = 1.0
# Ten seconds of silence: its clients have missed ten heartbeats by then, and the kernel goes on sending it its share of
# the new ones. A busy worker's loop stands still for tenths of a second. Counted in probes, not on the clock, so that a
# parent that was itself stopped does not take its workers for dead.
MISSED_IS_HUNG: Final = 10
# One answer may be on its way when the next question is asked.
MISSED_IS_SILENT: Final = 2


# How a worker can end, as a metric's label.
WAYS: Final = ("hung", "refused", "killed", "exited")


class End(NamedTuple):
    """How a worker ended: one of WAYS, why in a word or two, its exit code (negative: the signal), what it was
    refused."""

    way: str
    cause: str
    code: int
    refusal: Refusal | None


class Worker:
    """One worker process. It dies with this one. `listens` is called when it begins to listen."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        listens: Callable[[], None],
    ) -> None:
        self.listening = asyncio.Event()
        self.report: Report | None = None
        self._listens = listens
        self._process = process
        self._reader = reader
        self._writer = writer
        self._refusal: Refusal | None = None
        self._asked: deque[asyncio.Future[bool]] = deque()
        self._reports = 0
        self._missed = 0
        self._hung = False

    @classmethod
    async def start(cls, number: int, environment: Mapping[str, str], listens: Callable[[], None]) -> Self:
        """Starts `feed gateway` as worker `number`. Its log goes where ours goes."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "feed", "gateway", "--worker", str(number),
                env=dict(environment),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at the terminal is for the parent to pass on, once
                preexec_fn=dies_with_parent(),
            )  # fmt: skip
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return cls(process, reader, writer, listens)

    @property
    def up(self) -> bool:
        """Whether it listens, and answers."""
        return self.listening.is_set() and self._missed < MISSED_IS_SILENT

    @property
    def not_ready(self) -> str:
        """Why it should get no clients, though it listens; "" where all is well."""
        if self._missed >= MISSED_IS_SILENT:
            return "does not answer"
        return "starts" if self.report is None else self.report.not_ready

    async def ended(self) -> End:
        """Watches it until its end, and kills one that hangs, or where this is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read())
                watching = group.create_task(self._watch())
                code = await self._process.wait()
                watching.cancel()
                await reading  # what it said before it died
            return self._end(code)
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            self._writer.close()
            with contextlib.suppress(ConnectionError):  # it died with a question unread
                await self._writer.wait_closed()

    def stop(self) -> None:
        """Tells it to let its clients go, and end."""
        # Not by a signal: systemd sends one to every process of a service, and a second one ends a gateway at once.
        self._writer.write(STOP)

    async def asked(self, within_s: float) -> None:
        """Asks how it is; returns when `report` is newer than this call, or after `within_s`."""
        answer = self._ask()
        if answer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await answer

    def _ask(self) -> asyncio.Future[bool] | None:
        if len(self._asked) >= MOST_ASKED or self._reader.at_eof():
            return None
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        self._writer.write(ASK)
        return answer

    async def _read(self) -> None:
        while (message := await read(self._reader)) is not None:
            match message:
                case Listening():
                    self.listening.set()
                    self._listens()
                case Refusal():
                    self._refusal = message
                case Report():
                    self.report = message
                    self._reports += 1
                    self._answered()
        while self._asked:
            self._answered()

    def _answered(self) -> None:
        answer = self._asked.popleft()
        if not answer.done():
            answer.set_result(True)

    async def _watch(self) -> None:
        """Asks it now and then, and kills it once it has not answered for too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTS_WITHIN_S):
                await self.listening.wait()
        while self.listening.is_set() and self._missed < MISSED_IS_HUNG:
            before = self._reports
            self._ask()
            await asyncio.sleep(PROBE_S)
            self._missed = 0 if self._reports > before else self._missed + 1
        self._hung = True
        self._process.kill()

    def _end(self, code: int) -> End:
        if self._hung:
            way = cause = "hung"
        elif self._refusal is not None:
            way = cause = "refused"
        elif code < 0:
            way, cause = "killed", signal.Signals(-code).name
        else:
            way, cause = "exited", f"exit {code}"
        return End(way, cause, code, self._refusal)
