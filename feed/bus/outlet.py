"""One master, as a feed's streams are published to it: whose turn it is, the calls under way, what it answers."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from secrets import token_urlsafe
from typing import Any, Final

import structlog

from feed.bus.connect import Link
from feed.bus.entry import pack_int
from feed.bus.errors import BusDown, BusRefused
from feed.bus.lane import Call, Lane
from feed.bus.owner import Owner
from feed.bus.presence import Presence
from feed.bus.publish_meters import PublishMeters
from feed.bus.replies import Command, Taker, ignored
from feed.bus.script import SCRIPT, Terms
from feed.bus.topology import ASKING, Node, Topology, passing, redirection
from feed.core.backoff import delay_s
from feed.settings import Values

# Seconds between two tries to reach Redis at most, and until a peer that tries so has published what it held.
RETRY_MAX_S: Final = 1.0
PEER_RETURNS_S: Final = 1.5
# More calls under way than this keep Redis no busier, and whatever else it is asked waits for all of them.
MAX_CALLS: Final = 256
# A shard that changes its master or its slots does not take a call just now: how long until the next try.
PASSES_S: Final = 0.05

log = structlog.get_logger(__name__)


class Outlet:
    """A connection to one master, opened again whenever it ends, and the streams that wait for it."""

    def __init__(
        self,
        node: Node,
        values: Values,
        owner: Owner,
        terms: Terms,
        meters: PublishMeters,
        connect: Callable[[Node, str, Callable[[], None]], Any],
    ) -> None:
        """`connect` is Masters.open."""
        self.node = node
        self.link: Link | None = None
        self._values = values
        self._owner = owner
        self._terms = terms
        self._meters = meters
        self._connect = connect
        self._ready: dict[Lane, None] = {}  # with something to send, in the order in which it came
        self._held: dict[Lane, None] = {}  # that wait, mostly for a peer to fill a hole
        self._asking: set[Lane] = set()  # whose slot is not here yet, though their keys are
        self._under_way: dict[Lane, None] = {}  # with a call that Redis has not answered yet
        self._presence = Presence(role="publisher", feed=owner.feed, **({"server": str(node)} if terms.sharded else {}))
        self._wake = asyncio.Event()
        self._failures = 0
        self._peers_by = 0.0  # monotonic time before which a peer may still be looking for Redis

    def ready(self, lane: Lane, *, asking: bool = False) -> None:
        """A stream has something to send. `asking`: its slot is not here yet, and this call is to be taken all the
        same."""
        if lane in self._under_way or lane in self._held:
            return
        self._ready[lane] = None
        lane.queued = True
        if asking:
            self._asking.add(lane)
        self._wake.set()

    def drop(self, lane: Lane) -> None:
        """A stream has nothing to send any more."""
        if lane.call is None and not lane.waiting:
            self._ready.pop(lane, None)
            lane.queued = False

    def leave(self, topology: Topology) -> list[Lane]:
        """Lets those go that belong elsewhere by now; those with a call under way are answered here first."""
        going = [lane for lane in (*self._ready, *self._held) if topology.node_at(lane.slot) != self.node]
        for lane in going:
            self._ready.pop(lane, None)
            self._held.pop(lane, None)
            self._asking.discard(lane)
            lane.queued = False
        return going

    def wake(self) -> None:
        """There is something to report."""
        self._wake.set()

    def say(self, *command: str | bytes) -> None:
        """Has the master told something, if it can be just now."""
        if self.link is not None:
            with contextlib.suppress(BusDown):  # whose end is dealt with where it is used
                self.link.say(*command)

    @property
    def idle(self) -> bool:
        return not (self._ready or self._held or self._under_way)

    async def run(self) -> None:
        """Publishes until cancelled. Reconnects by itself; raises BusRefused where that can never work."""
        while True:
            try:
                link = await self._connect(self.node, f"feed-ingest-{self._owner.feed}", self._wake.set)
            except BusDown as error:
                self._presence.away(error, waiting_bytes=self._owner.buffered_bytes)
            else:
                try:
                    await self.serve(link)
                except (BusDown, BusRefused) as error:
                    self._meters.lost()
                    self._presence.away(error, waiting_bytes=self._owner.buffered_bytes)
                finally:
                    self.link = None
                    self._owner.linked(self.node, up=False)
                    await link.close()
            self._owner.astray()
            self.scatter()
            self._failures += 1
            await asyncio.sleep(delay_s(self._failures, 0.05, RETRY_MAX_S, random.random()))

    async def serve(self, link: Link) -> None:
        """Publishes over one connection until it fails with BusDown."""
        sha = await link.call("SCRIPT", "LOAD", SCRIPT)
        self.take_up(link)
        self._owner.linked(self.node, up=True)
        report_due = 0.0
        while True:
            now = time.monotonic()
            report_due = await self._owner.report(link, self.node, now)
            self._presence.there()  # a Redis that is full or read-only takes no beat either
            lanes = self.due(now)
            if not lanes:
                self._owner.settle()
                await self._wait(link, now, report_due)
                continue
            await self._publish(link, sha, lanes)
            if self._values.publish.window_s:
                await asyncio.sleep(self._values.publish.window_s)

    def take_up(self, link: Link) -> None:
        """Goes on over a new connection: what had no answer is called again, with its number."""
        self.link = link
        self.scatter()
        if self._values.publish.behind_wait_s:
            self._peers_by = time.monotonic() + PEER_RETURNS_S
        for lane in self._owner.lanes_of(self.node):
            # of the last one nobody knows whether it began somewhere, and a Redis that was set back forgot that it did
            lane.candidate = token_urlsafe(6)
            if lane.call is not None:
                lane.call.gives_up_at = max(lane.call.gives_up_at, self._peers_by)

    def due(self, now: float) -> list[Lane]:
        """The streams whose turn it is."""
        for lane in [lane for lane in self._held if now >= lane.held_until]:
            del self._held[lane]
            self._ready[lane] = None
        lanes = list(islice(self._ready, max(0, MAX_CALLS - len(self._under_way))))
        for lane in lanes:
            del self._ready[lane]
            lane.queued = False
        return lanes

    def call_of(self, lane: Lane) -> Call:
        """The call that is sent for a stream: the one that has no answer yet, else its next ticks."""
        if lane.call is not None:
            return lane.call
        call = lane.next_call(self._owner.new_number(), self._values.publish.max_ticks_per_call)
        assert call is not None
        return call

    def answered(self, link: Link, lane: Lane, call: Call, reply: Any) -> None:
        """Takes an answer in. A refusal ends the link: each call without an answer goes again over a new one."""
        if lane not in self._under_way:
            return  # it is called again elsewhere, by the same number
        now = time.monotonic()
        if isinstance(reply, BusRefused):
            self._refused(link, lane, str(reply), now)
            return
        del self._under_way[lane]
        verdict = reply[0]
        self._meters.answered(verdict, call, now)
        if verdict == b"OK":
            self._published(lane, call, reply, now)
            if lane in self._asking:
                self._asking.discard(lane)
                self._owner.ahead(lane)
            if lane.waiting:
                self._owner.place(lane)
        else:
            call.number = self._owner.new_number(int(reply[1]) if verdict == b"STALE" else 0)
            if verdict == b"BEHIND":
                lane.behind(reply[1].decode(), now, self._values.publish.behind_wait_s, self._peers_by)
                self._held[lane] = None
            else:
                self._owner.place(lane)  # it was numbered too low
        if self._ready or self._held:
            self._wake.set()
        else:
            self._owner.settle()

    def asked(self, lane: Lane) -> None:
        """A stream's call is under way."""
        self._under_way[lane] = None

    def _refused(self, link: Link, lane: Lane, words: str, now: float) -> None:
        to = redirection(words, self.node)
        if to is not None:
            del self._under_way[lane]
            self._asking.discard(lane)
            self._owner.redirected(lane, to)
        elif passing(words) and self._terms.sharded:
            del self._under_way[lane]
            lane.held_until = now + PASSES_S
            self._held[lane] = None
            self._owner.astray()
            self._wake.set()
        else:
            # Redis is full, read-only or loading
            link.end(BusDown(f"publish refused: {words}"))

    def scatter(self) -> None:
        """What was under way has no answer, and will have none: it is called again, wherever it belongs now."""
        lost, self._under_way = self._under_way, {}
        for lane in lost:
            self._asking.discard(lane)
            lane.candidate = token_urlsafe(6)  # nobody knows whether the last one began somewhere
            self._owner.place(lane)

    async def _wait(self, link: Link, now: float, report_due: float) -> None:
        due = min([report_due, *(lane.held_until for lane in self._held)])
        self._wake.clear()
        link.check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - now)):
                await self._wake.wait()

    async def _publish(self, link: Link, sha: bytes, lanes: list[Lane]) -> None:
        """Sends the lanes' calls, and leaves the answers to `answered`: no stream waits for another's."""
        now, ts_pub = time.monotonic(), time.time_ns()
        calls = [self.call_of(lane) for lane in lanes]
        stamp, command = pack_int(ts_pub), self._terms.command
        for lane in lanes:
            self.asked(lane)
        commands: list[Command] = []
        takers: list[Taker] = []
        for lane, call in zip(lanes, calls, strict=True):
            if lane in self._asking:
                commands.append(ASKING)
                takers.append(ignored)
            commands.append(command(sha, link.run_id, lane, call, stamp, now))
            takers.append(partial(self.answered, link, lane, call))
        # a Redis that died may have left answers in the socket, and a write to it would cost them unread: a worker that
        # does not know what was published lets the next Redis give the same numbers again
        await asyncio.sleep(0)
        self._meters.asked(calls, ts_pub)
        await link.ask(commands, takers)

    def _published(self, lane: Lane, call: Call, reply: list[Any], now: float) -> None:
        _, epoch, first, last, duplicates, gaps = reply
        self._meters.published(lane, call, last - first + 1 - gaps, duplicates, gaps)
        if lane.epoch not in (None, epoch):
            self._owner.begun_anew(lane)
        if lane.epoch != epoch:
            lane.epoch, lane.began = epoch, min(first, last)
            lane.candidate = token_urlsafe(6)
        self._failures = 0  # a Redis that can be reached but takes nothing is not well yet
        lane.trim_below = 0
        self._owner.buffered_bytes -= lane.done(last, now, self._values.history.seconds)
        if gaps:
            log.warning("gap_published", feed=self._owner.feed, stream=lane.stream.name, gaps=gaps, seq=first)
