"""Log lines on stderr: coloured on a terminal, one JSON object a line elsewhere; libraries' own lines included."""

import logging
import sys
from typing import Final, Literal

import structlog

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "console", "json"]

# Libraries that tell of each request or each new selector at a level that means more to us.
CHATTY: Final = ("aiohttp.access", "asyncio")
# aiohttp reports each request that is no HTTP as an error of ours, with a traceback and the lines that are wrong:
# anybody could fill the log with it, and one who mistypes a header finds his secret there.
SERVER: Final = "aiohttp.server"
BAD_REQUESTS: Final = "aiohttp.http_exceptions"
GONE: Final = "ClientConnectionResetError"  # and each client that leaves before it is answered


def configure(level: Level = "info", format: Format = "auto") -> None:
    """Sends structlog's and the standard library's lines of at least `level` to stderr, as one stream."""
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
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_render(format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level.upper())
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger(SERVER).addFilter(_is_ours)


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
