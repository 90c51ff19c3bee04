"""What one client has subscribed to, and how that changes: waiting for the bus, resuming, the answer."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import NamedTuple

from feed import metrics
from feed.bus.store import Past
from feed.core.grant import EVERYTHING, Grant
from feed.core.streams import Position, Stream
from feed.core.ticks import KINDS
from feed.gateway.cohort import Member, Selection
from feed.gateway.entitled import Scope, capped, check
from feed.gateway.forms import Form, form_of
from feed.gateway.hub import Hub
from feed.gateway.live import LiveStream
from feed.gateway.message import Message
from feed.gateway.resume import Place, anew, from_log, from_tail
from feed.settings import Gateway
from feed.wire import commands, messages
from feed.wire.codec import Codec
from feed.wire.commands import WILDCARD
from feed.wire.errors import Code, ProtocolError


class Resumed(NamedTuple):
    """Where a client goes on in the streams that it resumes; `lead` and `last` it is told first of those `lost`."""

    places: dict[LiveStream, Place]
    lost: set[LiveStream]
    lead: list[Message]
    last: list[Message]


class Subscriptions:
    """One client's selection and its place in the hub. Commands come one at a time; answers go to `member.put`."""

    def __init__(
        self, member: Member, hub: Hub, codec: Codec, depth: int, knobs: Gateway, *, deflate: bool = False
    ) -> None:  # fmt: skip
        self._member = member
        self._hub = hub
        self._codec = codec
        self._depth = depth
        self._knobs = knobs
        self._stamps = False
        self._deflate = deflate
        self._grant = EVERYTHING
        self._selection = Selection.none(hub.feed)
        self._count = metrics.GATEWAY_SUBSCRIPTIONS.labels(hub.feed)
        hub.join(member, self._form, self._selection, ())

    @property
    def _form(self) -> Form:
        return form_of(self._codec, self._depth, self._stamps, self._deflate)

    @property
    def empty(self) -> bool:
        return not self._selection.rates

    def leave(self) -> None:
        """Gives everything up."""
        self._count.dec(self._selection.size)
        self._hub.leave(self._member, self._selection)

    async def subscribe(self, command: commands.Subscribe) -> None:
        """Raises ProtocolError; nothing has changed then."""
        check(self._grant, command, self._depth)
        rate = capped(self._grant, float(command.rate))
        before, after = self._selection, self._selection.plus(command.symbols(), rate)
        self._within_limits(after, command.id)
        streams, kinds, scope = after.streams - before.streams, after.kinds - before.kinds, after.scope
        self._hub.interest.hold(streams, kinds, scope)
        try:
            async with asyncio.timeout(self._knobs.subscribe_timeout_s):
                await self._opened(streams, kinds, scope)
                pasts = await self._pasts(command, after)
        except BaseException as fault:
            self._hub.release(streams, kinds, scope)
            if isinstance(fault, TimeoutError):
                raise ProtocolError(Code.INTERNAL, "the bus did not answer; nothing changed", command.id) from fault
            raise
        # from here on nothing is awaited: where the client stands must not change while it is told
        if command.stamps is not None:
            self._stamps = command.stamps
        resumed = self._resumed(command, after, pasts)
        changed = [live for live in self._named(command) if live in resumed.places or _differs(live, before, after)]
        self._take(after, changed, resumed.places)
        self._answer(command, changed, {live: live not in resumed.lost for live in resumed.places})
        self._member.put(self._hub.told(self._form, resumed.lead))
        self._member.put(self._hub.statuses(self._form, [live for live in changed if not before.covers(live.stream)]))
        last = list(resumed.last)
        if command.snapshot and self._depth == 2:
            new = [live for live in changed if live not in resumed.places and not before.covers(live.stream)]
            last += [tick for live in new if (tick := live.newest(after.rate(live.stream))) is not None]
        self._member.put(self._hub.snapshot(self._form, last))
        self._hub.pump(self._member)

    def unsubscribe(self, command: commands.Unsubscribe) -> None:
        before, after = self._selection, self._selection.minus(command.symbols())
        changed = [live for live in self._named(command) if _differs(live, before, after)]
        self._take(after, changed, {})
        self._answer(command, changed, {})
        self._hub.release(before.streams - after.streams, before.kinds - after.kinds, before.scope)
        self._hub.pump(self._member)

    async def regrant(self, grant: Grant) -> None:
        """Holds the client to a grant from now on. What it has and may no longer have it loses, and is told; its
        wildcards reach what they now may, and it misses nothing of what it keeps.

        Raises ProtocolError where it has lost something, and TimeoutError where the bus does not open what wildcards
        have come to reach: nothing has changed then.
        """
        before, after = self._selection, self._selection.within(grant)
        same = after.scope == before.scope
        kinds = after.kinds - before.kinds if same else after.kinds
        self._hub.interest.hold((), kinds, after.scope)
        try:
            async with asyncio.timeout(self._knobs.subscribe_timeout_s):
                await self._opened(frozenset(), kinds, after.scope)
        except BaseException:
            self._hub.release((), kinds, after.scope)
            raise
        self._grant = grant
        either = self._hub.interest.held(before.streams, before.kinds | after.kinds)
        changed = [live for live in either if _differs(live, before, after)]
        self._take(after, changed, {})
        gone = before.kinds - after.kinds if same else before.kinds
        self._hub.release(before.streams - after.streams, gone, before.scope)
        if changed or before.rates != after.rates:
            self._answer(None, changed, {})
            new = [live for live in changed if not before.covers(live.stream)]
            self._member.put(self._hub.statuses(self._form, new))
        self._hub.pump(self._member)
        lost = _lost(before, after, changed)
        if lost:
            raise ProtocolError(Code.INSUFFICIENT_SUBSCRIPTION, f"{lost} is not granted any more")

    def _within_limits(self, selection: Selection, command_id: int | str | None) -> None:
        own = self._grant.max_symbols
        most = self._knobs.max_streams if own is None else min(own, self._knobs.max_streams)
        if selection.size > most:
            raise ProtocolError(Code.SYMBOL_LIMIT, f"at most {most} streams a connection", command_id)

    async def _opened(self, streams: frozenset[Stream], kinds: frozenset[str], scope: Scope) -> None:
        """Waits until the bus has opened streams and directory."""
        opened = asyncio.Event()
        while (waiting := self._hub.interest.unopened(streams, kinds, scope)) is not None:
            waiting[opened.set] = None
            try:
                await opened.wait()
            finally:
                waiting.pop(opened.set, None)
            opened.clear()

    async def _pasts(self, command: commands.Subscribe, after: Selection) -> dict[LiveStream, Past]:
        """What the log says of the streams whose `since` the tail does not reach."""
        loop = asyncio.get_running_loop()
        pasts: dict[LiveStream, Past] = {}
        # a tail may let go of one position while the log is read for another
        while asked := [
            (live, at) for live, at in self._since(command, after) if live not in pasts and from_tail(live, at) is None
        ]:
            futures: dict[LiveStream, asyncio.Future[Past]] = {live: loop.create_future() for live, _ in asked}
            calls_off = [self._hub.ask(live, at, partial(_settle, futures[live], at)) for live, at in asked]
            try:
                pasts |= dict(zip(futures, await asyncio.gather(*futures.values()), strict=True))
            finally:
                for call_off in calls_off:
                    call_off()
        return pasts

    def _since(self, command: commands.Subscribe, after: Selection) -> list[tuple[LiveStream, Position]]:
        """The streams that are resumed. One that this feed no longer has starts when it comes back; one beyond the
        wildcard's reach is passed over likewise, so that nobody learns whether there is such a stream.
        """
        found = self._hub.interest.streams
        named = ((Stream(self._hub.feed, *key), at) for key, at in command.positions().items())
        return [(found[stream], at) for stream, at in named if stream in found and after.covers(stream)]

    def _resumed(self, command: commands.Subscribe, after: Selection, pasts: Mapping[LiveStream, Past]) -> Resumed:
        now_ns = time.time_ns()
        resumed = Resumed({}, set(), [], [])
        for live, at in self._since(command, after):
            place, how = from_tail(live, at), "tail"
            if place is None:
                place, how = from_log(live, at, pasts[live], now_ns), "log"
            if place.lost:
                place, tick = anew(live, at, now_ns)
                how = "lost"
                resumed.lost.add(live)
                resumed.lead.extend(place.lead)
                for fields in (gap.fields for gap in place.lead if gap.fields is not None):
                    self._hub.meters.told(fields)
                resumed.last.extend([tick] if tick is not None else [])
                place = Place(place.at, [])
            elif len(place.lead) > 1:
                place = Place(at, [])  # a page of log: read again when its turn comes, not kept until then
            resumed.places[live] = place
            self._hub.meters.resumed(how)
        return resumed

    def _named(self, command: commands.Subscribe | commands.Unsubscribe) -> list[LiveStream]:
        """The streams that a command names, by name or by wildcard."""
        symbols = command.symbols()
        streams = [
            Stream(self._hub.feed, kind, symbol) for kind in symbols for symbol in symbols[kind] if symbol != WILDCARD
        ]
        kinds = frozenset(kind for kind in symbols if WILDCARD in symbols[kind])
        return self._hub.interest.held(streams, kinds, self._selection.scope)

    def _take(
        self, selection: Selection, changed: Collection[LiveStream], places: Mapping[LiveStream, Place]
    ) -> None:  # fmt: skip
        self._count.inc(selection.size - self._selection.size)
        self._selection = selection
        self._hub.join(self._member, self._form, selection, changed, places)

    def _answer(
        self,
        command: commands.Subscribe | commands.Unsubscribe | None,
        changed: Iterable[LiveStream],
        recovered: Mapping[LiveStream, bool],
    ) -> None:
        selection = self._selection
        fields = messages.subscription({kind: selection.of(kind) for kind in KINDS}, self._depth)
        if self._depth == 2:
            if command is not None and command.id is not None:
                fields["id"] = command.id
            states = {}
            for live in changed:
                rate = selection.rate(live.stream) if selection.covers(live.stream) else 0.0
                at = live.sent(rate) if live in recovered else self._hub.members.standing(self._member, live, rate)
                states[live.key] = messages.stream_state(at, rate, recovered.get(live))
            fields["streams"] = states
        self._member.put(self._codec.control(fields))


def _differs(live: LiveStream, before: Selection, after: Selection) -> bool:
    """Whether a client that had one selection and has another gets the stream differently, or not any more."""
    if before.covers(live.stream) and after.covers(live.stream):
        return before.rate(live.stream) != after.rate(live.stream)
    return before.covers(live.stream) or after.covers(live.stream)


def _lost(before: Selection, after: Selection, changed: Iterable[LiveStream]) -> str:
    """The first name, wildcard or stream that a client had and has no more; empty where there is none."""
    wishes = (f"{kind}:{symbol}" for kind in before.rates for symbol in before.of(kind).keys() - after.of(kind).keys())
    streams = (live.key for live in changed if not after.covers(live.stream))
    return min(wishes, default="") or min(streams, default="")


def _settle(future: "asyncio.Future[Past]", at: Position, past: Past) -> None:
    """Keeps what tells where the client goes on, not the page: it may wait for a thousand others."""
    if not future.done():
        follow = (item for item in past.entries if item[0] > at.seq)
        future.set_result(past._replace(entries=list(islice(follow, 2))))
