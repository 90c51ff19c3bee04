"""How a tick is written on the bus: one MessagePack array, its symbol and kind being the stream's.

The first element says what it is: "t" trade, "q" quote, "b" bar, "g" in-band gap; the rest are the fields of
`feed.core.ticks` in their order. A channel message is `[epoch, first seq, publish time in ns, [entry, ...]]`.
"""

from typing import Any, NamedTuple

import msgpack

from feed.core.ticks import Bar, Gap, Quote, Tick, Trade

Entry = Trade | Quote | Bar | Gap

_packer = msgpack.Packer()


class Message(NamedTuple):
    """What came over a stream's channel: `entries` take the sequence numbers from `first` on."""

    epoch: str
    first: int
    ts_pub: int
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


def unpack_message(symbol: str, data: bytes) -> Message:
    """Reads one channel message. Raises ValueError as `unpack` does."""
    try:
        epoch, first, ts_pub, entries = msgpack.unpackb(data, use_list=False)
        return Message(epoch, first, ts_pub, [_entry(symbol, fields) for fields in entries])
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
