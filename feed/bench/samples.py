"""What sampled frames say: which messages came when, looked at after the window, not during it."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgpack
import orjson

from feed.bench.delays import NS_PER_MS, Seen
from feed.bench.frames import TEXT, Frame

KINDS: Final = {"t": "trades", "q": "quotes", "b": "bars"}
STAMP: Final = re.compile(rb'"ts_pub":(\d{19})')


class Sample(NamedTuple):
    """A frame, and when the client had it, in ns since the epoch."""

    ts_ns: int
    frame: Frame


def messages(frame: Frame) -> list[dict[str, object]]:
    """The messages of a gateway's frame, in either encoding."""
    found: list[dict[str, object]] = (
        orjson.loads(frame.payload) if frame.opcode == TEXT else msgpack.unpackb(frame.payload, strict_map_key=False)
    )
    return found


def seen(samples: Iterable[Sample]) -> list[Seen]:
    """The data messages of depth-two frames. One that stands for several counts as its last."""
    return [
        Seen(f"{KINDS[str(message['T'])]}:{message['S']}", int(str(message["q"])), sample.ts_ns)
        for sample in samples
        for message in messages(sample.frame)
        if message["T"] in KINDS
    ]


def stamped(samples: Iterable[Sample]) -> list[float]:
    """Delays in ms, of frames that carry the time at which they were due or published."""
    return [
        (sample.ts_ns - int(stamp)) / NS_PER_MS for sample in samples for stamp in STAMP.findall(sample.frame.payload)
    ]
