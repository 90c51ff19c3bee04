"""What a worker has to publish on one stream: ticks that wait, cut into calls whose `prev` tells a hole from none.

Pure: the publisher brings the clock and the connection.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from feed.core.streams import Stream
from feed.core.ticks import BAR_INTERVAL_NS, Tick

# Looks whether a peer has filled a hole, in the time that it is given.
BEHIND_LOOKS = 5
# A tick's own bytes are about 60; this much more is spent on keeping it.
ITEM_OVERHEAD_BYTES = 200
# a named tuple's own constructor is Python, and takes twice as long
_new: Final[Any] = tuple.__new__


class Item(NamedTuple):
    """One encoded tick. `id` is decimal, "" where the venue gives none."""

    id: str
    event_us: int
    data: bytes
    ts_recv: int


@dataclass(slots=True)
class Run:
    """Ticks between which nothing is missing. `prev` is the venue id that the stream must have reached before them.

    `lost` says that this worker itself gave ticks up just before them. Where the stream has no id to measure that by,
    it is a gap all the same.
    """

    prev: str
    named: bool
    cause: str
    lost: bool = False
    items: deque[Item] = field(default_factory=deque)


@dataclass(slots=True)
class Call:
    """One script call. A repeat carries the same number, so that the script can tell."""

    number: int
    run: Run
    stood_at: str = ""  # the stream's venue id when it was found to be behind this call
    gives_up_at: float = 0.0  # monotonic time from which the hole is named if the stream still stands there
    asked_at: float = 0.0  # monotonic time at which Redis was asked last
    ts_pub: int = 0  # what its message says of that
    stands_for: int = 0  # calls of one write, for which the time of this one's answer is measured

    @property
    def items(self) -> deque[Item]:
        return self.run.items

    @property
    def flags(self) -> str:
        return ("i" if self.run.named else "") + ("l" if self.run.lost else "")


class Lane:
    """The ticks of one stream on their way out, oldest first; at most one call is under way."""

    def __init__(self, stream: Stream, contiguous: bool, anew: bool = False, slot: int = 0) -> None:
        """`anew`: the ids begin anew with each life of the worker. `slot` is where a cluster keeps the stream."""
        self.stream = stream
        self.contiguous = contiguous
        self._counts = contiguous and not anew  # a hole before the next tick can be named by its ids
        self.slot = slot
        self.registered = False  # entered into the feed's directory
        self.queued = False  # its turn comes
        self.ticks = stream.kind not in BAR_INTERVAL_NS  # not bars, which are made of them
        self.call: Call | None = None
        self.held_until = 0.0  # monotonic time before which the call is not sent
        self.candidate = ""  # the epoch that a call begins, if one must begin
        self.epoch: bytes | None = None  # as of the last answer
        self.began = 0  # a seq of that epoch, its first one where this worker began it
        self.seq = 0  # highest seq seen on the stream, in answers
        self.id = ""  # venue id up to which the stream was known to be published then
        self.trim_below = 0
        self._runs: deque[Run] = deque()
        self._begun = False
        self._last_id: int | None = None
        self._broken = True  # the next tick can't vouch for what came before it
        self._lost = False
        self._cause = "venue"
        self._published: deque[tuple[float, int]] = deque()

    def offer(self, tick: Tick, data: bytes) -> int:
        """Adds a tick; answers the bytes it takes."""
        self._begun = True
        tick_id = tick.id
        unbroken = not self._broken and (not self.contiguous or tick_id is None or self._follows(tick_id))
        if not (unbroken and self._runs):
            self._runs.append(self._new_run(tick_id, unbroken))
            self._broken, self._lost, self._cause = False, False, "venue"
        self._last_id = tick_id
        item = ("" if tick_id is None else str(tick_id), tick.ts_event // 1000, data, tick.ts_recv)
        self._runs[-1].items.append(_new(Item, item))
        return len(data) + ITEM_OVERHEAD_BYTES

    def interrupted(self) -> None:
        """The source reconnected. Contiguous ids will show what is missing; others can only say that it may be."""
        self._broken = True
        if self._last_id is None and self._begun:
            self._lost = True  # ticks without ids: no script can tell whether a peer had them

    def next_call(self, number: int, max_ticks: int) -> Call | None:
        """Takes up to `max_ticks` waiting ticks into a call, which is under way until `done`."""
        if not self._runs:
            return None
        run = self._runs[0]
        if len(run.items) <= max_ticks:
            self._runs.popleft()
            taken = run
        else:
            taken = replace(run, items=deque([run.items.popleft() for _ in range(max_ticks)]))
            run.prev, run.named, run.cause, run.lost = taken.items[-1].id, self.contiguous, "venue", False
        self.call = Call(number, taken)
        return self.call

    def behind(self, stands_at: str, now: float, wait_s: float, peers_by: float) -> None:
        """The stream stands at an id below the call's `prev`. The hole is left to a peer for so long, or until
        `peers_by` if that is later; and anew for as long as the peer is at work, which is to say that the id rises."""
        assert self.call is not None
        if stands_at != self.call.stood_at or now >= self.call.gives_up_at:
            self.call.stood_at, self.call.gives_up_at = stands_at, max(now + wait_s, peers_by)
        self.held_until = min(now + wait_s / BEHIND_LOOKS, self.call.gives_up_at)

    def done(self, last_seq: int, now: float, history_s: float) -> int:
        """The call was answered: the stream stands at `last_seq`. Answers the bytes that it frees."""
        assert self.call is not None
        items = self.call.run.items
        freed = sum([len(item[2]) for item in items]) + ITEM_OVERHEAD_BYTES * len(items)
        self.id = items[-1].id
        self._counts = self.contiguous
        self.call = None
        self.seq = max(self.seq, last_seq)
        # eight marks are enough to trim by age; one a second took 15 MB for 2,000 streams
        if not self._published or now - self._published[-1][0] >= history_s / 8:
            self._published.append((now, last_seq))
        while self._published and now - self._published[0][0] > history_s:
            self.trim_below = self._published.popleft()[1]
        return freed

    def drop_oldest(self) -> int:
        """Gives up the oldest waiting tick, which the next call's gap will stand for. Answers the bytes freed, or 0."""
        if not self._runs:
            return 0
        run = self._runs[0]
        item = run.items.popleft()
        if run.items:
            first = run.items[0].id
            run.prev, run.named = (_before(first), run.named) if self.contiguous and first else (first, False)
            run.cause, run.lost = "ingest", True
        else:
            self._runs.popleft()
            if self._runs:
                self._runs[0].cause, self._runs[0].lost = "ingest", True
            else:
                self._broken, self._lost, self._cause = True, True, "ingest"
        return len(item.data) + ITEM_OVERHEAD_BYTES

    def oldest_age_ns(self, now_ns: int) -> int:
        """How long the oldest waiting tick has waited; 0 where none waits."""
        return now_ns - self.oldest_ts if self._runs else 0

    @property
    def oldest_ts(self) -> int:
        """When the oldest waiting tick was received. Raises IndexError where none waits."""
        return self._runs[0].items[0].ts_recv

    @property
    def waiting_since_ns(self) -> int:
        """When the oldest tick was received that Redis has not taken; 0 where there is none, or only bars."""
        items = self.call.items if self.call else self._runs[0].items if self._runs else ()
        return items[0].ts_recv if items and self.ticks else 0

    @property
    def unpublished(self) -> int:
        """How many ticks Redis has not taken, those of the call under way among them."""
        return sum(len(run.items) for run in self._runs) + (0 if self.call is None else len(self.call.items))

    @property
    def waiting(self) -> bool:
        return bool(self._runs)

    def _follows(self, tick_id: int) -> bool:
        # an id that goes back is a repeat or a reset, which the script tells apart by event time; after a reset too it
        # must know what precedes the first
        return self._last_id is not None and self._last_id <= tick_id <= self._last_id + 1

    def _new_run(self, tick_id: int | None, unbroken: bool) -> Run:
        if tick_id is None:
            return Run("", False, self._cause, self._lost)
        if self.contiguous:
            return Run(_before(str(tick_id)), self._counts, self._cause, self._lost)
        if unbroken and self._last_id is not None:
            return Run(str(self._last_id), False, self._cause, self._lost)
        # who can't tell what is missing asks that the stream has reached its own first tick by someone else's hand
        return Run(str(tick_id), False, self._cause, self._lost)


def _before(tick_id: str) -> str:
    return str(int(tick_id) - 1) if tick_id not in ("", "0") else ""
