"""How a tick is written on the bus: one MessagePack array, its symbol and kind being the stream's.

The first element says what it is: "t" trade, "q" quote, "b" bar, "g" in-band gap; the rest are the fields of
`feed.core.ticks` in their order. A channel message is `[epoch, first seq, publish time in ns, [entry, ...]]`.
"""

from typing import Any, Final, NamedTuple

import msgpack

from feed.core.ticks import Bar, Gap, Quote, Tick, Trade

Entry = Trade | Quote | Bar | Gap

TRADE_FIELDS: Final = len(Trade._fields)
QUOTE_FIELDS: Final = len(Quote._fields)

_packer = msgpack.Packer()
# a named tuple's own constructor is Python, and takes twice as long
_new: Final[Any] = tuple.__new__


class Batch(NamedTuple):
    """Entries without a hole between them, numbered from `first`. `ts_pub` is 0 where they come from the log."""

    epoch: str
    first: int
    ts_pub: int
    ts_gateway: int
    entries: list[Entry]


def pack(tick: Tick) -> bytes:
    """The tick's bytes, the same on the channel and in the log."""
    if isinstance(tick, Trade):
        return _packer.pack(("t", *tick[1:]))  # type: ignore[no-any-return]
    if isinstance(tick, Quote):
        return _packer.pack(("q", *tick[1:]))  # type: ignore[no-any-return]
    return _packer.pack(("b", *tick[1:]))  # type: ignore[no-any-return]


def pack_int(value: int) -> bytes:
    """An integer for the script to splice into a message: Lua's numbers do not hold nanoseconds."""
    return _packer.pack(value)  # type: ignore[no-any-return]


def unpack(symbol: str, data: bytes) -> Entry:
    """Reads one log entry. Raises ValueError for bytes that no publisher of this version wrote."""
    try:
        return _entry(symbol, msgpack.unpackb(data, use_list=False))
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ValueError(f"unreadable log entry of {symbol}: {error}") from error


def unpack_message(symbol: str, data: bytes, ts_gateway: int = 0) -> Batch:
    """Reads one channel message, which was received at `ts_gateway`. Raises ValueError as `unpack` does."""
    try:
        epoch, first, ts_pub, rows = msgpack.unpackb(data, use_list=False)
        head = (symbol,)
        entries: list[Entry] = [
            # as `_entry` makes it, without a call for each: nearly all are these
            _new(Trade, head + fields[1:]) if fields[0] == "t" and len(fields) == TRADE_FIELDS else
            _new(Quote, head + fields[1:]) if fields[0] == "q" and len(fields) == QUOTE_FIELDS else
            _entry(symbol, fields)
            for fields in rows
        ]  # fmt: skip
        return _new(Batch, (epoch, first, ts_pub, ts_gateway, entries))  # type: ignore[no-any-return]
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ValueError(f"unreadable message on the channel of {symbol}: {error}") from error


def _entry(symbol: str, fields: tuple[Any, ...]) -> Entry:
    tag = fields[0]
    if tag == "t":
        return Trade(symbol, *fields[1:])
    if tag == "q":
        return Quote(symbol, *fields[1:])
    if tag == "b":
        return Bar(symbol, *fields[1:])
    if tag == "g":
        return _gap(symbol, *fields[1:])
    raise ValueError(f"unknown entry {tag!r}")


def _gap(symbol: str, cause: str, after: str, before: str, ts_recv: int) -> Gap:
    # the script handles venue ids as decimal strings of any length, "" where they are not known
    return Gap(symbol, cause, int(after) if after else None, int(before) if before else None, ts_recv)
