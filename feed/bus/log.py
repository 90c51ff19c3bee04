"""What Redis keeps of streams: their record, their log, their directory. Commands out, replies in; no connection."""

from typing import Any

import structlog

from feed import metrics
from feed.bus import names
from feed.bus.entry import Entry, unpack
from feed.bus.replies import Command
from feed.core.sequence import Epoch, Record
from feed.core.streams import Stream, parse_stream

PAGE = 1_000
# A snapshot is the last TICK: at most this many in-band gaps may stand behind it.
LAST = 4

Entries = list[tuple[int, Entry]]

log = structlog.get_logger(__name__)


def record_command(stream: Stream) -> Command:
    return ("HMGET", names.meta_key(stream), "seq", "epochs", "run_id")


def record(reply: list[bytes | None], run_id: str) -> Record | None:
    """The stream's record; None where it never published, or Redis lost it. `run_id` is that of the Redis process."""
    seq, epochs, publishers = reply
    if seq is None or epochs is None:
        return None
    parts = (text.rpartition(":") for text in epochs.decode().split())
    return Record(int(seq), tuple(Epoch(name, int(start)) for name, _, start in parts), publishers == run_id.encode())


def page_command(stream: Stream, first: int, count: int = PAGE) -> Command:
    """Log entries from seq `first` on, oldest first."""
    return ("XRANGE", names.log_key(stream), f"{first}-0", "+", "COUNT", count)


def last_command(stream: Stream, count: int = LAST) -> Command:
    """The log's last entries, newest first."""
    return ("XREVRANGE", names.log_key(stream), "+", "-", "COUNT", count)


def entries(stream: Stream, reply: list[Any]) -> Entries:
    """Entries with their seq, from either command's reply.

    One that this version can't read (a newer worker's, say) is left out, and its reader misses its number.
    """
    found: Entries = []
    for entry_id, fields in reply:
        try:
            found.append((int(entry_id.split(b"-")[0]), unpack(stream.symbol, fields[1])))
        except ValueError as error:
            log.error(
                "unreadable_entry",
                feed=stream.feed,
                stream=stream.name,
                id=entry_id.decode(),
                error=str(error),
            )
            metrics.BUS_UNREADABLE.labels(stream.feed).inc()
    return found


def atomically(*commands: Command) -> list[Command]:
    """The commands as one transaction: record and log are then of one moment. The last reply is the list of theirs."""
    return [("MULTI",), *commands, ("EXEC",)]


def directory_command(feed: str) -> Command:
    return ("SMEMBERS", names.symbols_key(feed))


def directory(reply: list[bytes]) -> frozenset[Stream]:
    """The streams; names of kinds that this version does not know are left out."""
    found = set()
    for name in reply:
        try:
            found.add(parse_stream(name.decode()))
        except ValueError as error:
            log.warning("unknown_stream", error=str(error))
    return frozenset(found)
