"""A rolling update, played with real processes: Redis, a publisher, a proxy, gateways that come and go, clients."""

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from feed.bench.cpu import Cores
from feed.bench.fanout import start_publisher
from feed.bench.made import symbols
from feed.bench.scenarios import Scenario
from feed.bench.stage import Child, Stage, ports
from feed.bus.embedded import EmbeddedServer
from tests.integration.rollout.account import Account, Step
from tests.integration.rollout.crowd import OWN, RAW
from tests.integration.rollout.journey import Journey
from tests.integration.rollout.proxy import Proxy, proxy

POLL_S = 0.2
JOIN_S = 90.0
REPLACE_S = 60.0
CATCH_UP_S = 30.0
BY_HAND_EVERY = 20  # one client of so many resumes by hand
MORE_EVERY = 10  # and one of so many has several streams


@dataclass(frozen=True)
class Plan:
    """How large it is: `each` is how many of the symbols a client wants, `more` those of every tenth, whose streams
    are resumed together; `by_hand` is the kind of every twentieth.
    `environment` is for the gateways, which are told to believe the proxy anyway."""

    clients: int = 2_000
    processes: int = 4
    gateways: int = 3
    symbols: int = 40
    each: int = 1
    more: int = 3
    ticks_per_s: float = 200.0
    environment: tuple[tuple[str, str], ...] = ()
    by_hand: str = RAW


@dataclass
class Gateway:
    child: Child
    port: int
    admin_port: int
    place: str

    async def connections(self) -> int:
        """WebSocket connections, as its metrics say."""
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.admin_port}/metrics") as answer:
            found = re.findall(r'(?m)^feed_gateway_connections\{feed="sim"\} (\S+)$', await answer.text())
        return sum(int(float(value)) for value in found)


class Rollout:
    """One rolling update."""

    def __init__(self, plan: Plan, stage: Stage, redis: EmbeddedServer, entrance: Proxy) -> None:
        self._plan = plan
        self._stage = stage
        self._redis = redis
        self._proxy = entrance
        self._crowds: list[Child] = []
        self._started = 0

    async def play(self) -> Account:
        plan = self._plan
        publisher = await start_publisher(self._stage, self._redis.url, Scenario("rollout", "", symbols=plan.symbols))
        await publisher.ready()
        await publisher.ask("prime")
        old = await asyncio.gather(*(self._start() for _ in range(plan.gateways)))
        await publisher.ask("start", rate=plan.ticks_per_s)
        await self._join()
        await self._until(lambda now: now["hearing"] == plan.clients, "all clients hear ticks", JOIN_S)
        steps, new, began_s = [], [], time.monotonic()
        for gateway in old:
            new.append(await self._start())
            steps.append(await self._replace(gateway))
        took_s = time.monotonic() - began_s
        published = plan.symbols + (await publisher.ask("stop"))["offered"]  # one of each began the streams
        ends = await self._ends()
        after = [await gateway.connections() for gateway in new]
        await self._until(lambda now: now["complete"] == plan.clients, "all have all", CATCH_UP_S, ends, strict=False)
        answers = [await crowd.ask("journeys") for crowd in self._crowds]
        journeys = [Journey.of_json(told) for answer in answers for told in answer["journeys"]]
        every_s = plan.symbols / plan.ticks_per_s / plan.each
        return Account(journeys, ends, steps, after, every_s, plan.ticks_per_s, took_s, published)

    async def _start(self) -> Gateway:
        """A gateway, ready, that the proxy sends clients to."""
        self._started += 1
        environment = {"FEED_GATEWAY__TRUSTED_PROXIES": "127.0.0.1"} | dict(self._plan.environment)
        arguments = ("--port", "0", "--admin-port", "0", "--feeds", "sim", "--redis", self._redis.url)
        child = await self._stage.under_test(
            f"gateway {self._started}", "feed", "gateway", *arguments, "--log-level", "warning", **environment
        )
        port, admin_port = ports(await child.ready())
        return Gateway(child, port, admin_port, await self._proxy.add(port, admin_port))

    async def _join(self) -> None:
        plan, chance, names = self._plan, random.Random(7), symbols(self._plan.symbols)
        self._crowds = list(await asyncio.gather(*(self._crowd(number) for number in range(plan.processes))))
        url = f"ws://127.0.0.1:{self._proxy.port}/v2/sim"
        kinds = [plan.by_hand if number % BY_HAND_EVERY == 0 else OWN for number in range(plan.clients)]
        wants = [plan.more if number % MORE_EVERY == 1 else plan.each for number in range(plan.clients)]
        wants[0] = plan.more  # one that resumes by hand
        clients = [[kind, chance.sample(names, many)] for kind, many in zip(kinds, wants, strict=True)]
        async with asyncio.timeout(JOIN_S):
            joining = (
                crowd.ask("join", url=url, clients=clients[number :: plan.processes], seed=number)
                for number, crowd in enumerate(self._crowds)
            )
            await asyncio.gather(*joining)

    async def _crowd(self, number: int) -> Child:
        crowd = await self._stage.beside(f"clients {number}", "tests.integration.rollout.crowd")
        await crowd.ready()
        return crowd

    async def _replace(self, gateway: Gateway) -> Step:
        """Stops a gateway as whoever runs it does, and waits until all of its clients are back."""
        clients = await gateway.connections()
        closings = (await self._standing({}))["closings"]
        told_s = time.monotonic()
        os.kill(gateway.child.pid, signal.SIGTERM)
        async with asyncio.timeout(REPLACE_S):
            ended = await gateway.child.ended()
        took_s = time.monotonic() - told_s
        await self._proxy.remove(gateway.place)
        await self._until(
            lambda now: now["connected"] == self._plan.clients and now["closings"] >= closings + clients,
            "all clients are back", REPLACE_S, strict=False,
        )  # fmt: skip
        code = str(ended).partition("exit code ")[2].split("\n")[0]
        return Step(clients, told_s, code, took_s)

    async def _ends(self) -> dict[str, int]:
        """The last seq of each stream, as Redis has it."""
        url = f"http://127.0.0.1:{self._proxy.port}/v2/sim/symbols"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            streams = (await answer.json())["streams"]
        return {stream: state["seq"] for stream, state in streams.items()}

    async def _standing(self, ends: dict[str, int]) -> dict[str, int]:
        answers: Sequence[dict[str, Any]] = await asyncio.gather(
            *(crowd.ask("standing", ends=ends) for crowd in self._crowds)
        )
        return {name: sum(answer[name] for answer in answers) for name in answers[0]}

    async def _until(
        self,
        holds: Callable[[dict[str, int]], bool],
        what: str,
        within_s: float,
        ends: dict[str, int] | None = None,
        strict: bool = True,
    ) -> None:
        """Waits for it; where it does not come about the account says so, unless `strict`."""
        deadline = time.monotonic() + within_s
        while not holds(now := await self._standing(ends or {})):
            if time.monotonic() > deadline:
                if strict:
                    raise TimeoutError(f"{what}: {now}")
                return
            await asyncio.sleep(POLL_S)


async def rolled(plan: Plan, deployed: Path, folder: Path) -> Account:
    """A rolling update of all gateways behind the proxy whose settings are in the file `deployed`."""
    with EmbeddedServer() as redis, proxy(deployed, folder) as entrance:
        async with Stage(Cores(None, None)) as stage:
            return await Rollout(plan, stage, redis, entrance).play()
