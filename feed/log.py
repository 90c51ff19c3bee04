"""Log lines on stderr: coloured on a terminal, one JSON object a line elsewhere; libraries' own lines included, and of
each kind no more than a person reads."""

import logging
import sys
import time
from typing import Any, Final, Literal, NamedTuple

import structlog

from feed.core.lines import Lines

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

# Libraries that tell of each request or each new selector at a level that means more to us.
CHATTY: Final = ("aiohttp.access", "asyncio")
# aiohttp reports each request that is no HTTP as an error of ours, with a traceback and the lines that are wrong:
# anybody could fill the log with it, and one who mistypes a header finds his secret there.
SERVER: Final = "aiohttp.server"
BAD_REQUESTS: Final = "aiohttp.http_exceptions"
GONE: Final = "ClientConnectionResetError"  # and each client that leaves before it is answered

log = structlog.get_logger(__name__)


def configure(level: Level = "info", format: Format = "auto", lines_per_10s: int = 20) -> None:
    """Sends structlog's and the standard library's lines of at least `level` to stderr, as one stream.

    Of one event and feed, or of one library's logger, at most `lines_per_10s` are written in 10 s; the next that is
    says how many were `left_out`, and what no line has told at the end of the process is told in a last one. Lines of
    level error are counted apart, and those of debug not at all: who turns them on wants each.
    """
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    output = _Output(lines_per_10s)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[_whole, structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_render(format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger(SERVER).addFilter(_is_ours)


class _Kind(NamedTuple):
    """What a line is counted with: ours by event and feed, which are few; another library's text may be any, and its
    logger counts."""

    name: str
    feed: str
    is_error: bool


class _Output(logging.StreamHandler[Any]):
    """Writes to stderr what is not too much."""

    def __init__(self, most: int) -> None:
        super().__init__(sys.stderr)
        self._lines: Lines[_Kind] = Lines(most)

    def emit(self, record: logging.LogRecord) -> None:
        left_out = 0 if record.levelno < logging.INFO else self._lines.line(_kind(record), time.monotonic())
        if left_out is None:
            return
        if left_out:
            record.left_out = left_out
        super().emit(record)

    def close(self) -> None:
        """Called by the standard library as the process ends."""
        rest: dict[str, int] = {}
        for kind, count in self._lines.rest().items():
            what = f"{kind.name} {kind.feed}".strip()
            rest[what] = rest.get(what, 0) + count
        if rest:
            log.warning("lines_left_out", left_out=sum(rest.values()), events=rest)
        super().close()


def _kind(record: logging.LogRecord) -> _Kind:
    told = record.msg
    name, feed = (told["event"], told.get("feed", "")) if isinstance(told, dict) else (record.name, "")
    return _Kind(name, feed, record.levelno >= logging.ERROR)


def _whole(_: structlog.typing.WrappedLogger, __: str, told: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What all lines have comes first, and last how many were left out before."""
    left_out = getattr(told["_record"], "left_out", 0)
    first = {name: told[name] for name in ("timestamp", "level", "logger", "event")}
    return {**first, **told, "left_out": left_out} if left_out else {**first, **told}


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line tells of more than a client that spoke no HTTP, or left."""
    fault = type(record.exc_info[1] if record.exc_info else None)
    return fault.__module__ != BAD_REQUESTS and fault.__name__ != GONE


def _render(format: Format) -> list[structlog.typing.Processor]:
    if format == "console" or (format == "auto" and sys.stderr.isatty()):
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    # without the values of local variables, among which credentials are
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
