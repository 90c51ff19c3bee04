"""How `publish.lua` is called: its text, and the arguments of a call in their order."""

from importlib.resources import files
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

from feed.bus import names
from feed.bus.entry import pack_int
from feed.bus.lane import Call, Lane
from feed.bus.pubsub import SHARDED, WHOLE
from feed.bus.replies import Command
from feed.settings import Values

SCRIPT: Final = files("feed.bus").joinpath("publish.lua").read_text()

_of_tick: Final = itemgetter(0, 1, 2)


class Terms(NamedTuple):
    """What all calls of a worker have in common. A worker's `life` tells it from another of the same name."""

    worker: str
    life: str
    max_ticks: int
    reset_after_us: int
    sharded: bool = False

    @classmethod
    def of(cls, values: Values, worker: str, life: str, *, sharded: bool = False) -> "Terms":
        """`sharded` where streams are spread over a cluster's masters."""
        reset_after_us = int(values.publish.reset_after_s * 1_000_000)
        return cls(worker, life, values.history.max_ticks, reset_after_us, sharded)

    @property
    def publish(self) -> str:
        """The command that publishes a message."""
        return (SHARDED if self.sharded else WHOLE).publish

    def command(self, sha: bytes, run_id: str, lane: Lane, call: Call, stamp: bytes, now: float) -> Command:
        """The call's command. `stamp` is the packed publish time, `now` the monotonic time in seconds."""
        run, stream, items = call.run, lane.stream, call.run.items
        return (
            # the channel is none of the keys: it never exists, and a cluster whose slot moves would wait for it
            "EVALSHA", sha, 2, names.log_key(stream), names.meta_key(stream),
            run_id, lane.candidate, self.worker, call.number, self.life, run.prev, call.flags, run.cause,
            lane.seq, lane.id, lane.trim_below, self.max_ticks, self.reset_after_us,
            stamp, pack_int(items[0].ts_recv), self.publish,
            call.stood_at if now >= call.gives_up_at else "", lane.epoch or b"", lane.began, names.channel(stream),
            *chain.from_iterable(map(_of_tick, items)),
        )  # fmt: skip
