"""The clients of a feed that are in lanes: they get what they take, and those that are too slow are cut off."""

from collections.abc import Callable
from typing import Final

from feed.gateway.clock import Clock
from feed.gateway.cohort import Member
from feed.gateway.forms import without_waits
from feed.gateway.lane import Lane, Taken
from feed.gateway.live import LiveStream
from feed.gateway.meters import Meters
from feed.settings import Gateway

# A lane is looked at this often, while some lane moves and while none does.
MOVING_S: Final = 0.002
STILL_S: Final = 0.02
# Longer at a stretch would hold up those who keep up; and no more than a third of the time is theirs.
TURN_S: Final = 0.005
PAUSE: Final = 2.0


class Lanes:
    """Gives each lane its turn, while there are any.

    `renew` gives one the streams that its wildcards reach by now, `done` takes those that have caught up.
    """

    def __init__(
        self,
        clock: Clock,
        knobs: Gateway,
        max_frame_bytes: int,
        meters: Meters,
        renew: Callable[[Lane], object],
        done: Callable[[Lane], None],
    ) -> None:
        self._clock = clock
        self._knobs = knobs
        self._max_frame_bytes = max_frame_bytes
        self._meters = meters
        self._renew = renew
        self._done = done
        self._lanes: dict[Member, Lane] = {}
        self._turning = False
        meters.watch_lanes(self._outbox_bytes, self._lag_s)

    def all(self) -> list[Lane]:
        return list(self._lanes.values())

    def of(self, member: Member) -> Lane | None:
        return self._lanes.get(member)

    def add(self, lane: Lane) -> None:
        self._lanes[lane.member] = lane
        self._meters.lanes(len(self._lanes))
        if not self._turning:
            self._turning = True
            self._clock.later(MOVING_S, self._turn)

    def holding(self, live: LiveStream) -> int:
        """How many of the clients get a stream."""
        return sum(live in lane.tracks for lane in self._lanes.values())

    def drop(self, member: Member) -> None:
        lane = self._lanes.pop(member, None)
        if lane is not None:
            lane.close()
            self._meters.lanes(len(self._lanes))

    def pump(self, lane: Lane) -> bool:
        """Gives a lane's client what there is room for now, and ends the lane where that was all. True if it moved."""
        self._renew(lane)
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        data = lane.pump(now, now_ns, self._max_frame_bytes)
        if data:
            lane.member.put(data)
            self._given(lane.taken(), len(data))
        if lane.conflated:
            self._meters.conflated("slow", lane.conflated)
            lane.conflated = 0
        if self._lanes.get(lane.member) is lane and lane.caught_up():
            self._done(lane)
        return bool(data)

    def beat(self, silence_s: float, bus_up: bool) -> None:
        """Sends a heartbeat to each depth-two client that has read what it was sent, and was sent nothing since."""
        if self._lanes and not self._turning:
            self._turn()
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        for lane in self._lanes.values():
            if lane.form.depth == 2 and now - lane.sent_at >= silence_s and not lane.member.backlog():
                lane.member.put(lane.form.heartbeat(now_ns, lane.seqs() if bus_up else None))
                lane.sent_at = now

    def judge(self) -> None:
        """Warns clients that are too slow, then cuts them off."""
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        for lane in list(self._lanes.values()):
            lag_s = lane.lag_s(now, now_ns)
            if lag_s >= self._knobs.slow_close_s:
                if not lane.cut:
                    self._meters.slow("cut")
                lane.cut = True
                lane.member.cut(stalled=lane.stalled_s(now) >= self._knobs.slow_close_s)
            elif lag_s >= self._knobs.slow_notice_s:
                if not lane.warned:
                    self._meters.slow("notice")
                    lane.member.slow(lag_s)
                lane.warned = True
            else:
                lane.warned = False

    def _given(self, taken: Taken, size: int) -> None:
        prompt, messages = without_waits(taken.segments)
        if messages:
            self._meters.stamp(prompt, messages, messages)
        if self._meters.names:
            self._meters.named(prompt, 1)
        self._meters.given(taken.messages, size, taken.frames)
        for gap in taken.gaps:
            self._meters.told(gap)

    def _outbox_bytes(self) -> int:
        return sum(lane.member.backlog() for lane in self._lanes.values())

    def _lag_s(self) -> float:
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        return max((lane.lag_s(now, now_ns) for lane in self._lanes.values()), default=0.0)

    def _turn(self) -> None:
        # stays False where a turn fails, so that `beat`, which is awaited, fails on the same
        self._turning = False
        started, spent, moved = self._clock.monotonic(), 0.0, False
        for member in list(self._lanes):
            lane = self._lanes.pop(member)
            self._lanes[member] = lane  # to the end of the queue
            moved = self.pump(lane) or moved
            spent = self._clock.monotonic() - started
            if spent > TURN_S:
                break
        self._turning = bool(self._lanes)
        if self._turning:
            self._clock.later(max(MOVING_S if moved else STILL_S, PAUSE * spent), self._turn)
