"""Clients that a gateway lets go, each of which goes on at another where it stood; what they were told, and when."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

KIND_OF = {"t": "trades", "q": "quotes"}
Message = dict[str, Any]


@dataclass
class Leaver:
    """One client. `at` is where it stands in each stream; `faults` is what should not have been."""

    url: str
    symbols: Sequence[str]
    at: dict[str, tuple[str | None, int]] = field(default_factory=dict)
    ticks: int = 0
    subscribed: bool = False
    noticed_s: float | None = None
    closed_s: float | None = None
    close_code: int | None = None
    resumed: bool = False
    faults: list[str] = field(default_factory=list)

    async def run(self, http: aiohttp.ClientSession, elsewhere: str) -> None:
        """Reads at its gateway until that lets it go, then elsewhere until cancelled."""
        await self._visit(http, self.url)
        self.closed_s = time.monotonic()
        await self._visit(http, elsewhere)
        self.faults.append("the second gateway ended the connection as well")

    async def _visit(self, http: aiohttp.ClientSession, url: str) -> None:
        async with http.ws_connect(url, protocols=["feed.v1.json"], max_msg_size=0) as socket:
            since = {key: {"epoch": epoch, "seq": seq} for key, (epoch, seq) in self.at.items()}
            command: Message = {"action": "subscribe", **{kind: list(self.symbols) for kind in KIND_OF.values()}}
            await socket.send_json(command | ({"since": since} if since else {}))
            async for frame in socket:
                for message in orjson.loads(frame.data):
                    self._take(message)
            self.close_code = self.close_code or socket.close_code

    def _take(self, message: Message) -> None:
        kind = KIND_OF.get(message["T"])
        if kind is not None:
            self._tick(f"{kind}:{message['S']}", message)
        elif message["T"] == "subscription":
            self._answered(message["streams"])
        elif message["T"] == "epoch":
            self.at[message["stream"]] = (message["epoch"], message["seq"] - 1)
        elif message["T"] == "notice" and message["code"] == "drain":
            self.noticed_s = time.monotonic()
        elif message["T"] not in ("success", "heartbeat", "status"):
            self.faults.append(f"told of {message}")

    def _tick(self, key: str, message: Message) -> None:
        epoch, seq = self.at[key]
        if message["q"] != seq + 1 or "m" in message:
            self.faults.append(f"{key}: {message} after q {seq}")
        self.at[key] = (epoch, message["q"])
        self.ticks += 1

    def _answered(self, streams: dict[str, Message]) -> None:
        if not self.at:
            self.at = {key: (state["epoch"], state["seq"]) for key, state in streams.items()}
            self.subscribed = True
            return
        self.resumed = True
        self.faults += [f"{key} was not recovered: {state}" for key, state in streams.items() if not state["recovered"]]


async def until(condition: Callable[[], object], what: str, within_s: float) -> None:
    """Waits for a condition, with a deadline."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


def leavers(count: int, url: str, symbols: Sequence[str], symbols_each: int, seed: int) -> list[Leaver]:
    """So many clients, each with its own watchlist."""
    chance = random.Random(seed)
    return [Leaver(url, chance.sample(symbols, symbols_each)) for _ in range(count)]
