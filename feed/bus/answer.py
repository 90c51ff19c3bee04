"""What a process of the service is asked through Redis, and how its answer is written there.

A question is a text: `metrics`, or `stream:` and a stream's name. An answer is a MessagePack array of name, role,
version, Redis' time in milliseconds, what went wrong, and the data; deflated where it is long.
"""

import asyncio
import zlib
from typing import Any, Final, NamedTuple

import msgpack
from prometheus_client.registry import Collector

from feed.core.streams import Stream, parse_stream
from feed.exposition import CREATED, Family, Sample

METRICS: Final = "metrics"
STREAM: Final = "stream:"
MAX_BYTES: Final = 262_144
# An answer is inflated to no more than this: some fifty feeds' metrics.
MAX_INFLATED: Final = 16_777_216
LONG_BYTES: Final = 4_096
TOO_LONG: Final = "the answer is too long"
OURS: Final = "feed_"

PLAIN, DEFLATED = b"p", b"z"


class Who(NamedTuple):
    """A process as people know it: its name, what it does, the version that it runs."""

    name: str
    role: str
    version: str


class Answer(NamedTuple):
    """What one process answered `age_s` ago; `fault` is why there is no data, or ""."""

    who: Who
    age_s: float
    fault: str
    data: Any


def about(stream: Stream) -> str:
    """The question about a stream."""
    return STREAM + stream.name


def stream_of(question: str) -> Stream | None:
    """The stream that is asked about. None for another question, and for one that a newer version asks."""
    if not question.startswith(STREAM):
        return None
    try:
        return parse_stream(question.removeprefix(STREAM))
    except ValueError:
        return None


def pack(who: Who, at_ms: int, data: Any) -> bytes:
    """The answer's bytes, MAX_BYTES at most: one that is longer says so in place of its data."""
    packed = _packed(who, at_ms, "", data)
    return packed if len(packed) <= MAX_BYTES else _packed(who, at_ms, TOO_LONG, None)


def unpack(packed: bytes, now_ms: int) -> Answer:
    """Reads an answer at Redis' time `now_ms`; further elements are a newer process's. Raises ValueError."""
    kind, body = packed[:1], packed[1:]
    try:
        if kind == DEFLATED:
            inflater = zlib.decompressobj()
            body = inflater.decompress(body, MAX_INFLATED)
            if inflater.unconsumed_tail:
                raise ValueError(TOO_LONG)
        elif kind != PLAIN:
            raise ValueError("of a kind that is not known here")
        name, role, version, at_ms, fault, data, *_ = msgpack.unpackb(body, use_list=False, strict_map_key=False)
        return Answer(Who(name, role, version), (now_ms - at_ms) / 1_000, fault, data)
    except (ValueError, TypeError, zlib.error) as error:
        raise ValueError(f"unreadable answer of a process: {error}") from error


async def numbers(registry: Collector) -> list[Family]:
    """This service's own metrics of a registry, without what only Prometheus wants: words, exemplars, beginnings.

    What a metric says is of one moment; between two the rest of the process has its turn.
    """
    found = []
    for metric in registry.collect():
        if metric.name.startswith(OURS):
            samples = tuple(
                Sample(sample.name, tuple(sample.labels.items()), sample.value)
                for sample in metric.samples
                if not sample.name.endswith(CREATED)
            )
            found.append(Family(metric.name, "", metric.type, samples))
            await asyncio.sleep(0)
    return found


def _packed(who: Who, at_ms: int, fault: str, data: Any) -> bytes:
    body: bytes = msgpack.packb((*who, at_ms, fault, data))
    # metrics repeat their names in each sample: the fastest level makes a tenth of them
    return PLAIN + body if len(body) < LONG_BYTES else DEFLATED + zlib.compress(body, 1)
