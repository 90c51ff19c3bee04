"""What one connection was sent, for whoever reads the log at level debug; where nobody does there is no diary."""

import logging
import time
from collections.abc import Callable
from typing import Any, Self


class Diary:
    """Stands before a transport's `write`, and counts the frames of data that go through."""

    __slots__ = ("_began", "_bytes", "_frames", "_write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._began = time.monotonic()
        self._frames = 0
        self._bytes = 0

    @classmethod
    def wanted(cls, write: Callable[[bytes], None], logger: str) -> Self | None:
        """A diary, if that logger tells what is of level debug."""
        return cls(write) if logging.getLogger(logger).isEnabledFor(logging.DEBUG) else None

    def write(self, data: bytes) -> None:
        self._frames += 1
        self._bytes += len(data)
        self._write(data)

    def told(self) -> dict[str, Any]:
        return {"lived_s": round(time.monotonic() - self._began, 3), "frames": self._frames, "bytes": self._bytes}
