"""What a hub is put between in tests: a clock turned by hand, a bus that notes what is asked of it, clients."""

from collections.abc import Callable, Iterable
from typing import Any

from feed.bus.reading import Batch
from feed.bus.store import Past
from feed.core.grant import grant
from feed.core.sequence import Epoch, Record
from feed.core.streams import Position, Stream
from feed.core.ticks import NS_PER_S, QUOTES, TRADES, Bar, Gap, Quote, Tick, Trade
from feed.gateway.cohort import Selection
from feed.gateway.forms import Form, form_of
from feed.gateway.hub import Hub
from feed.gateway.live import LiveStream
from feed.gateway.message import Message as Ticked
from feed.gateway.resume import Place, first_wanted
from feed.settings import Flush, Gateway, Metrics
from feed.wire.codec import JSON, Codec
from tests.wire.reading import Message, frames_of, messages_of

FEED = "hubtest"
EPOCH = "e1"
T0 = 1_723_161_600 * NS_PER_S


def stream(symbol: str = "A", kind: str = TRADES) -> Stream:
    return Stream(FEED, kind, symbol)


def tick(of: Stream, n: int) -> Tick:
    """A tick that tells which it is by its price, or by its bid, or by its open."""
    if of.kind == TRADES:
        return Trade(of.symbol, n, float(n), 1.0, "B", T0 + n, T0 + n + 1_000)
    if of.kind == QUOTES:
        return Quote(of.symbol, n, float(n), 1.0, n + 1.0, 1.0, T0 + n, T0 + n + 1_000)
    return Bar(of.symbol, T0, of.kind, float(n), 2.0, 1.0, 1.0, 1.0, 1, 1.0, T0, T0 + n)


