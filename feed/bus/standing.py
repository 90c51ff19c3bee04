"""Where a stream stands in Redis, and whose calls brought it there: commands out, replies in; no connection."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from feed.bus import log as logs
from feed.bus import names
from feed.bus.entry import Entry
from feed.bus.replies import Command
from feed.core.sequence import Record
from feed.core.streams import Stream

CALL: Final = "w:"
RECORD: Final = (b"seq", b"epochs", b"run_id")


class LastCall(NamedTuple):
    """A worker's last call that wrote something: entries `first` to `last`, and how many ticks it had that a peer had
    published already. `number` rises from call to call."""

    worker: str
    number: int
    epoch: str
    first: int
    last: int
    duplicates: int
    gaps: int


class Standing(NamedTuple):
    """A stream at Redis' time `at_ms`: its record (None where Redis knows nothing of it), the length of its log, the
    log's last entry. `beating` are those workers of the calls that are alive."""

    at_ms: int
    record: Record | None
    length: int
    last: tuple[int, Entry] | None
    calls: tuple[LastCall, ...]
    beating: frozenset[str] = frozenset()


def commands_of(stream: Stream) -> list[Command]:
    """What tells all of it, of one moment."""
    return logs.atomically(
        ("TIME",), ("HGETALL", names.meta_key(stream)), ("XLEN", names.log_key(stream)), logs.last_command(stream, 1)
    )


def standing_of(stream: Stream, replies: Sequence[Any], run_id: str) -> Standing:
    """Reads the replies; `run_id` is that of the Redis process."""
    time, flat, length, newest = replies[-1]
    seconds, micros = map(int, time)
    meta: Mapping[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    record = logs.record([meta.get(field) for field in RECORD], run_id)
    entries = logs.entries(stream, newest)
    calls = [
        _call(field.decode(errors="replace"), value.decode(errors="replace")) for field, value in sorted(meta.items())
    ]
    return Standing(
        seconds * 1_000 + micros // 1_000,
        record,
        length,
        entries[0] if entries else None,
        tuple(call for call in calls if call is not None),
    )


def _call(field: str, value: str) -> LastCall | None:
    """The call of a worker's field; None for another field, and for a call of a newer version."""
    if not field.startswith(CALL):
        return None
    try:
        number, _life, epoch, *counts = value.split(" ")
        first, last, duplicates, gaps = map(int, counts)
        return LastCall(field.removeprefix(CALL), int(number), epoch, first, last, duplicates, gaps)
    except ValueError:
        return None
