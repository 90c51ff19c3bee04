"""The systems that a scenario compares, and a round of each: the gateway, the floor beneath it, the tutorial's."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from feed.access.self_signed import Pair
from feed.bench.audience import DEPTH_TWO_JSON, Audience, Total, Want, Way, Window, subscription
from feed.bench.counters import Counters, scrape
from feed.bench.cpu import family
from feed.bench.delays import percentiles
from feed.bench.halving import Halving
from feed.bench.memory import Memory, memory_of
from feed.bench.scenarios import Plan, Scenario
from feed.bench.stage import Child, Stage, ports

SETTLE_S: Final = 5.0
TUTORIAL_DRAIN_S: Final = 1.0
TICKS_A_WINDOW: Final = 2  # at least
# Heartbeats would go on while another system is measured, and what they cost is no part of a delivery.
QUIET: Final = {"FEED_GATEWAY__HEARTBEAT_S": "3600", "FEED_DRAIN__DELAY_S": "0", "FEED_DRAIN__WINDOW_S": "0"}


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one system. `cpu` is its share of a core; `expected` and `delivered` count the whole round."""

    window: Window
    cpu: float
    deliveries: float
    delays_ms: Sequence[float] = ()
    offered: int = 0
    offered_s: float = 0.0
    published_s: float = 0.0  # until the last of them was published
    expected: float = 0.0
    total: Total | None = None
    counters: Counters | None = None
    late_ms: float = 0.0
    rate: float = 0.0

    @property
    def cpu_us_per_delivery(self) -> float | None:
        return self.cpu * self.window.seconds * 1e6 / self.deliveries if self.deliveries else None

    @property
    def deliveries_per_s(self) -> float:
        return self.deliveries / self.window.seconds


@dataclass(slots=True)
class Scene:
    """What a scenario's systems share. `pids` are the processes whose CPU time each window shows, by name."""

    stage: Stage
    scenario: Scenario
    plan: Plan
    names: list[str]
    wanted: list[list[str]]
    redis_port: int
    publisher: Child
    pids: dict[str, list[int]] = field(default_factory=dict)
    loads: int = 1

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.scenario.kind.split(","))

    @property
    def window_s(self) -> float:
        """As the plan says, but long enough for some ticks."""
        return max(self.plan.window_s, TICKS_A_WINDOW / (self.scenario.ticks_per_s or TICKS_A_WINDOW))

    @property
    def fan(self) -> float:
        """Clients that want a tick, on average."""
        return sum(len(wanted) or len(self.names) for wanted in self.wanted) / len(self.names)


async def start_gateway(
    stage: Stage, redis_url: str, *flags: str, anywhere: bool = False, certificate: Pair | None = None, **knobs: str
) -> Child:
    """A gateway of one's own: free ports, default settings, no heartbeats; over TLS where there is a certificate."""
    if certificate is not None:
        knobs |= {"FEED_GATEWAY__TLS_CERT": str(certificate.cert), "FEED_GATEWAY__TLS_KEY": str(certificate.key)}
    arguments = ("gateway", "--port", "0", "--admin-port", "0", "--feeds", "sim", "--redis", redis_url)
    start = stage.anywhere if anywhere else stage.under_test
    return await start(
        "gateway", "feed", *arguments, "--log-level", "warning", "--log-format", "json", *flags, **(QUIET | knobs)
    )


class Served:
    """A gateway and its clients."""

    def __init__(self, scene: Scene, name: str, child: Child, headers: str = DEPTH_TWO_JSON) -> None:
        self.name = name
        self.child = child
        self.handshakes_per_s = 0.0
        self.before: Memory | None = None
        self.after: Memory | None = None
        self.scene = scene
        self._headers = headers
        self._audience: Audience | None = None
        self.admin_port = 0

    async def connect(self, wants: Sequence[Want] | None = None, witnessed: Sequence[str] = ()) -> None:
        """Connects the scenario's clients, and measures what memory they take."""
        scene = self.scene
        port, self.admin_port = ports(await self.child.ready())
        if wants is None:
            commands = [subscription(scene.kinds, symbols) for symbols in scene.wanted]
            wants = gathered(Want(self._headers, command) for command in commands)
        self._audience = await Audience.hire(scene.stage, self.name, scene.loads)
        await self._audience.watch(scene.redis_port, witnessed)
        scene.pids[self.name] = family(self.child.pid)
        self.before = memory_of(self.child.pid)
        way = Way(port, "/v2/sim", scene.kinds, tls=scene.scenario.tls)
        self.handshakes_per_s = await self._audience.connect(way, wants)
        await self._audience.subscribe()
        self.after = memory_of(self.child.pid)

    async def round(self, rate: float, play: Mapping[str, object] | None = None) -> Round:
        """Publishes for a warm-up and a window and measures the window. `play` plays recordings instead of `rate`."""
        assert self._audience is not None
        scene, audience = self.scene, self._audience
        before = await scrape(self.admin_port)
        await audience.reset()
        await (scene.publisher.ask("play", **play) if play else scene.publisher.ask("start", rate=rate))
        await asyncio.sleep(scene.plan.warm_s)
        window = await audience.window(scene.window_s, scene.scenario.sample_every, scene.pids)
        offered = await scene.publisher.ask("stop")
        total = await audience.settle(SETTLE_S, offered["offered"] * scene.fan)
        delays = await audience.delays()
        return Round(
            window=window,
            cpu=window.cpu[self.name],
            deliveries=window.messages,
            delays_ms=delays,
            offered=offered["offered"],
            offered_s=offered["seconds"],
            published_s=offered["seconds"] + offered["drained_s"],
            expected=offered["offered"] * scene.fan,
            total=total,
            counters=(await scrape(self.admin_port)).since(before),
            rate=rate,
        )


