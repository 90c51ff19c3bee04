"""Recordings of a venue's frames: the two line formats that recorders write, plain or gzip, read line by line."""

import gzip
import heapq
import io
import re
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

import orjson

from feed.core.ticks import NS_PER_S

GZIP: Final = b"\x1f\x8b"
ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
MAX_LINE_BYTES: Final = 16 * 1024 * 1024  # the largest frame of a venue that anyone reported is 5 MB

SHOWN_BYTES: Final = 60


class Frame(NamedTuple):
    """A frame that the recorder received: when, its text, the same parsed, and the line that holds it."""

    ts_ns: int
    text: bytes
    message: Any
    line: int


class RecordingError(Exception):
    """A file is not a recording of frames, or breaks off or goes wrong at `line` (None where it isn't about a line)."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if line is None else f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class Stamped(NamedTuple):
    ts_ns: int
    text: bytes


NANOSECONDS_LINE = re.compile(rb"([0-9]{18,19}) (.*)", re.DOTALL)
SECONDS_LINE = re.compile(rb"([0-9]{9,10})(?:\.([0-9]{1,9})[0-9]*)?: (.*)", re.DOTALL)
OPENED_LINE = re.compile(rb"\S+ <-> [0-9]{9,10}(?:\.[0-9]+)?")
SENT_LINE = re.compile(rb"\S+ <- [0-9]{9,10}(?:\.[0-9]+)?: .*", re.DOTALL)


def nanoseconds_line(line: bytes) -> Stamped | None:
    """`<nanoseconds> <JSON>`, as hftbacktest's recorder writes. Raises ValueError for anything else."""
    match = NANOSECONDS_LINE.fullmatch(line)
    if match is None:
        raise ValueError("is not `<nanoseconds> <JSON>`")
    return Stamped(int(match[1]), match[2])


def seconds_line(line: bytes) -> Stamped | None:
    """`<seconds>: <JSON>`, as cryptofeed writes; None for its notes of what was opened and sent. Raises ValueError."""
    match = SECONDS_LINE.fullmatch(line)
    if match is not None:
        # Not by way of float: a tenth of a microsecond would be lost.
        return Stamped(int(match[1]) * NS_PER_S + int((match[2] or b"").ljust(9, b"0")), match[3])
    if OPENED_LINE.fullmatch(line) or SENT_LINE.fullmatch(line):
        return None
    raise ValueError("is not `<seconds>: <JSON>`, nor a note of a connection opened or a frame sent")


LineFormat = Callable[[bytes], Stamped | None]


def line_format(line: bytes) -> LineFormat:
    """The format of a file that starts with this line. Raises ValueError, saying what the file looks like instead."""
    for each in (nanoseconds_line, seconds_line):
        try:
            each(line)
        except ValueError:
            continue
        return each
    raise ValueError(f"not a recording of frames, {_looks_like(line)}: {shown(line)}")


def _looks_like(line: bytes) -> str:
    if line.startswith(ZSTANDARD):
        return "but Zstandard data such as DBN"
    if line.startswith((b"{", b"[")):
        return "but a JSON document"
    if line.count(b",") >= 2:
        return "but a CSV table"
    return "whose lines start with the receive time"


def shown(line: bytes) -> str:
    """The beginning of a line, fit for an error message."""
    return repr(line[:SHOWN_BYTES])[1:] + ("..." if len(line) > SHOWN_BYTES else "")


def read(path: Path) -> Generator[Frame, None, None]:
    """A recording's frames in the file's order, at any time one of them in memory. Raises RecordingError."""
    number = 0
    parse: LineFormat | None = None
    try:
        with path.open("rb") as file:
            lines = _unzipped(file)
            while line := lines.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
                if line := line.strip():
                    parse = parse or line_format(line)
                    if (frame := _frame(parse, line, number)) is not None:
                        yield frame
    except ValueError as error:
        raise RecordingError(path, number, str(error)) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(path, number + 1, f"gzip data is damaged: {error}") from None
    except OSError as error:
        raise RecordingError(path, None, error.strerror or str(error)) from None


def _unzipped(file: io.BufferedReader) -> BinaryIO:
    if file.peek(len(GZIP))[: len(GZIP)] != GZIP:
        return file
    return cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=file, mode="rb")))


def _frame(parse: LineFormat, line: bytes, number: int) -> Frame | None:
    try:
        stamped = parse(line)
    except ValueError as error:
        raise ValueError(f"{error}: {shown(line)}") from None
    if stamped is None:
        return None
    try:
        message = orjson.loads(stamped.text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"bad JSON: {error}: {shown(stamped.text)}") from None
    if not isinstance(message, dict | list):
        raise ValueError(f"neither an object nor an array: {shown(stamped.text)}")
    if isinstance(message, dict) and "lastUpdateId" in message and "stream" not in message:
        return None  # a REST snapshot of the book, which the recorder put between the frames
    return Frame(stamped.ts_ns, stamped.text, message, number)


def merge(paths: Sequence[Path]) -> Generator[Frame, None, None]:
    """Frames of all files in the order of their receive times, those of equal time in the order of the files."""
    with ExitStack() as files:
        streams = [files.enter_context(closing(_in_order(path))) for path in paths]
        yield from heapq.merge(*streams, key=lambda frame: frame.ts_ns)


def _in_order(path: Path) -> Generator[Frame, None, None]:
    """A file's frames keep their order: where its clock stepped back, they are taken as received at once."""
    latest = 0
    with closing(read(path)) as frames:
        for frame in frames:
            latest = max(latest, frame.ts_ns)
            yield frame if frame.ts_ns == latest else frame._replace(ts_ns=latest)
