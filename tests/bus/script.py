"""Calls `publish.lua` on a real server, a rule at a time."""

from typing import Any

import msgpack
import redis

from feed.bus import names
from feed.bus.entry import pack_int
from feed.bus.script import SCRIPT
from feed.core.streams import Stream

STREAM = Stream("t", "trades", "A/B")
SECOND_US = 1_000_000


class Script:
    """One stream and the arguments of a call, each with a default that breaks no rule."""

    def __init__(self, url: str, stream: Stream = STREAM) -> None:
        self.redis = redis.Redis.from_url(url)
        self.stream = stream
        self.number = 0
        self.run_id = "run-1"
        self.channel = self.redis.pubsub(ignore_subscribe_messages=True)
        self.channel.subscribe(names.channel(stream))
        self.channel.get_message(timeout=1.0)

    def __enter__(self) -> "Script":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.redis.close()

    def publish(
        self,
        *ids: int | str,
        worker: str = "w1",
        number: int | None = None,
        life: str = "life-1",
        epoch: str = "e1",
        prev: int | str = "",
        flags: str = "",
        cause: str = "venue",
        floor: int = 0,
        floor_id: int | str = "",
        trim: int = 0,
        max_ticks: int = 10_000,
        at_s: float = 1_000.0,
        stood_at: int | str = "",
        floor_epoch: str = "",
        began: int = 0,
    ) -> list[Any]:
        """Publishes ticks of these venue ids, all of one event time; answers the script's reply, decoded."""
        if number is None:
            self.number += 1
            number = self.number
        ticks: list[Any] = []
        for tick_id in ids:
            ticks += [tick_id, int(at_s * SECOND_US), msgpack.packb(("x", str(tick_id)))]
        reply = self.redis.eval(
            SCRIPT, 2, names.log_key(self.stream), names.meta_key(self.stream),
            self.run_id, epoch, worker, number, life, prev, flags, cause, floor, floor_id, trim, max_ticks,
            30 * SECOND_US, pack_int(1_700_000_000_000_000_001), pack_int(7), "PUBLISH", stood_at, floor_epoch, began,
            names.channel(self.stream), *ticks,
        )  # fmt: skip
        return [part.decode() if isinstance(part, bytes) else part for part in reply]

    def log(self) -> list[tuple[int, str]]:
        """The log as (seq, venue id), a gap's id being `gap cause after before`."""
        return [(int(entry[0].split(b"-")[0]), _label(entry[1][b"d"])) for entry in self._entries()]

    def meta(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.redis.hgetall(names.meta_key(self.stream)).items()}

    def heard(self) -> list[tuple[str, int, list[str]]]:
        """What came over the channel since the last look: (epoch, first seq, venue ids)."""
        messages = []
        self.redis.publish(names.channel(self.stream), b"end")
        while True:
            message = self.channel.get_message(timeout=5.0)
            if message is None:
                raise AssertionError("the channel fell silent before its end mark")
            if message["data"] == b"end":
                return messages
            epoch, first, ts_pub, entries = msgpack.unpackb(message["data"])
            assert ts_pub == 1_700_000_000_000_000_001
            messages.append((epoch, first, [_label(msgpack.packb(entry)) for entry in entries]))

    def _entries(self) -> Any:
        return self.redis.xrange(names.log_key(self.stream))


def _label(data: bytes) -> str:
    tag, *rest = msgpack.unpackb(data)
    return str(rest[0]) if tag == "x" else f"gap {rest[0]} {rest[1]}-{rest[2]}"
