"""A venue's WebSocket that plays recordings, so that the real connector can be driven without the venue."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web

from feed.ingest.replay.client import Client
from feed.ingest.replay.personas import PERSONAS, Refusal
from feed.ingest.replay.player import Player
from feed.ingest.replay.recording import merge
from feed.ingest.replay.survey import survey

MAX_COMMAND_BYTES: Final = 65_536
BEAT_S: Final = 0.25
CLOSE_TIMEOUT_S: Final = 1.0


class Progress(NamedTuple):
    """How far a replay is. `frames_sent` counts the frames that the clock has passed, whoever was subscribed."""

    frames_sent: int
    total_frames: int
    position_ns: int
    elapsed_s: float
    clients: int
    finished: bool
    dropped_clients: int


class Replay:
    """Recordings as a venue: `start()`, then `run(stop)`. `port` is the one bound, once started."""

    def __init__(
        self,
        files: Sequence[Path],
        *,
        host: str,
        port: int,
        speed: float,
        venue: str | None = None,
        patience_s: float = 10.0,
    ) -> None:
        """`speed` is a factor, or 0 for as fast as clients take it; without `venue` it is told from the first frame.

        Raises ValueError for a speed, venue or lack of files that makes no sense.
        """
        if not files:
            raise ValueError("no files to play")
        if not 0 <= speed < float("inf"):
            raise ValueError(f"speed {speed} is not a factor of 0 or more")
        if venue is not None and venue not in PERSONAS:
            raise ValueError(f"venue {venue!r} is not one of {', '.join(PERSONAS)}")
        self.port = port
        self._files = files
        self._host = host
        self._speed = speed
        self._venue = venue
        self._patience_s = patience_s

    async def start(self) -> None:
        """Reads all files through, then binds. Raises RecordingError for a line that can't be played, and OSError."""
        found = await asyncio.to_thread(survey, self._files, self._venue)
        self._persona = found.persona
        self._total_frames = found.total_frames
        self._frames = merge(self._files)
        self._player = Player(self._frames, found.persona, self._speed, self._patience_s)
        app = web.Application()
        app.router.add_get("/{path:.*}", self._connect)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]

    async def run(self, stop: asyncio.Event) -> None:
        """Plays, and keeps the connections open after the end, until `stop` is set. Raises RecordingError."""
        stopping = asyncio.create_task(stop.wait())
        tasks = {stopping, asyncio.create_task(self._player.play()), asyncio.create_task(self._beat())}
        pending = tasks
        try:
            with closing(self._frames):
                while stopping in pending:
                    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.wait(tasks)
            await self._close()

    def progress(self) -> Progress:
        player = self._player
        elapsed_s = 0.0
        if player.began_s is not None:
            elapsed_s = (player.ended_s or asyncio.get_running_loop().time()) - player.began_s
        return Progress(
            player.frames_sent,
            self._total_frames,
            player.position_ns,
            elapsed_s,
            len(player.clients),
            player.ended_s is not None,
            player.dropped_clients,
        )

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        try:
            dialogue = self._persona.open(request.path, request.query)
        except Refusal as refusal:
            return web.Response(status=refusal.status, text=f"{refusal.reason}\n")
        ws = web.WebSocketResponse(compress=False, autoping=False, max_msg_size=MAX_COMMAND_BYTES)
        await ws.prepare(request)
        if request.transport is None:
            return ws  # gone while it was greeted
        now_s = asyncio.get_running_loop().time()
        client = Client(ws, request.transport, dialogue, self._persona.rhythm, now_s)
        client.say(dialogue.greeting(), now_s)
        self._player.clients.add(client)
        try:
            self._player.subscriptions_changed()
            await self._listen(client)
        finally:
            self._player.clients.discard(client)
            self._player.subscriptions_changed()
        return ws

    async def _listen(self, client: Client) -> None:
        now = asyncio.get_running_loop().time
        async for message in client.ws:
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    text = message.data.encode() if message.type is WSMsgType.TEXT else message.data
                    reply = client.dialogue.hear(text, now())
                    client.say(reply.frames, now())
                    if reply.close is not None:
                        await client.ws.close(code=reply.close)
                    self._player.subscriptions_changed()
                case WSMsgType.PING:
                    await client.ws.pong(message.data)
                case WSMsgType.PONG:
                    client.pulse.pong()

    async def _beat(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(BEAT_S)
            for client in list(self._player.clients):
                client.beat(now())

    async def _close(self) -> None:
        clients = list(self._player.clients)
        if clients:
            goodbyes = [asyncio.create_task(client.ws.close(code=WSCloseCode.GOING_AWAY)) for client in clients]
            _, silent = await asyncio.wait(goodbyes, timeout=CLOSE_TIMEOUT_S)
            # A close frame waits behind what a client does not read: that one is cut off.
            for client in clients:
                client.drop()
            for goodbye in silent:
                goodbye.cancel()
            await asyncio.wait(goodbyes)
        await self._runner.cleanup()
