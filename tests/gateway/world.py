"""A hub between a bus and a log that a test moves by hand, and clients that check: what random scenes are played on."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from feed.bus.entry import Entry
from feed.bus.reading import Batch, Hole
from feed.bus.store import Past
from feed.core.grant import Grant
from feed.core.sequence import Epoch, Record
from feed.core.streams import Position, Stream
from feed.core.ticks import NS_PER_S, QUOTES, TRADES, Bar, Gap, Quote, Trade
from feed.gateway.hub import Hub
from feed.gateway.live import LiveStream
from feed.gateway.resume import first_wanted
from feed.gateway.subscriptions import Subscriptions
from feed.settings import Flush, Gateway
from feed.wire import commands
from feed.wire.codec import JSON
from feed.wire.errors import Code, ProtocolError
from tests.gateway.hub_stage import FEED, T0, Clock
from tests.gateway.reader import Reader, Truth

KEYS = ("trades:A", "trades:B", "quotes:A", "bars:A", "trades:NEW", "quotes:NEW")
STREAMS = {key: Stream(FEED, *key.split(":")) for key in KEYS}
PAGE = 40  # the log's answers, which are pages of 500, made small


class World:
    """A hub, its streams' truth and log, and clients that check."""

    def __init__(self, tail_ticks: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.truths = {key: Truth() for key in KEYS}
        self.log: dict[str, dict[int, Entry]] = {key: {} for key in KEYS}
        self.asks: list[tuple[LiveStream, Position, Callable[[Past], None]]] = []
        self.wanted: set[Stream] = set()
        self.hub = Hub(FEED, self, self.clock, self, Flush(), Gateway(tail_ticks=tail_ticks, slow_close_s=86_400.0))
        self.hub.bus_up = True
        self.hub.interest.symbols(frozenset(stream for stream in STREAMS.values() if stream.symbol != "NEW"))
        self.clients: list[tuple[Reader, Subscriptions]] = []
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.names = 0
        for _ in range(3):
            self.come()

    # what the hub asks of the bus and of the log

    def want(self, stream: Stream, since: Position | None = None) -> None:
        if since is not None:
            assert since == (None, 0)
            self.loop.call_soon(self.read_from_start, stream)
            return
        self.wanted.add(stream)
        truth = self.truths[stream.key]
        last = [(seq, entry) for seq, entry in sorted(self.log[stream.key].items())[-1:] if not isinstance(entry, Gap)]
        self.loop.call_soon(self.hub.opened, stream, Position(*truth.at), last[0] if last else None)

    def read_from_start(self, stream: Stream) -> None:
        """What a subscriber does that wants a stream from before its first tick. Nothing is trimmed of such a one."""
        if stream not in self.hub.interest.streams or stream in self.wanted:
            return
        self.wanted.add(stream)
        epoch, before = None, 0
        for (name, seq), entry in self.truths[stream.key].entries.items():
            if (name, seq) in self.truths[stream.key].forgotten:
                continue
            if seq > before + 1:
                self.hub.hole(stream, Hole(epoch, before + 1, seq - 1, Position(name, seq)))
            elif epoch not in (None, name):
                self.hub.epoch(stream, Position(name, seq))
            epoch, before = name, seq
            self.hub.batch(stream, Batch(name, seq, 0, self.clock.now_ns(), [entry]))

    def unwant(self, stream: Stream) -> None:
        self.wanted.discard(stream)

    def want_directory(self, feed: str) -> None:
        pass

    def ask(self, live: LiveStream, at: Position, then: Callable[[Past], None]) -> Callable[[], None]:
        asked = (live, at, then)
        self.asks.append(asked)
        return lambda: self.asks.remove(asked) if asked in self.asks else None

    # what happens

    def publish(self, key: str, count: int, gap: bool = False) -> None:
        truth = self.truths[key]
        first = truth.seq + 1
        entries: list[Entry] = [self.entry(key, truth.seq + 1 + n, gap and n == count // 2) for n in range(count)]
        if not truth.epochs:
            self.begin(key, 1)
            # a worker registers a stream before its first tick
            self.hub.interest.symbols(frozenset([STREAMS[key]]))
        epoch = truth.epochs[-1][0]
        for entry in entries:
            truth.seq += 1
            truth.entries[epoch, truth.seq] = self.log[key][truth.seq] = entry
        if STREAMS[key] in self.wanted:
            self.hub.batch(STREAMS[key], Batch(epoch, first, 0, self.clock.now_ns(), entries))

    def entry(self, key: str, seq: int, gap: bool) -> Entry:
        ts = T0 + seq
        if gap:
            return Gap("A", "venue", None, None, ts)
        symbol = STREAMS[key].symbol
        price = float(seq * 7 % 101)
        if STREAMS[key].kind == TRADES:
            return Trade(symbol, seq, price, float(seq % 13), "B", ts, ts)
        if STREAMS[key].kind == QUOTES:
            return Quote(symbol, seq, price, 1.0, price + 1, 1.0, ts, ts)
        return Bar(symbol, T0, "bars", price, price, price, price, 1.0, 1, price, T0 + seq // 3 * NS_PER_S, ts)

    def change(self, key: str, lost: int) -> None:
        """A new epoch begins with an entry: `lost` that were numbered before it are gone, unread."""
        truth = self.truths[key]
        if not truth.epochs:
            self.publish(key, 1)
            self.spin()
        before = truth.at
        after = self.begin(key, truth.seq + lost + 1)
        truth.seq += lost
        if STREAMS[key] in self.wanted:
            if lost:
                self.hub.hole(STREAMS[key], Hole(before[0], before[1] + 1, truth.seq, after))
            elif before != (None, 0):
                self.hub.epoch(STREAMS[key], after)
        self.publish(key, 1)

    def rewind(self, key: str, back: int) -> None:
        """Redis forgot the last entries, and the publisher too: numbers are given a second time."""
        truth = self.truths[key]
        if not truth.epochs:
            return
        self.spin()
        before, start = truth.at, max(truth.epochs[-1][1], truth.seq - back + 1)
        for seq in range(start, truth.seq + 1):
            self.log[key].pop(seq, None)
            truth.forgotten.add((truth.epochs[-1][0], seq))
        after = self.begin(key, start)
        truth.seq = start - 1
        if STREAMS[key] in self.wanted:
            self.hub.hole(STREAMS[key], Hole(before[0], before[1] + 1, None, after))
        self.publish(key, 1)

    def begin(self, key: str, seq: int) -> Position:
        self.names += 1
        self.truths[key].epochs.append((f"e{self.names}", seq))
        self.truths[key].epochs[:] = self.truths[key].epochs[-8:]
        return Position(f"e{self.names}", seq)

    def trim(self, key: str, kept: int) -> None:
        for seq in sorted(self.log[key])[: max(0, len(self.log[key]) - kept)]:
            del self.log[key][seq]

    def answer(self) -> None:
        asks, self.asks = self.asks, []
        for live, at, then in asks:
            truth, first = self.truths[live.key], first_wanted(at)
            page = [(seq, entry) for seq, entry in sorted(self.log[live.key].items()) if seq >= at.seq - 3][:PAGE]
            page = [item for item in page if item[0] >= first]
            record = Record(truth.seq, tuple(Epoch(*epoch) for epoch in truth.epochs)) if truth.epochs else None
            self.hub.absorb(live, Past(record, page))
            then(Past(record, page))

    def come(self) -> None:
        reader = Reader(self.truths)
        self.clients.append((reader, Subscriptions(reader, self.hub, JSON, 2, Gateway())))

    def busy(self, n: int) -> bool:
        return n in self.tasks and not self.tasks[n].done()

    def command(self, n: int, action: str, keys: list[str], **more: Any) -> None:
        if self.busy(n):
            return
        reader, subscriptions = self.clients[n]
        reader.since = {key: (at["epoch"], at["seq"]) for key, at in more.get("since", {}).items()}
        fields: dict[str, Any] = {"action": action, **more}
        for key in keys:
            kind, symbol = key.split(":")
            fields.setdefault(kind, []).append(symbol)
        command = commands.parse_json(json.dumps(fields), 2)
        if isinstance(command, commands.Unsubscribe):
            subscriptions.unsubscribe(command)
        elif isinstance(command, commands.Subscribe):
            self.tasks[n] = self.loop.create_task(self.subscribe(reader, subscriptions, command))

    async def subscribe(self, reader: Reader, subscriptions: Subscriptions, command: commands.Subscribe) -> None:
        """What is granted is subscribed to; what is not is refused, and nothing has changed then."""
        grant = reader.grants[-1]
        named = [Stream(FEED, kind, symbol) for kind, symbols in command.symbols().items() for symbol in symbols]
        good = all(
            grant.allows_kind(each.kind) if each.symbol == "*" else grant.allows(each) for each in named
        ) and not (grant.max_rate and "rate" in command.model_fields_set and not 0 < command.rate <= grant.max_rate)
        fault = None
        try:
            await subscriptions.subscribe(command)
        except ProtocolError as refusal:
            fault = refusal.code
            reader.since = {}
        assert fault == (None if good else Code.INSUFFICIENT_SUBSCRIPTION), command

    def regrant(self, n: int, grant: Grant) -> None:
        """The client proves itself anew, and may have other things from then on."""
        if not self.busy(n):
            self.tasks[n] = self.loop.create_task(self.renew(*self.clients[n], grant))

    async def renew(self, reader: Reader, subscriptions: Subscriptions, grant: Grant) -> None:
        held, before = set(reader.at), reader.grants[-1]
        reader.grants = (before, grant)
        fault = None
        try:
            await subscriptions.regrant(grant)
        except ProtocolError as refusal:
            fault = refusal.code
        reader.grants = (grant,)
        assert all(map(reader.may, reader.at)), "has what it may not have"
        assert fault in ((Code.INSUFFICIENT_SUBSCRIPTION,) if held - set(reader.at) else (None, 409)), "lost in silence"

    def resume(self, n: int, keys: list[str], rate: float, wild: bool, grant: Grant) -> None:
        """Leaves with the positions that it has, and comes back with them as another connection, which may have other
        things; `wild` names no streams but wildcards."""
        if self.busy(n):
            return
        reader, subscriptions = self.clients[n]
        subscriptions.leave()
        if reader.snaps:
            reader.at = {}  # it was told of a gap but not of the tick after it
        at = {key: reader.at[key] for key in keys if key in reader.at}
        fresh = Reader(self.truths)
        self.clients[n] = fresh, Subscriptions(fresh, self.hub, JSON, 2, Gateway())
        self.loop.run_until_complete(self.renew(*self.clients[n], grant))
        keys = sorted({f"{key.split(':')[0]}:*" for key in keys}) if wild else keys
        since = {key: {"epoch": epoch, "seq": seq} for key, (epoch, seq) in at.items()}
        self.command(n, "subscribe", keys, since=since, snapshot=True, **({"rate": rate} if rate else {}))

    def spin(self) -> None:
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))
        for task in self.tasks.values():
            if task.done():
                task.result()

    def end(self) -> None:
        """Lets everything run out, and looks that every client has come to the end of its streams."""
        for reader, _ in self.clients:
            reader.full = False
        for _ in range(60):
            self.spin()
            self.answer()
            self.clock.turn(1.0)
        self.hub.beat(0.0)
        for n, (reader, _) in enumerate(self.clients):
            assert not self.busy(n)
            for key in KEYS:
                reader.appeared(key)
            for key, at in reader.at.items():
                assert at == self.truths[key].at, (n, key, at, self.truths[key].at)
        assert not self.hub.members.lanes.all()
        assert not self.asks
        for _, subscriptions in self.clients:
            subscriptions.leave()
        interest = self.hub.interest
        assert (interest.streams, interest.cohorts, interest.wild, interest._cohort_of) == ({}, {}, {}, {})

    def close(self) -> None:
        tasks = [task for task in self.tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.loop.close()
