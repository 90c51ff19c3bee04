"""A client's journal: one line for each thing that it did, received or was told, in order, surviving its own kill.

A line is a JSON array: time in nanoseconds, what it is, and its content.

    start   [name]                  a client process began; the same name again is the same client, killed and resumed
    open    [url]                   a connection is up
    sent    [command]               a command went out
    frame   [message, ...]          a frame came in, as it came
    places  [where the client stands, what its library says of that]; only to save reading all from the start
    lost    [why, close code|null]  the connection ended, or never came up
    end     []                      the client ended in good order: it had seen no tick for a while

A client that subscribes to streams by name or `*` expects every tick of them from the position in the answer on, over
all its lives, until `end`.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple


class Line(NamedTuple):
    at_ns: int
    what: str
    content: list[Any]


class Journal:
    """Writes one. Each line is handed to the kernel at once, which keeps it when this process is killed."""

    def __init__(self, path: Path) -> None:
        _mend(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, what: str, *content: Any) -> None:
        self.raw(what, json.dumps(content))

    def raw(self, what: str, array: str) -> None:
        """`array` is the content as JSON already, such as a frame's own text."""
        data = f'[{time.time_ns()},"{what}",{array}]\n'.encode()
        while data:
            data = data[os.write(self._file, data) :]

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> Iterator[Line]:
    """The lines, numbers with a point as Decimal. Half a line at the end, of a client that was killed, is left out."""
    with open(path, "rb") as lines:
        yield from _parsed(lines)


def read_from_last(path: Path, what: str) -> Iterator[Line]:
    """The last line of that kind and those after it; all lines where there is none, or no journal yet."""
    data = path.read_bytes() if path.exists() else b""
    begin = data.rfind(b"\n", 0, max(0, data.rfind(f',"{what}",'.encode()))) + 1
    yield from _parsed(data[begin:].splitlines(keepends=True))


def _parsed(lines: Iterable[bytes]) -> Iterator[Line]:
    for line in lines:
        if not line.endswith(b"\n"):
            return
        at_ns, what, content = json.loads(line, parse_float=Decimal)
        yield Line(at_ns, what, content)


def _mend(path: Path) -> None:
    """Cuts half a line off the end, or what is written next would join it."""
    if path.exists():
        data = path.read_bytes()
        os.truncate(path, data.rfind(b"\n") + 1)
