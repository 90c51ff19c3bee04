"""Real processes of the service, started as a user starts them, and what they say when they are ready."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from feed.lifecycle import dies_with_parent

STOP_S = 20.0


class Service:
    """One `feed` command, that dies with the thread that started it. `ready` is the line that said so, `said` all that
    it printed up to there."""

    def __init__(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = str(arguments[0])
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FEED_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "feed", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited | dict(environment or {}),
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
        self.errors: list[str] = []
        self.ready = ""
        self.said = ""
        self._readers = [threading.Thread(target=self._read_errors, daemon=True)]
        self._readers[0].start()

    def await_ready(self, mark: str) -> None:
        """Reads its output up to the line that holds `mark`. Raises RuntimeError where it ends before."""
        assert self.process.stdout is not None
        while mark not in self.ready:
            self.ready = self.process.stdout.readline()
            self.said += self.ready
            if not self.ready:
                self.process.wait(STOP_S)
                raise RuntimeError(f"feed {self.name} ended with {self.process.returncode}: {''.join(self.errors)}")
        # what it says from here on is read and let go, or it would block on a full pipe
        drain = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._readers.append(drain)
        drain.start()

    def url(self, scheme: str, before: str = "") -> str:
        """The first address of that scheme in the ready line, after the word `before`."""
        found = re.search(rf"{scheme}://[^\s/]+", self.ready.partition(before)[2] if before else self.ready)
        assert found, f"no {scheme} address in {self.ready!r}"
        return found[0]

    def stop(self) -> int:
        """Ends it as Ctrl-C does; answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_S)
        finally:
            for reader in self._readers:
                reader.join(STOP_S)
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors = [*self.errors[-50:], line]


@contextmanager
def running(mark: str, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """A command, from its ready line to its end."""
    service = Service(*arguments, environment=environment)
    try:
        service.await_ready(mark)
        yield service
    finally:
        service.stop()
