"""Frames of the gateway to values. Times become integer nanoseconds."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgpack
import orjson

from feed.client.errors import Unreadable
from feed.client.events import Complaint, Event, Gap, Granted, Merged, Notice, Stamps, Status
from feed.core.streams import Position
from feed.core.ticks import BARS, NS_PER_S, Bar, Quote, Tick, Trade

Message = dict[str, Any]
Encoding = Literal["msgpack", "json"]
NANOSECONDS: Final = 2  # what msgpack shall make of a Timestamp: an integer
# What a message that lacks a field, or has one of another type, raises where it is read.
UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError)

_new = tuple.__new__


def messages_of(data: bytes | str, encoding: Encoding) -> list[Message]:
    """The messages of a frame; `t` is integer nanoseconds. Raises Unreadable."""
    try:
        messages: Any = orjson.loads(data) if encoding == "json" else msgpack.unpackb(data, timestamp=NANOSECONDS)
        if not isinstance(messages, list) or not all(type(message) is dict and "T" in message for message in messages):
            raise Unreadable("not an array of messages")
        if encoding == "json":
            for message in messages:
                if "t" in message:
                    message["t"] = parse_time(message["t"])
    except UNREADABLE as error:
        raise Unreadable(f"not a frame of {encoding}: {error!r}") from error
    return messages


@contextmanager
def readable() -> Iterator[None]:
    """Raises Unreadable for a message that lacks a field, or has one of another type."""
    try:
        yield
    except UNREADABLE as error:
        raise Unreadable(f"a message that can't be read: {error!r}") from error


def parse_time(text: str) -> int:
    """RFC 3339 in UTC, with up to nine digits of fraction, as nanoseconds. Raises ValueError."""
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is no time in UTC")
    second, _, fraction = text[:-1].partition(".")
    return _second(second) * NS_PER_S + (int(fraction.ljust(9, "0")) if fraction else 0)


@lru_cache(maxsize=64)
def _second(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp())


def trade_of(message: Message, ts_recv: int) -> Trade:
    return _new(
        Trade,
        (
            message["S"], message.get("i"), message["p"], float(message["s"]), message.get("tks", ""), message["t"],
            ts_recv, message["x"], tuple(message["c"]), message["z"],
        ),
    )  # fmt: skip


def quote_of(message: Message, ts_recv: int) -> Quote:
    """Without the venue's id, which the protocol does not carry for quotes."""
    return _new(
        Quote,
        (
            message["S"], None, message["bp"], float(message["bs"]), message["ap"], float(message["as"]), message["t"],
            ts_recv, message["bx"], message["ax"], tuple(message["c"]), message["z"],
        ),
    )  # fmt: skip


def bar_of(message: Message, ts_recv: int) -> Bar:
    start = message["t"]
    return _new(
        Bar,
        (
            message["S"], start, message.get("kind", BARS), message["o"], message["h"], message["l"], message["c"],
            float(message["v"]), message["n"], message["vw"], start, ts_recv,
        ),
    )  # fmt: skip


READERS: Final[Mapping[str, Callable[[Message, int], Tick]]] = {"t": trade_of, "q": quote_of, "b": bar_of}


def stamps_of(message: Message) -> Stamps:
    published = message.get("tp")
    return _new(
        Stamps,
        (
            message["ti"] * 1000,
            None if published is None else published * 1000,
            message["tg"] * 1000,
            message["tw"] * 1000,
        ),
    )


def merged_of(totals: Message) -> Merged:
    return Merged(totals["n"], totals["q0"], totals.get("v"), totals.get("h"), totals.get("l"))


def gap_of(message: Message) -> Gap:
    following, ids = message["next"], message.get("ids")
    return Gap(
        message["stream"],
        message["epoch"],
        message["from"],
        message["to"],
        Position(following["epoch"], following["seq"]),
        message["cause"],
        None if ids is None else (ids[0], ids[1]),
        message.get("q"),
    )


def granted_of(state: Message) -> Granted:
    return Granted(state["epoch"], state["seq"], state.get("rate", 0), state.get("recovered"))


def status_of(message: Message) -> Status:
    return Status(message["S"], message["state"], message["t"])


def notice_of(message: Message) -> Notice:
    return Notice(message["code"], message["msg"], message.get("lag_ms"))


def complaint_of(message: Message) -> Complaint:
    return Complaint(message["code"], message["msg"], message.get("detail", ""))


# What is no part of a stream, and does not come again on resuming.
REMARKS: Final[Mapping[str, Callable[[Message], Event]]] = {
    "status": status_of,
    "notice": notice_of,
    "error": complaint_of,
}
