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
from typing import Any, Final

import aiohttp
import orjson
import uvloop

from tests.soak.tally import KINDS, Tally

SAMPLED_EVERY: Final = 16


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
                tally.ended(f"the connection ended: {frame}")
                return
            messages = orjson.loads(frame.data)
            tally.check(messages, at)
            if tally.frames % SAMPLED_EVERY == 0:
                tally.sample(messages[-1])


async def answered(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The answer to the subscribe command, which heartbeats may precede."""
    while True:
        message: dict[str, Any] = orjson.loads((await socket.receive()).data)[0]
        if message["T"] == "subscription":
            return message
        assert message["T"] == "heartbeat", message


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
    print(json.dumps({"clients": asked.clients, "seconds": asked.seconds, **tally.report()}))


if __name__ == "__main__":
    main()
