"""A system's clients: the load processes that hold them, asked together, answering as one."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from feed.bench.control import Json
from feed.bench.stage import Child, Stage

DEPTH_TWO_JSON = "Sec-WebSocket-Protocol: feed.v1.json\r\n"


class Want(NamedTuple):
    """Clients alike: their request's headers, the command that they send, how many they are, whether to sample them."""

    headers: str
    command: str
    times: int = 1
    sampled: bool = True


class Way(NamedTuple):
    """Where clients connect, and what they will be sent. `stamped` messages carry the time of their publishing."""

    port: int
    path: str
    kinds: Sequence[str]
    tls: bool = False
    stamped: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """What came within a window, and what processes took meanwhile: shares of a core, by name."""

    seconds: float
    frames: int
    messages: int
    bytes: int
    cpu: Mapping[str, float] = field(default_factory=dict)
    client_cpu: float = 0.0
    loop_delay_ms: float = 0.0
    strangers_cpu: float = 0.0  # cores that processes had which are not the benchmark's


class Total(NamedTuple):
    """What came since the round began, and connections that ended."""

    frames: int
    messages: int
    bytes: int
    lost: int
    closed: Mapping[str, int]


class Audience:
    """The load processes of one system."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._children = children

    @classmethod
    async def hire(cls, stage: Stage, name: str, many: int) -> "Audience":
        starting = (stage.beside(f"load client of the {name}", "feed.bench.load") for _ in range(many))
        children = await asyncio.gather(*starting)
        await asyncio.gather(*(child.ready() for child in children))
        return cls(children)

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in self._children]

    async def connect(self, way: Way, wants: Sequence[Want]) -> float:
        """Connects all; returns handshakes a second."""
        told = {"host": "127.0.0.1", **way._asdict()}
        parts = split(wants, len(self._children))
        answers = await asyncio.gather(
            *(child.ask("connect", clients=part, **told) for child, part in zip(self._children, parts, strict=True))
        )
        seconds: float = max(answer["seconds"] for answer in answers)
        return sum(want.times for want in wants) / seconds

    async def subscribe(self) -> None:
        await self._all("subscribe")

    async def watch(self, redis_port: int, channels: Sequence[str]) -> None:
        await self._all("watch", port=redis_port, channels=list(channels))

    async def reset(self) -> None:
        await self._all("reset")

    async def window(self, seconds: float, every: int, pids: Mapping[str, Sequence[int]]) -> Window:
        answers = await self._all("window", seconds=seconds, every=every, pids={k: list(v) for k, v in pids.items()})
        took_ns = answers[0]["seconds"] * 1e9
        ours_ns = sum(answers[0]["cpu_ns"].values()) + sum(answer["client_cpu_ns"] for answer in answers)
        return Window(
            seconds=answers[0]["seconds"],
            frames=sum(answer["frames"] for answer in answers),
            messages=sum(answer["messages"] for answer in answers),
            bytes=sum(answer["bytes"] for answer in answers),
            cpu={name: spent / took_ns for name, spent in answers[0]["cpu_ns"].items()},
            strangers_cpu=max(0.0, (answers[0]["busy_ns"] - ours_ns) / took_ns) if answers[0]["busy_ns"] else 0.0,
            client_cpu=max(answer["client_cpu_ns"] for answer in answers) / took_ns,
            loop_delay_ms=max(answer["loop_delay_ms"] for answer in answers),
        )

    async def settle(self, within_s: float, expected: float) -> Total:
        """Waits until what is under way has come; `expected` messages make it sure sooner."""
        answers = await self._all("settle", within_s=within_s, expected=expected / len(self._children))
        closed: dict[str, int] = {}
        for answer in answers:
            for code, many in answer["closed"].items():
                closed[code] = closed.get(code, 0) + many
        frames, messages, size, lost = (
            sum(answer[name] for answer in answers) for name in ("frames", "messages", "bytes", "lost")
        )
        return Total(frames, messages, size, lost, closed)

    async def delays(self) -> list[float]:
        """Of the last window, in ms."""
        return [delay for answer in await self._all("delays") for delay in answer["delays_ms"]]

    async def _all(self, verb: str, **arguments: Any) -> list[Json]:
        return await asyncio.gather(*(child.ask(verb, **arguments) for child in self._children))


def split(wants: Sequence[Want], parts: int) -> list[list[list[Any]]]:
    """Deals wants out to so many processes, evenly."""
    dealt: list[list[list[Any]]] = [[] for _ in range(parts)]
    turn = 0
    for want in wants:
        for part in range(parts):
            times = (want.times + parts - 1 - (part - turn) % parts) // parts
            if times:
                dealt[part].append([want.headers, want.command, times, want.sampled])
        turn += want.times
    return dealt


def subscription(kinds: Sequence[str], symbols: Sequence[str], **more: object) -> str:
    """The command that asks for these symbols; for all of them where none is named."""
    return json.dumps({"action": "subscribe", **{kind: list(symbols) or ["*"] for kind in kinds}, **more})
