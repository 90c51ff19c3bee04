"""The tutorial's gateway: what everybody writes first, with aiohttp and redis-py's own client on plain asyncio.

It is given one thing that tutorials leave on: no compression of each message for each client.

    python -m feed.bench.tutorial redis://127.0.0.1:6379/0
"""

import asyncio
import json
import sys

import redis.asyncio
from aiohttp import web

from feed.bench.control import Json, serve
from feed.bench.plain import CHANNEL
from feed.lifecycle import raise_open_files, report_faults


class Tutorial:
    """Clients and the symbols that each wants; every tick goes to each of them, one after the other."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.clients: dict[web.WebSocketResponse, set[str]] = {}
        self._muted: dict[web.WebSocketResponse, set[str]] = {}

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        try:
            async for message in ws:
                self.clients[ws] = set(json.loads(message.data)["trades"])
                await ws.send_str('[{"T":"subscription"}]')
        finally:
            self.clients.pop(ws, None)
        return ws

    async def fan_out(self) -> None:
        async with redis.asyncio.from_url(self._url, decode_responses=True) as client, client.pubsub() as pubsub:
            await pubsub.psubscribe(f"{CHANNEL}*")
            async for message in pubsub.listen():
                if message["type"] == "pmessage":
                    symbol = message["channel"].removeprefix(CHANNEL)
                    for ws, symbols in list(self.clients.items()):
                        if symbol in symbols:
                            await ws.send_str(message["data"])

    async def mute(self) -> Json:
        """Sends nobody anything, so that what waits after too high a load is gone soon."""
        self.clients, self._muted = {}, self.clients
        return {}

    async def unmute(self) -> Json:
        """Back to all clients."""
        self.clients = self._muted
        return {}


async def main() -> None:
    tutorial = Tutorial(sys.argv[1])
    app = web.Application()
    app.add_routes([web.get("/", tutorial.stream)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    async with asyncio.TaskGroup() as group:
        fanning = group.create_task(tutorial.fan_out())
        await serve({"mute": tutorial.mute, "unmute": tutorial.unmute}, {"port": runner.addresses[0][1]})
        fanning.cancel()
    await runner.cleanup()


if __name__ == "__main__":
    report_faults(debug=False)
    raise_open_files()
    asyncio.run(main())
