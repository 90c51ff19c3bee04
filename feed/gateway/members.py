"""Where each client of a feed stands, in a cohort with others or in a lane of its own, and how it changes over."""

from collections.abc import Collection, Mapping

from feed.core.streams import START, Position
from feed.gateway.clock import Clock
from feed.gateway.cohort import Member, Selection
from feed.gateway.forms import Form
from feed.gateway.interest import Interest
from feed.gateway.lane import Backfill, Lane
from feed.gateway.lanes import Lanes
from feed.gateway.live import LiveStream
from feed.gateway.meters import Meters
from feed.gateway.resume import Place
from feed.settings import Gateway


class Members:
    """A client has one place in each stream that it holds. Its calls want nothing pending in the streams they name."""

    def __init__(
        self, interest: Interest, backfill: Backfill, clock: Clock, knobs: Gateway, max_frame_bytes: int, meters: Meters
    ) -> None:
        self._interest = interest
        self._backfill = backfill
        self._clock = clock
        self._wants: dict[Member, tuple[Form, Selection]] = {}
        self.lanes = Lanes(clock, knobs, max_frame_bytes, meters, self._renew, self._caught_up)

    def join(
        self,
        member: Member,
        form: Form,
        selection: Selection,
        changed: Collection[LiveStream],
        places: Mapping[LiveStream, Place],
    ) -> None:
        """Gives a client its cohort, or, where it doesn't stand in all streams where the cohort does, a lane."""
        lane = self.lanes.of(member)
        if lane is None:
            places = {**self._rerated(member, selection, changed), **places}
        else:
            self._renew(lane, surely=True)
        self._wants[member] = form, selection
        apart = {
            live: place
            for live, place in places.items()
            if lane is not None or place.lead or place.at != live.sent(selection.rate(live.stream))
        }
        if lane is None and not apart:
            self._interest.move(member, form, selection, self._clock.monotonic())
        else:
            self._enter(lane or self._lane(member, form), form, selection, apart)

    def leave(self, member: Member) -> None:
        self._wants.pop(member, None)
        self.lanes.drop(member)
        self._interest.leave(member)

    def fall_behind(self, member: Member) -> None:
        """Takes a client that has too much to read out of its cohort; it stands where that stood."""
        form, selection = self._wants[member]
        self._enter(self._lane(member, form, pressed=True), form, selection, {})

    def holding(self, live: LiveStream) -> int:
        """How many clients get a stream, each for itself or all of its kind."""
        cohorts = (cohort for _, _, audience, _ in self._interest.audience(live) for cohort in audience)
        return sum(len(cohort.members) for cohort in cohorts) + self.lanes.holding(live)

    def standing(self, member: Member, live: LiveStream, rate: float) -> Position:
        """Up to where a client was sent everything of a stream that it has at a rate."""
        lane = self.lanes.of(member)
        return live.sent(rate) if lane is None or live not in lane.tracks else lane.tracks[live].told

    def _lane(self, member: Member, form: Form, *, pressed: bool = False) -> Lane:
        now, now_ns = self._clock.monotonic(), self._clock.now_ns()
        return Lane(member, form, self._backfill, self._interest.flowing, now, now_ns, pressed=pressed)

    def _rerated(
        self, member: Member, selection: Selection, changed: Collection[LiveStream]
    ) -> dict[LiveStream, Place]:  # fmt: skip
        """Where a client stands in streams of which it changes the rate."""
        before = self._wants[member][1] if member in self._wants else selection
        return {
            live: Place(live.sent(before.rate(live.stream)), [])
            for live in changed
            if before.covers(live.stream) and selection.covers(live.stream)
        }

    def _enter(self, lane: Lane, form: Form, selection: Selection, apart: Mapping[LiveStream, Place]) -> None:
        """Puts a client into its lane: where it stood, or at the places that it named, or where the others are."""
        lane.form = form
        held = self._interest.held(*selection.held)
        for live in lane.tracks.keys() - set(held):
            lane.leave(live)
        for live in held:
            rate = selection.rate(live.stream)
            if live in apart:
                lane.enter(live, apart[live].at, rate, apart[live].lead)
            elif live not in lane.tracks:
                lane.enter(live, live.sent(rate), rate)
            else:
                lane.tracks[live].rate = rate
        lane.version = self._interest.version
        self._interest.leave(lane.member)
        self.lanes.add(lane)

    def _renew(self, lane: Lane, *, surely: bool = False) -> bool:
        """Adds the streams that a lane's wildcards have come to reach, from their first entry on; whether there were
        any. A stream that nobody had announced is reached from its first tick, which is looked for if `surely`."""
        _, selection = self._wants[lane.member]
        if not selection.kinds or not (surely or lane.version != self._interest.version):
            return False
        lane.version = self._interest.version
        new = [live for live in self._interest.held(*selection.held) if live not in lane.tracks]
        for live in new:
            lane.enter(live, START, selection.rate(live.stream))
        return bool(new)

    def _caught_up(self, lane: Lane) -> None:
        if self._renew(lane, surely=True):
            return
        form, selection = self._wants[lane.member]
        for track in lane.tracks.values():
            if track.rate and not self._interest.flowing(track.live, track.rate):
                # it was sent something not long ago, perhaps
                flow = track.live.flow(track.rate)
                flow.due = max(flow.due, track.due)
        self.lanes.drop(lane.member)
        self._interest.move(lane.member, form, selection, self._clock.monotonic())
