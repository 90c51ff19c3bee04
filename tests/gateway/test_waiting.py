"""A subscription that waits for a Redis that hangs holds up nothing but itself."""

import asyncio

import pytest

from feed.bus.embedded import EmbeddedServer
from feed.gateway.inbox import MAX_WAITING
from tests.gateway.gateway_stage import play, serving


@pytest.mark.timeout(60)
def test_pings_are_answered_and_commands_bounded_while_a_subscription_waits() -> None:
    async def scene(server: EmbeddedServer) -> None:
        async with serving(server.url) as stage, stage.client(2) as client:
            server.pause()
            try:
                await client.send({"action": "subscribe", "id": 1, "trades": ["A"]})
                await asyncio.wait_for(await client.ws.ping(), 5)
                for number in range(MAX_WAITING + 1):
                    await client.send({"action": "ping", "id": number})
                error = (await client.frame())[0]
                while error["T"] == "heartbeat":
                    error = (await client.frame())[0]
                assert (error["code"], error["detail"]) == (429, f"{MAX_WAITING} commands wait already")
            finally:
                server.resume()
            kinds = []
            async with asyncio.timeout(20):
                while len(kinds) < MAX_WAITING + 1:
                    kinds += [message["T"] for message in await client.frame() if message["T"] != "heartbeat"]
            assert kinds == ["subscription"] + ["pong"] * MAX_WAITING

    with EmbeddedServer() as server:
        play(lambda: scene(server))
