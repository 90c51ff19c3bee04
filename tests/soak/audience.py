"""Many clients in one process, each with its own watchlist, checking that every stream's numbers rise by one.

    python -m tests.soak.audience ws://127.0.0.1:8080/v2/sim --clients 200 --symbols-each 20 --seconds 60

Prints one JSON object: what was received, holes and repeats (both should be 0), delays from publish to here.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import uvloop

KINDS = ("trades", "quotes")
KIND_OF = {"t": "trades", "q": "quotes"}


@dataclass
class Tally:
    """What all clients together saw."""

    messages: int = 0
    frames: int = 0
    holes: int = 0
    repeats: int = 0
    gaps: int = 0
    first_faults: list[str] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)

    def fault(self, text: str) -> None:
        if len(self.first_faults) < 10:
            self.first_faults.append(text)

    def percentile(self, share: float) -> float | None:
        delays = sorted(self.delays_ms)
        return round(delays[min(len(delays) - 1, int(share * len(delays)))], 3) if delays else None


async def client(http: aiohttp.ClientSession, url: str, symbols: Sequence[str], tally: Tally, end: float) -> None:
    """One client; ends at the monotonic time `end`."""
    async with http.ws_connect(url, protocols=["feed.v1.json"], max_msg_size=0) as socket:
        await socket.receive()
        await socket.send_json({"action": "subscribe", "stamps": True, **{kind: list(symbols) for kind in KINDS}})
        answer = await answered(socket)
        at = {key: state["seq"] for key, state in answer["streams"].items()}
        assert len(at) == len(KINDS) * len(symbols)
        while (left := end - time.monotonic()) > 0:
            try:
                frame = await socket.receive(left)
            except TimeoutError:
                return
            if frame.type is not aiohttp.WSMsgType.TEXT:
                tally.fault(f"the connection ended: {frame}")
                tally.holes += 1
                return
            tally.frames += 1
            check(orjson.loads(frame.data), at, tally)


async def answered(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The answer to the subscribe command, which heartbeats may precede."""
    while True:
        message: dict[str, Any] = orjson.loads((await socket.receive()).data)[0]
        if message["T"] == "subscription":
            return message
        assert message["T"] == "heartbeat", message


def check(messages: list[dict[str, object]], at: dict[str, int], tally: Tally) -> None:
    """Counts one frame's messages, and what is wrong with their numbers."""
    for message in messages:
        kind = KIND_OF.get(str(message["T"]))
        if kind is None:
            tally.gaps += message["T"] == "gap"
            continue
        key = f"{kind}:{message['S']}"
        seq = int(str(message["q"]))
        if seq > at[key] + 1:
            tally.holes += 1
            tally.fault(f"{key}: {at[key]} then {seq}")
        elif seq <= at[key]:
            tally.repeats += 1
            tally.fault(f"{key}: {at[key]} then {seq} again")
        at[key] = seq
        tally.messages += 1
    last = messages[-1]
    if "tp" in last and tally.frames % 16 == 0:
        tally.delays_ms.append(time.time() * 1000 - int(str(last["tp"])) / 1000)


async def audience(url: str, clients: int, symbols_each: int, seconds: float, seed: int) -> Tally:
    """Connects `clients` clients, each to its own choice of symbols, and reads for `seconds`."""
    tally = Tally()
    chance = random.Random(seed)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.get(url.replace("ws", "http", 1) + "/symbols") as response:
            symbols = (await response.json())["symbols"]
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client(http, url, chance.sample(symbols, symbols_each), tally, end))
    return tally


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--symbols-each", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    tally = uvloop.run(audience(asked.url, asked.clients, asked.symbols_each, asked.seconds, asked.seed))
    print(json.dumps({
        "clients": asked.clients, "seconds": asked.seconds, "messages": tally.messages, "frames": tally.frames,
        "holes": tally.holes, "repeats": tally.repeats, "gaps": tally.gaps, "faults": tally.first_faults,
        "delay_ms": {"p50": tally.percentile(0.5), "p99": tally.percentile(0.99), "max": tally.percentile(1.0)},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
