"""Every way in x every state of a credential x every action, against gateways whose keys are in a real Redis."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from feed.bus.keys import RedisKeys
from feed.core.keys import to_json
from feed.settings import Redis
from tests.access.issuer import auth, ec_key, public_pem
from tests.gateway.authorisation import (
    COOKIE,
    MESSAGES,
    MODES,
    ORIGIN,
    OTHER,
    OWN,
    REST_ACTIONS,
    STREAM_ACTIONS,
    USELESS,
    Cell,
    Desk,
    Outcome,
    cells,
    expected,
)
from tests.gateway.gateway_stage import AUTHENTICATED, CONNECTED, PATIENCE_S, Client, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
# This many attempts at once.
TOGETHER = 24
PING = {"action": "ping", "id": "alive"}


@asynccontextmanager
async def gateways(redis_url: str, desk: Desk, pem: Path) -> AsyncIterator[dict[str, Stage]]:
    """One for each mode, with the desk's keys in Redis and its issuer's public key in the file `pem`."""
    store = RedisKeys(Redis(url=redis_url))
    for record in desk.records:
        await store.change(lambda _, record=record: (record.id, to_json(record)))  # type: ignore[misc]
    await store.close()
    async with AsyncExitStack() as stack:
        stages = {}
        for mode in MODES:
            knobs = auth(mode=mode, jwt_algorithms=["ES256"], jwt_public_key=str(pem), cookie=COOKIE)
            stages[mode] = await stack.enter_async_context(
                serving(redis_url, auth=knobs, origins=(ORIGIN,), handshakes_per_s=1_000_000)
            )
        keyrings: list[Any] = [getattr(stage.gateway._authenticator, "_keys", None) for stage in stages.values()]
        await until(lambda: all(keys.ready for keys in keyrings if keys is not None))
        yield stages


async def tried(cell: Cell, desk: Desk, stage: Stage, http: aiohttp.ClientSession) -> Outcome:
    if cell.depth:
        return await streamed(cell, desk, stage)
    page = f"http://{stage.address}"
    async with http.get(page + REST_ACTIONS[cell.action], headers=desk.headers(cell, page)) as answer:
        body = await answer.text()
        assert OTHER not in body or answer.status == 403, (cell, body)
        assert answer.status != 200 or cell.action == "other feed" or OWN in body, (cell, body)
        return Outcome(answer.status, 0)


async def streamed(cell: Cell, desk: Desk, stage: Stage) -> Outcome:
    """Sends credentials and action without a pause between them, and reads on until it is clear what they came to."""
    headers = desk.headers(cell, f"http://{stage.address}")
    protocols = [f"feed.v1.{'msgpack' if cell.packed else 'json'}"] if cell.depth == 2 else []
    options: dict[str, Any] = {"additional_headers": headers, "origin": headers.pop("Origin", None)}
    path = "/v2/quiet" if cell.action == "other feed" else "/v2/sim"
    try:
        async with stage.open(path, cell.packed, protocols, **options) as ws:
            client = Client(ws, cell.packed)
            if cell.way in MESSAGES:
                await client.send(desk.message(cell))
            if cell.action != "connect":
                command = STREAM_ACTIONS[cell.action]
                known = command if cell.depth == 2 else {key: command[key] for key in command if key != "since"}
                with contextlib.suppress(ConnectionClosed):  # what was answered before is read all the same
                    await client.send(known)
            return await outcome(cell, client)
    except InvalidStatus as refused:
        return Outcome(refused.response.status_code, 0)


async def outcome(cell: Cell, client: Client) -> Outcome:
    code = 0
    answered = cell.action == "connect"
    proven = cell.way in USELESS
    assert await client.frame() == CONNECTED
    try:
        while not (answered and proven):
            frame = await client.frame()
            for message in frame:
                assert OTHER not in str(message) or message["T"] == "error", (cell, message)
                assert not code or code == 409 or message["T"] == "error", (cell, message)
            proven = proven or frame == AUTHENTICATED
            if frame[0]["T"] == "error":
                code, answered = frame[0]["code"], True
                if code == 402 or (code == 409 and not proven):
                    proven = answered = False  # nothing but the close may follow
            elif frame[0]["T"] == "subscription":
                assert proven, (cell, frame)
                answered = True
        if code == 0 and cell.action in ("every symbol", "resume of another"):
            (tick,) = await client.some(1)
            assert tick.get("S") == OWN, (cell, tick)
    except ConnectionClosed:
        assert client.ws.close_code is not None
        return Outcome(code, client.ws.close_code)
    return Outcome(code, 0)


async def all_of_it(desk: Desk, stage: Stage) -> None:
    """A client that may have everything and does, so that there is something to be kept from the others."""
    async with stage.client(2, max_queue=None) as client:
        key, secret = desk.keys["wide"]
        assert await client.ask({"action": "auth", "key": key, "secret": secret}) == AUTHENTICATED
        held = await client.subscribe(trades=["*", OTHER], quotes=["*"])
        assert {f"trades:{OWN}", f"trades:{OTHER}"} <= held["streams"].keys()
        while True:
            await client.frame()


async def ticking(stage: Stage) -> None:
    while True:
        stage.trade(OWN)
        stage.trade(OTHER)
        await asyncio.sleep(0.02)


def test_everybody_gets_what_is_granted_and_nobody_anything_else(redis_url: str, tmp_path: Path) -> None:
    desk = Desk()
    wrong: list[tuple[Cell, Outcome, Outcome]] = []
    found: Counter[Outcome] = Counter()
    started = time.monotonic()
    pem = tmp_path / "issuer.pem"
    pem.write_bytes(public_pem(ec_key(0)))

    async def scene() -> None:
        slots = asyncio.Semaphore(TOGETHER)

        async def attempt(cell: Cell) -> None:
            async with slots, asyncio.timeout(4 * PATIENCE_S):
                came_to = await tried(cell, desk, stages[cell.mode], http)
            found[came_to] += 1
            if came_to != expected(cell):
                wrong.append((cell, came_to, expected(cell)))

        async with gateways(redis_url, desk, pem) as stages, aiohttp.ClientSession() as http:
            stage = stages["keys+jwt"]
            stage.trade(OWN)
            stage.trade(OTHER)
            await stage.published()
            others = [asyncio.create_task(ticking(stage)), asyncio.create_task(all_of_it(desk, stage))]
            await until(lambda: len(stage.hub.interest.streams) == 2)
            async with asyncio.TaskGroup() as group:
                for cell in cells():
                    group.create_task(attempt(cell))
            for task in others:
                assert not task.done()
                task.cancel()
            await asyncio.wait(others)

    play(scene)
    assert not wrong, f"{len(wrong)} of {found.total()}, the first: {wrong[:5]}"
    assert found.total() == len(set(cells())) > 1_000
    summary = ", ".join(f"{each.code} {each.close or ''}".strip() + f": {found[each]}" for each in sorted(found))
    print(f"\n{found.total()} attempts in {time.monotonic() - started:.0f} s, by error and close code: {summary}")
