"""Child processes of the chaos run: steered by words, ended without mercy, never left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from feed.lifecycle import dies_with_parent

READY_S = 30.0
END_S = 10.0
POLL_S = 0.02


class Child:
    """`python ARGUMENTS`, its output in `directory`. It can be started again after its end.

    It dies with the thread that starts it: start it in the main one.
    """

    def __init__(self, name: str, directory: Path, *arguments: str | Path, **environment: str) -> None:
        self.name = name
        self.out = directory / f"{name}.out"
        self.starts = 0
        self._arguments = [str(argument) for argument in arguments]
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._read_from = 0

    def start(self, *more: str) -> None:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FEED_")}
        self._read_from = self.out.stat().st_size if self.out.exists() else 0
        with open(self.out, "ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments, *more],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=inherited | self._environment,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        self.starts += 1

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        return self._process.poll() if self._process else None

    def await_line(self, mark: str, timeout_s: float = READY_S) -> str:
        """The first line since the last start that holds the mark. Raises RuntimeError where none comes."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with open(self.out, errors="replace") as out:
                out.seek(self._read_from)
                said = out.read()
            for line in said.splitlines():
                if mark in line:
                    return line
            if not self.running:
                raise RuntimeError(f"{self.name} ended with {self.code}: {said[-2000:]}")
            time.sleep(POLL_S)
        raise RuntimeError(f"{self.name} said no {mark!r} in {timeout_s:g} s: {said[-2000:]}")

    def order(self, words: str) -> None:
        """A line on its standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(words.encode() + b"\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_S)
            self._close()

    def await_end(self, timeout_s: float) -> int | None:
        """Its exit code; None where it doesn't end in time."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # an order that it did not live to read
                self._process.stdin.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