class Clock:
    """Stands still until it is turned. Calls that are due run in the order of their time."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.cost_s = 0.0  # what a look at the monotonic clock adds, so that a flush seems to take time
        self._calls: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def soon(self, call: Callable[[], object]) -> None:
        self.later(0.0, call)

    def later(self, delay_s: float, call: Callable[[], object]) -> None:
        self._count += 1
        self._calls.append((self.at + delay_s, self._count, call))

    def now_ns(self) -> int:
        return T0 + round(self.at * NS_PER_S)

    def monotonic(self) -> float:
        self.at += self.cost_s
        return self.at

    @property
    def due_in(self) -> list[float]:
        """How far off the waiting calls are, in seconds."""
        return sorted(round(at - self.at, 9) for at, _, _ in self._calls)

    def turn(self, s: float = 0.0) -> None:
        """Lets time pass; what becomes due runs at its own time."""
        end = self.at + s
        while due := [call for call in sorted(self._calls, key=lambda call: call[:2]) if call[0] <= end + 1e-12]:
            self._calls.remove(due[0])
            self.at = max(self.at, due[0][0])
            due[0][2]()
        self.at = max(self.at, end)


class FakeBus:
    """Opens nothing by itself."""

    def __init__(self) -> None:
        self.wanted: dict[Stream, Position | None] = {}
        self.directories: list[str] = []

    def want(self, stream: Stream, since: Position | None = None) -> None:
        assert stream not in self.wanted, "wanted twice"
        self.wanted[stream] = since

    def unwant(self, stream: Stream) -> None:
        del self.wanted[stream]

    def want_directory(self, feed: str) -> None:
        self.directories.append(feed)


class FakeLog:
    """Answers when it is told to, with what it has been given."""

    def __init__(self) -> None:
        self.asks: list[tuple[LiveStream, Position, Callable[[Past], None]]] = []
        self.hub: Any = None

    def ask(self, live: LiveStream, at: Position, then: Callable[[Past], None]) -> Callable[[], None]:
        asked = (live, at, then)
        self.asks.append(asked)
        return lambda: self.asks.remove(asked) if asked in self.asks else None

    def answer(self, entries: dict[int, Tick | Gap], record: Record | None = None) -> None:
        """Answers all asks: the log has these entries."""
        asks, self.asks = self.asks, []
        for live, at, then in asks:
            first = first_wanted(at)
            known = Record(max(entries), (Epoch(EPOCH, 1),)) if record is None and entries else record
            past = Past(known, [(seq, entry) for seq, entry in sorted(entries.items()) if seq >= first])
            self.hub.absorb(live, past)
            then(past)


class Client:
    """A member that keeps what it is sent, and reads it with other people's parsers. Its wildcards reach as far as
    `symbols` do."""

    def __init__(self, name: str = "", symbols: Iterable[str] = ("*",)) -> None:
        self.name = name
        self.writes: list[bytes] = []
        self.selection = Selection.none(FEED).within(grant(symbols=symbols))
        self.waiting = 0  # bytes that its socket has not taken, as far as the hub knows
        self.lags: list[float] = []
        self.cuts: list[bool] = []

    def __repr__(self) -> str:
        return f"Client({self.name})"

    def write(self, data: bytes) -> bool:
        if self.waiting:
            return False
        self.writes.append(data)
        return True

    def put(self, data: bytes) -> None:
        if data:
            self.writes.append(data)

    def backlog(self) -> int:
        return self.waiting

    def slow(self, lag_s: float) -> None:
        self.lags.append(lag_s)

    def cut(self, *, stalled: bool) -> None:
        self.cuts.append(stalled)

    def read(self) -> list[Message]:
        """The messages since the last look."""
        writes, self.writes = self.writes, []
        return [message for data in writes for message in messages_of(data)]

    @property
    def frames(self) -> int:
        return sum(len(frames_of(data)) for data in self.writes)


class Stage:
    """A hub on that stage, and a bus whose streams tick on demand."""

    def __init__(self, knobs: Gateway | None = None, metrics: Metrics | None = None, **flush: Any) -> None:
        self.clock = Clock()
        self.bus = FakeBus()
        self.log = FakeLog()
        self.hub = Hub(FEED, self.bus, self.clock, self.log, Flush(**flush), knobs or Gateway(), metrics)
        self.log.hub = self.hub
        self.hub.bus_up = True
        self.seqs: dict[Stream, int] = {}

    def announce(self, *streams: Stream) -> None:
        self.hub.interest.symbols(frozenset(streams))

    def open(self, *streams: Stream) -> None:
        """The bus opens streams at their present."""
        for each in streams:
            seq = self.seqs.get(each, 0)
            last = (seq, tick(each, seq)) if seq else None
            self.hub.opened(each, Position(EPOCH, seq) if seq else Position(None, 0), last)

    def ticks(self, of: Stream, count: int = 1, ts_pub: int | None = None) -> None:
        """Publishes `count` ticks in one batch, each numbered after the one before."""
        first = self.seqs.get(of, 0) + 1
        self.seqs[of] = first + count - 1
        now = self.clock.now_ns()
        entries = [tick(of, n) for n in range(first, first + count)]
        batch = Batch(EPOCH, first, now - 1_000 if ts_pub is None else ts_pub, now, list(entries))
        if of in self.bus.wanted:
            self.hub.batch(of, batch)

    def gap(self, of: Stream, gap: Gap) -> None:
        seq = self.seqs[of] = self.seqs.get(of, 0) + 1
        self.hub.batch(of, Batch(EPOCH, seq, 0, self.clock.now_ns(), [gap]))

    def subscribe(
        self,
        client: Client,
        *streams: Stream,
        kinds: Iterable[str] = (),
        codec: Codec = JSON,
        depth: int = 2,
        stamps: bool = False,
        rate: float = 0.0,
        places: dict[Stream, Place] | None = None,
    ) -> Form:
        """As a session does it: hold, wait for the bus (which opens at once), join, pump."""
        more: dict[str, set[str]] = {kind: {"*"} for kind in kinds}
        for each in streams:
            more.setdefault(each.kind, set()).add(each.symbol)
        before, after = client.selection, client.selection.plus(more, rate)
        new, new_kinds = after.streams - before.streams, after.kinds - before.kinds
        interest = self.hub.interest
        interest.hold(new, new_kinds, after.scope)
        for live in interest.held(new, new_kinds, after.scope):
            if live.at is None:
                self.open(live.stream)
        named = interest.held(streams, frozenset(kinds), after.scope)
        changed = [
            live
            for live in named
            if not before.covers(live.stream) or before.rate(live.stream) != after.rate(live.stream)
        ]
        form = form_of(codec, depth, stamps)
        self.hub.join(
            client, form, after, changed, {interest.streams[each]: place for each, place in (places or {}).items()}
        )
        client.selection = after
        self.hub.pump(client)
        return form

    def unsubscribe(self, client: Client, form: Form, *streams: Stream, kinds: Iterable[str] = ()) -> None:
        less: dict[str, set[str]] = {kind: {"*"} for kind in kinds}
        for each in streams:
            less.setdefault(each.kind, set()).add(each.symbol)
        before, after = client.selection, client.selection.minus(less)
        gone, gone_kinds = before.streams - after.streams, before.kinds - after.kinds
        self.hub.join(client, form, after, self.hub.interest.held(gone, gone_kinds, after.scope))
        client.selection = after
        self.hub.release(gone, gone_kinds, after.scope)

    def leave(self, client: Client) -> None:
        self.hub.leave(client, client.selection)
        client.selection = Selection.none(FEED)

    def assert_empty(self) -> None:
        interest = self.hub.interest
        assert not interest.streams
        assert not interest.cohorts
        assert not interest.wild
        assert not interest._cohort_of
        assert not any(interest._kind_holders.values())
        assert not self.bus.wanted


def seqs(messages: Iterable[Message], symbol: str | None = None) -> list[int]:
    """The numbers of data messages, of one symbol or of all."""
    return [message["q"] for message in messages if "q" in message and symbol in (None, message.get("S"))]


def ticks_of(held: Iterable[LiveStream]) -> list[Ticked]:
    """The last tick of each stream, as clients of every tick get it in a snapshot."""
    return [live.last for live in held if live.last is not None]
