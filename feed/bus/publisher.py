"""Publishes a feed's ticks: one script call per stream and flush, one in flight per stream, pipelined."""

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice
from secrets import token_urlsafe
from typing import Any, Final

import structlog

from feed.bus import names
from feed.bus.beats import BEAT_S, EXPIRES_S, HEARS_ALL, Beat, Silent, pack_beat
from feed.bus.connect import Link
from feed.bus.entry import pack, pack_int
from feed.bus.errors import BusDown, BusRefused
from feed.bus.lane import Call, Lane
from feed.bus.presence import Presence
from feed.bus.publish_meters import PublishMeters
from feed.bus.script import SCRIPT, Terms
from feed.core.backoff import delay_s
from feed.core.streams import Stream
from feed.core.ticks import NS_PER_S, Tick, kind_of
from feed.settings import Values

# Seconds between two tries to reach Redis at most, and until a peer that tries so has published what it held.
RETRY_MAX_S: Final = 1.0
PEER_RETURNS_S: Final = 1.5
# More calls under way than this keep Redis no busier, and whatever else it is asked waits for all of them.
MAX_CALLS: Final = 256

log = structlog.get_logger(__name__)


class Publisher:
    """Takes ticks at any time without waiting; `run` brings them to Redis, in order within each stream.

    What Redis can't take meanwhile waits, up to `publish.buffer_bytes` and `publish.buffer_s`; then the oldest of the
    stream that grows is dropped, and an in-band gap with cause "ingest" says so.
    """

    def __init__(
        self,
        values: Values,
        feed: str,
        contiguous: frozenset[str],
        silent: Callable[[], Silent] = lambda: HEARS_ALL,
        anew: bool = False,
    ) -> None:
        """`silent` says of which symbols the source hears nothing at the moment; `anew`, that its ids begin anew."""
        self._values = values
        self._feed = feed
        self._contiguous = contiguous
        self._anew = anew
        self._silent = silent
        self.worker_id = values.ingest.worker_id or socket.gethostname()
        self._life = token_urlsafe(6)
        self._terms = Terms.of(values, self.worker_id, self._life)
        self._buffer_bytes = values.publish.buffer_bytes
        self._buffer_ns = int(values.publish.buffer_s * NS_PER_S)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._ready: dict[Lane, None] = {}  # lanes with something to send, in the order in which it came
        self._held: dict[Lane, None] = {}  # lanes that wait for a peer to fill a hole
        self._unregistered: list[Lane] = []
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self.buffered_bytes = 0
        self._under_way = 0  # calls that Redis has not answered yet
        self._failures = 0
        self._link: Link | None = None
        self._peers_by = 0.0  # monotonic time before which a peer may still be looking for Redis
        # Numbers go on rising over restarts of this worker, so that a call delayed in a dead connection stays old.
        self._number = time.time_ns() // 1000
        self._presence = Presence(role="publisher", feed=feed)
        self._meters = PublishMeters(feed)
        self._meters.watch(self._buffer_bytes, lambda: self.buffered_bytes, self.oldest_s)

    def offer(self, tick: Tick) -> None:
        """Takes a tick for its stream. Raises ValueError for one that no stream can carry."""
        kind = kind_of(tick)
        lane = self._lanes.get((kind, tick.symbol)) or self._new_lane(kind, tick.symbol)
        self.buffered_bytes += lane.offer(tick, pack(tick))
        if self.buffered_bytes > self._buffer_bytes or lane.oldest_age_ns(tick.ts_recv) > self._buffer_ns:
            self._make_room(lane, tick.ts_recv)
        if lane.call is None and lane not in self._ready and lane.waiting:
            self._ready[lane] = None
            self._settled.clear()
            self._wake.set()

    def _make_room(self, lane: Lane, now_ns: int) -> None:
        while self.buffered_bytes > self._buffer_bytes or lane.oldest_age_ns(now_ns) > self._buffer_ns:
            freed = lane.drop_oldest()
            if not freed:
                break
            self.buffered_bytes -= freed
            self._meters.dropped()
        if lane.call is None and not lane.waiting:
            self._ready.pop(lane, None)

    def reconnected(self, symbols: Collection[str]) -> None:
        """The source lost the connection that brings these: what comes next can't vouch for what came before."""
        lost = frozenset(symbols)
        for (_, symbol), lane in self._lanes.items():
            if symbol in lost:
                lane.interrupted()

    def connected(self) -> bool:
        """Whether Redis is there at this moment."""
        return self._link is not None

    def lane(self, stream: Stream) -> Lane | None:
        """A stream's ticks on their way out; None where there was none yet."""
        return self._lanes.get((stream.kind, stream.symbol))

    def oldest_s(self) -> float:
        """How long ago the oldest tick was received that Redis has not taken; 0 where it has taken all."""
        waiting = [since for lane in self._lanes.values() if (since := lane.waiting_since_ns)]
        return max(0, time.time_ns() - min(waiting)) / NS_PER_S if waiting else 0.0

    async def run(self) -> None:
        """Publishes until cancelled. Reconnects by itself; raises BusRefused where that can never work."""
        self._meters.connected(False)
        while True:
            try:
                link = await Link.open(self._values.redis, f"feed-ingest-{self._feed}", self._wake.set)
            except BusDown as error:
                self._presence.away(error, waiting_bytes=self.buffered_bytes)
            else:
                try:
                    await self._serve(link)
                except (BusDown, BusRefused) as error:
                    self._meters.lost()
                    self._presence.away(error, waiting_bytes=self.buffered_bytes)
                finally:
                    self._link = None
                    self._meters.connected(False)
                    await link.close()
            self._failures += 1
            await asyncio.sleep(delay_s(self._failures, 0.05, RETRY_MAX_S, random.random()))

    async def drain(self, timeout_s: float) -> bool:
        """Waits until all that was offered has been published; False if that takes longer than `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        return self._settled.is_set()

    def _new_lane(self, kind: str, symbol: str) -> Lane:
        lane = Lane(Stream(self._feed, kind, symbol), kind in self._contiguous, self._anew)
        lane.candidate = token_urlsafe(6)
        self._lanes[kind, symbol] = lane
        self._unregistered.append(lane)
        return lane

    async def _serve(self, link: Link) -> None:
        """Publishes over one connection until it fails with BusDown."""
        sha = await link.call("SCRIPT", "LOAD", SCRIPT)
        self._take_up(link)
        self._meters.connected(True)
        beat_due = 0.0
        while True:
            now = time.monotonic()
            if now >= beat_due:
                await self._beat(link)
                self._presence.there()  # a Redis that is full or read-only takes no beat either
                beat_due = now + BEAT_S
            await self._register(link)
            lanes = self._due(now)
            if not lanes:
                self._settle()
                await self._wait(link, now, beat_due)
                continue
            await self._publish(link, sha, lanes)
            if self._values.publish.window_s:
                await asyncio.sleep(self._values.publish.window_s)

    def _take_up(self, link: Link) -> None:
        """Goes on over a new connection: what had no answer is called again, with its number."""
        self._link = link
        self._under_way = 0
        # Redis may have come back without its directory: every stream is registered anew
        self._unregistered = list(self._lanes.values())
        if self._values.publish.behind_wait_s:
            self._peers_by = time.monotonic() + PEER_RETURNS_S
        for lane in self._lanes.values():
            # of the last one nobody knows whether it began somewhere, and a Redis that was set back forgot that it did
            lane.candidate = token_urlsafe(6)
            if lane.call is not None:
                lane.call.gives_up_at = max(lane.call.gives_up_at, self._peers_by)
                if lane not in self._held:
                    self._ready[lane] = None

    async def _beat(self, link: Link) -> None:
        """Says that this worker lives, and what it hears. Two of one name are told apart by their life."""
        key, channel = names.worker_key(self._feed, self.worker_id), names.workers_channel(self._feed)
        beat = pack_beat(Beat(f"{self.worker_id}/{self._life}", self._silent()))
        await link.call("SET", key, os.getpid(), "PX", int(EXPIRES_S * 1_000))
        await link.call("PUBLISH", channel, beat)
        self._meters.heard(time.monotonic())

    async def _register(self, link: Link) -> None:
        """Enters new streams into the feed's directory before their first tick."""
        if not self._unregistered:
            return
        lanes, self._unregistered = self._unregistered, []
        key = names.symbols_key(self._feed)
        stream_names = [lane.stream.name for lane in lanes]
        try:
            if await link.call("SADD", key, *stream_names):
                await link.call("PUBLISH", key, "\n".join(stream_names))
        except BusDown:
            self._unregistered += lanes
            raise

    def _due(self, now: float) -> list[Lane]:
        for lane in [lane for lane in self._held if now >= lane.held_until]:
            del self._held[lane]
            self._ready[lane] = None
        lanes = list(islice(self._ready, max(0, MAX_CALLS - self._under_way)))
        for lane in lanes:
            del self._ready[lane]
        return lanes

    async def _wait(self, link: Link, now: float, beat_due: float) -> None:
        due = min([beat_due, *(lane.held_until for lane in self._held)])
        self._wake.clear()
        link.check()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, due - now)):
                await self._wake.wait()

    def _settle(self) -> None:
        if not (self._ready or self._held or self._under_way):
            self._settled.set()

    async def _publish(self, link: Link, sha: bytes, lanes: list[Lane]) -> None:
        """Sends the lanes' calls, and leaves the answers to `_answered`: no stream waits for another's."""
        now, ts_pub = time.monotonic(), time.time_ns()
        calls = [self._call_of(lane) for lane in lanes]
        stamp, command = pack_int(ts_pub), self._terms.command
        pairs = list(zip(lanes, calls, strict=True))
        commands = [command(sha, link.run_id, lane, call, stamp, now) for lane, call in pairs]
        # a Redis that died may have left answers in the socket, and a write to it would cost them unread: a worker that
        # does not know what was published lets the next Redis give the same numbers again
        await asyncio.sleep(0)
        self._meters.asked(calls, ts_pub)
        self._under_way += len(pairs)
        await link.ask(commands, [partial(self._answered, link, lane, call) for lane, call in pairs])

    def _call_of(self, lane: Lane) -> Call:
        if lane.call is not None:
            return lane.call
        self._number += 1
        call = lane.next_call(self._number, self._values.publish.max_ticks_per_call)
        assert call is not None
        return call

    def _answered(self, link: Link, lane: Lane, call: Call, reply: Any) -> None:
        """Takes an answer in. A refusal ends the link: each call without an answer goes again over a new one."""
        self._under_way -= 1
        now = time.monotonic()
        if isinstance(reply, BusRefused):
            # Redis is full, read-only or loading
            link.end(BusDown(f"publish refused: {reply}"))
            return
        verdict = reply[0]
        self._meters.answered(verdict, call, now)
        if verdict == b"OK":
            self._published(lane, call, reply, now)
        else:
            self._number = max(self._number, int(reply[1]) if verdict == b"STALE" else 0) + 1
            call.number = self._number
            if verdict == b"BEHIND":
                lane.behind(reply[1].decode(), now, self._values.publish.behind_wait_s, self._peers_by)
                self._held[lane] = None
            else:
                self._ready[lane] = None  # it was numbered too low
        if self._ready or self._held:
            self._wake.set()
        else:
            self._settle()

    def _published(self, lane: Lane, call: Call, reply: list[Any], now: float) -> None:
        _, epoch, first, last, duplicates, gaps = reply
        self._meters.published(lane, call, last - first + 1 - gaps, duplicates, gaps)
        if lane.epoch not in (None, epoch):
            self._unregistered.append(lane)  # Redis forgot the stream, and so the directory's entry perhaps
        if lane.epoch != epoch:
            lane.epoch, lane.began = epoch, min(first, last)
            lane.candidate = token_urlsafe(6)
        self._failures = 0  # a Redis that can be reached but takes nothing is not well yet
        lane.trim_below = 0
        self.buffered_bytes -= lane.done(last, now, self._values.history.seconds)
        if gaps:
            log.warning("gap_published", feed=self._feed, stream=lane.stream.name, gaps=gaps, seq=first)
        if lane.waiting:
            self._ready[lane] = None
