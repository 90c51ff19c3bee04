"""Clients that come, go and change their minds at any moment: each gets every tick after its join, once, in order."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from feed.bus.reading import Batch
from feed.core.streams import START, Position, Stream
from feed.core.ticks import QUOTES, TRADES
from feed.gateway.cohort import Selection
from feed.gateway.forms import Form, form_of
from feed.wire.codec import JSON, MSGPACK
from tests.gateway.hub_stage import EPOCH, FEED, Client, Stage, stream, tick

STREAMS = [stream(symbol, kind) for kind in (TRADES, QUOTES) for symbol in ("A", "B")]
NEVER = stream("NEVER")
FORMS = [form_of(codec, 2, stamps) for codec in (JSON, MSGPACK) for stamps in (False, True)]
MEMBERS = range(3)
NUMBERS = st.sampled_from(MEMBERS)


class Member(Client):
    """A client with what it was told of each stream, and a subscription that may be under way."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.form: Form = FORMS[0]
        self.at: dict[str, int] = {}
        self.epoch: dict[str, str | None] = {}
        self.under_way: Selection | None = None

    def take(self) -> None:
        """Reads what came; each number is the next of its stream and its epoch is known, heartbeats name the last."""
        for message in self.read():
            if message["T"] == "heartbeat":
                assert {key: self.at.get(key, 0) for key in message["seq"]} == message["seq"], self
                continue
            if message["T"] == "epoch":
                assert self.epoch.get(message["stream"]) is None
                assert message["seq"] == self.at.get(message["stream"], 0) + 1
                self.epoch[message["stream"]] = message["epoch"]
                continue
            if message["T"] == "epoch":  # of a stream's first tick, which follows
                assert message["seq"] == 1
                assert self.form.depth == 2
                continue
            key = f"{ {'t': TRADES, 'q': QUOTES}[message['T']] }:{message['S']}"
            value = message["p"] if message["T"] == "t" else message["bp"]
            assert message["q"] == value == self.at.get(key, message["q"] - 1) + 1, (self, key, self.at.get(key))
            assert self.epoch[key] == EPOCH
            self.at[key] = message["q"]