class FloorSystem:
    """The floor and its clients: it writes what the gateway's last round wrote.

    Meanwhile as many ticks are published as then, of a feed that nobody reads: the load client shares its core with
    publisher and Redis, and what it sees of delays must not look better for the floor because those are idle.
    """

    name = "floor"

    def __init__(self, scene: Scene, child: Child, ballast: Child) -> None:
        self._scene = scene
        self._child = child
        self._ballast = ballast
        self._audience: Audience | None = None

    async def connect(self) -> None:
        scene = self._scene
        port = await _port(self._child)
        self._audience = await Audience.hire(scene.stage, self.name, scene.loads)
        scene.pids[self.name] = [self._child.pid]
        way = Way(port, "/", scene.kinds, tls=scene.scenario.tls, stamped=True)
        await self._audience.connect(way, [Want("", "", len(scene.wanted))])
        await self._audience.subscribe()

    async def round(self, like: Round) -> Round:
        """Writes at the cadence of this round of the gateway, as many frames of the same size."""
        assert self._audience is not None
        assert like.counters is not None
        scene, window = self._scene, like.window
        if not window.frames:
            return replace(like, cpu=0.0, deliveries=0, delays_ms=(), counters=None)
        await self._audience.reset()
        await self._ballast.ask("start", rate=like.rate)
        await self._child.ask(
            "play",
            flushes_per_s=max(1.0, like.counters.flushes / like.offered_s),
            writes_per_s=window.frames / window.seconds,
            frame_bytes=round(window.bytes / window.frames),
        )
        await asyncio.sleep(scene.plan.warm_s)
        measured = await self._audience.window(scene.window_s, scene.scenario.sample_every, scene.pids)
        wrote = await self._child.ask("stop")
        await self._ballast.ask("stop")
        total = await self._audience.settle(SETTLE_S, wrote["writes"])
        return Round(
            window=measured,
            cpu=measured.cpu[self.name],
            deliveries=measured.frames * window.messages / window.frames,
            delays_ms=await self._audience.delays(),
            expected=wrote["writes"],
            total=total,
            late_ms=wrote["late_ms"],
        )


class TutorialSystem:
    """The tutorial's gateway and its clients, at the highest rate that it survives."""

    name = "tutorial"

    def __init__(self, scene: Scene, child: Child) -> None:
        self._scene = scene
        self._child = child
        self._audience: Audience | None = None
        self.search = Halving(scene.scenario.ticks_per_s, least=TICKS_A_WINDOW / scene.window_s)

    async def connect(self) -> None:
        scene = self._scene
        port = await _port(self._child)
        self._audience = await Audience.hire(scene.stage, self.name, scene.loads)
        scene.pids[self.name] = [self._child.pid]
        commands = (subscription(("trades",), symbols or scene.names) for symbols in scene.wanted)
        await self._audience.connect(
            Way(port, "/", scene.kinds, stamped=True), gathered(Want("", command) for command in commands)
        )
        await self._audience.subscribe()

    async def round(self) -> Round:
        """A round at the highest rate that it survives, which the first one finds."""
        found = await self._try(self.search.rate)
        while not self.search.done:
            middle = percentiles(found.delays_ms)
            delivered = found.total.messages if found.total else 0
            share = delivered / found.expected if found.expected else 0.0
            rate = self.search.rate
            self.search.tell(share, middle["p50"] if middle else None, found.deliveries_per_s / self._scene.fan)
            if self.search.rate != rate:
                found = await self._try(self.search.rate)
        return found

    async def _try(self, rate: float) -> Round:
        assert self._audience is not None
        scene = self._scene
        await self._audience.reset()
        await scene.publisher.ask("start_plain", rate=rate)
        await asyncio.sleep(scene.plan.warm_s)
        window = await self._audience.window(scene.window_s, scene.scenario.sample_every, scene.pids)
        offered = await scene.publisher.ask("stop_plain")
        total = await self._audience.settle(TUTORIAL_DRAIN_S, offered["offered"] * scene.fan)
        await self._child.ask("mute")
        await self._audience.settle(SETTLE_S, 0)
        await self._child.ask("unmute")
        return Round(
            window=window,
            cpu=window.cpu[self.name],
            deliveries=window.messages,
            delays_ms=await self._audience.delays(),
            offered=offered["offered"],
            offered_s=offered["seconds"],
            expected=offered["offered"] * scene.fan,
            total=total,
            rate=rate,
        )


async def _port(child: Child) -> int:
    return int(orjson.loads(await child.ready())["port"])


def gathered(wants: Iterable[Want]) -> list[Want]:
    """Wants that are alike, as one."""
    many: dict[Want, int] = {}
    for want in wants:
        many[want] = many.get(want, 0) + want.times
    return [want._replace(times=times) for want, times in many.items()]
