"""What a gateway's worker tells its parent, and how it crosses the socket between them."""

import asyncio
from typing import Final, NamedTuple

import msgpack

from feed.exposition import Family, of_plain

# The parent's two words: one asks for a Report, and is given one for each time, in order; the other ends the worker.
ASK: Final = b"?"
STOP: Final = b"."
MOST_ASKED: Final = 16  # questions that may wait for their answers; who has more is not there, or not well
LENGTH_BYTES: Final = 4


class Listening(NamedTuple):
    """The worker listens on the clients' port. Comes first, and once."""


class Refusal(NamedTuple):
    """The worker ends, because of how it was configured or called: with this exit code, and these words for people."""

    code: int
    lines: tuple[str, ...]


class Report(NamedTuple):
    """How the worker is: why it should get no clients, or ""; and its metrics."""

    not_ready: str
    families: tuple[Family, ...]


Message = Listening | Refusal | Report
KINDS: Final[dict[str, type[Message]]] = {kind.__name__: kind for kind in (Listening, Refusal, Report)}


def pack(message: Message) -> bytes:
    """The message as it goes into the socket, its length first."""
    body: bytes = msgpack.packb((type(message).__name__, *message))
    return len(body).to_bytes(LENGTH_BYTES) + body


def unpack(body: bytes) -> Message:
    """The message of a body, which is what follows the length."""
    name, *fields = msgpack.unpackb(body, use_list=False)
    if name == Report.__name__:
        not_ready, families = fields
        return Report(not_ready, tuple(of_plain(*family) for family in families))
    return KINDS[name](*fields)


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message, or None where the worker has closed its end or died, be it within a message."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
        return unpack(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