class Members(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(window_min_s=0.001, window_max_s=0.02)
        self.interest = self.stage.hub.interest
        self.members: dict[int, Member] = {}
        self.published: dict[Stream, int] = {}

    @initialize(known=st.sets(st.sampled_from(STREAMS)), announced=st.booleans())
    def begin(self, known: set[Stream], announced: bool) -> None:
        for each in known:
            self.published[each] = 3
        if announced:
            self.stage.announce(*known)
        for n in MEMBERS:
            self.come(n, FORMS[n])

    # the venue, and Redis

    @rule(of=st.sampled_from(STREAMS), count=st.integers(1, 4), read=st.booleans())
    def publish(self, of: Stream, count: int, read: bool) -> None:
        self.published[of] = self.published.get(of, 0) + count
        if read:
            self.bus_works(of)

    @rule()
    def announce(self) -> None:
        self.stage.announce(*self.published)

    # the subscriber

    @rule()
    def bus_works_for_all(self) -> None:
        for each in [*STREAMS, NEVER]:
            self.bus_works(each)

    def bus_works(self, of: Stream) -> None:
        if of not in self.stage.bus.wanted:
            return
        live = self.interest.streams[of]
        if live.at is None:
            now = self.published.get(of, 0)
            last = (now, tick(of, now)) if now else None
            self.stage.hub.opened(of, Position(EPOCH, now) if now else START, last)
            return
        first, last_seq = live.at.seq + 1, self.published.get(of, 0)
        if last_seq >= first:
            entries = [tick(of, n) for n in range(first, last_seq + 1)]
            self.stage.hub.batch(of, Batch(EPOCH, first, 0, 0, list(entries)))

    @rule(s=st.sampled_from([0.0, 0.0005, 0.001, 0.02]))
    def time_passes(self, s: float) -> None:
        self.stage.clock.turn(s)
        self.everyone_reads()

    @rule()
    def heartbeat(self) -> None:
        self.stage.clock.turn(1.0)
        self.everyone_reads()
        self.bus_works_for_all()
        self.stage.hub.beat(1.0)
        self.everyone_reads()

    # the clients

    @rule(
        n=NUMBERS,
        streams=st.sets(st.sampled_from([*STREAMS, NEVER]), max_size=2),
        kinds=st.sets(st.sampled_from([TRADES, QUOTES]), max_size=1),
        at_once=st.booleans(),
    )
    def subscribe(self, n: int, streams: set[Stream], kinds: set[str], at_once: bool) -> None:
        member = self.members[n]
        if member.under_way is None:
            member.under_way = member.selection.plus(as_symbols(streams, kinds))
            self.interest.hold(*news(member))
        if at_once:
            self.announce()
            self.bus_works_for_all()
            self.subscribed(n, None)

    @rule(n=NUMBERS, form=st.sampled_from([None, *FORMS]))
    def subscribed(self, n: int, form: Form | None) -> None:
        member = self.members[n]
        if member.under_way is None or self.interest.unopened(*news(member)) is not None:
            return
        if form is not None:
            member.form = form
        had = {live.key for live in self.interest.held(member.selection.streams, member.selection.kinds)}
        added = [live for live in self.interest.held(*news(member)) if live.key not in had]
        self.stage.hub.join(member, member.form, member.under_way, added)
        member.take()
        for live in added:
            assert live.at is not None
            member.at[live.key] = live.at.seq
            member.epoch[live.key] = live.at.epoch
        member.selection, member.under_way = member.under_way, None

    @rule(
        n=NUMBERS,
        streams=st.sets(st.sampled_from([*STREAMS, NEVER]), max_size=2),
        kinds=st.sets(st.sampled_from([TRADES, QUOTES]), max_size=1),
    )
    def unsubscribe(self, n: int, streams: set[Stream], kinds: set[str]) -> None:
        member = self.members[n]
        self.give_up(member)
        after = member.selection.minus(as_symbols(streams, kinds))
        gone, gone_kinds = member.selection.streams - after.streams, member.selection.kinds - after.kinds
        dropped = [
            live
            for live in self.interest.held(gone, gone_kinds)
            if live.stream.kind not in after.kinds and live.stream not in after.streams
        ]
        self.stage.hub.join(member, member.form, after, dropped)
        member.take()
        for live in dropped:
            assert live.at is not None
            # all up to now was sent, and nothing more comes
            assert member.at.pop(live.key, live.at.seq) == live.at.seq
            member.epoch.pop(live.key, None)
        member.selection = after
        self.interest.release(gone, gone_kinds)

    @rule(n=NUMBERS, form=st.sampled_from(FORMS))
    def leave_and_come_again(self, n: int, form: Form) -> None:
        self.give_up(self.members[n])
        self.stage.leave(self.members[n])
        self.come(n, form)

    def come(self, n: int, form: Form) -> None:
        member = self.members[n] = Member(str(n))
        member.form = form
        self.stage.hub.join(member, form, member.selection, ())

    # what holds at the end

    def teardown(self) -> None:
        self.announce()
        self.bus_works_for_all()
        self.bus_works_for_all()
        self.stage.clock.turn(1.0)
        for member in self.members.values():
            member.take()
            for live in self.interest.held(member.selection.streams, member.selection.kinds):
                last = self.published.get(live.stream, 0)
                assert member.at.get(live.key, last) == last, (member, live.key)
        for member in self.members.values():
            self.give_up(member)
            self.stage.leave(member)
        self.stage.assert_empty()

    def everyone_reads(self) -> None:
        for member in self.members.values():
            member.take()

    def give_up(self, member: Member) -> None:
        if member.under_way is not None:
            self.interest.release(*news(member))
            member.under_way = None


def as_symbols(streams: set[Stream], kinds: set[str]) -> dict[str, set[str]]:
    symbols = {kind: {"*"} for kind in kinds}
    for each in streams:
        symbols.setdefault(each.kind, set()).add(each.symbol)
    return symbols


def news(member: Member) -> tuple[frozenset[Stream], frozenset[str]]:
    """What the subscription that is under way adds."""
    after = member.under_way or Selection.none(FEED)
    return after.streams - member.selection.streams, after.kinds - member.selection.kinds


def random_step(members: Members, dice: random.Random) -> None:
    n, of = dice.choice(MEMBERS), dice.choice(STREAMS)
    streams = {each for each in (*STREAMS, NEVER) if dice.random() < 0.25}
    kinds = {kind for kind in (TRADES, QUOTES) if dice.random() < 0.2}
    what = dice.random()
    if what < 0.35:
        members.publish(of, dice.randint(1, 4), dice.random() < 0.7)
    elif what < 0.55:
        members.subscribe(n, streams, kinds, dice.random() < 0.5)
    elif what < 0.65:
        members.subscribed(n, dice.choice([None, *FORMS]))
    elif what < 0.75:
        members.unsubscribe(n, streams, kinds)
    elif what < 0.8:
        members.leave_and_come_again(n, dice.choice(FORMS))
    elif what < 0.85:
        members.announce()
    elif what < 0.9:
        members.bus_works_for_all()
    elif what < 0.98:
        members.time_passes(dice.choice([0.0, 0.0005, 0.001, 0.02]))
    else:
        members.heartbeat()


@pytest.mark.parametrize("seed", range(150))
def test_a_long_way_at_random(seed: int) -> None:
    """Goes further than hypothesis, which is there to find the shortest way to a fault."""
    dice, members = random.Random(seed), Members()
    members.begin({each for each in STREAMS if dice.random() < 0.3}, dice.random() < 0.5)
    for _ in range(120):
        random_step(members, dice)
    members.teardown()


TestMembers = Members.TestCase
TestMembers.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
