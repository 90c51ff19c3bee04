"""The gateway process: HTTP and WebSocket in front, the subscriber behind, hubs between them."""

import asyncio
import contextlib
import secrets
import time
from typing import Final

import structlog
from aiohttp import web

from feed import metrics
from feed.access.authenticator import authenticator_of
from feed.access.presented import presented
from feed.access.principal import Authenticator
from feed.bus.answer import Answer
from feed.bus.inquiries import Inquirer, Respondent
from feed.bus.leases import Leases
from feed.bus.store import Store
from feed.gateway import zeros
from feed.gateway.census import Census
from feed.gateway.connection_ids import HEADER, ConnectionIds
from feed.gateway.door import Door
from feed.gateway.drain import close_all
from feed.gateway.entrance import Entrance
from feed.gateway.feeds import Feeds
from feed.gateway.guests import Guests
from feed.gateway.http import Rest, Visitor, faults_answered
from feed.gateway.hub import Hub
from feed.gateway.operator import Operator
from feed.gateway.page import add_page
from feed.gateway.session import Session
from feed.gateway.socket import Socket
from feed.gateway.speech import DEPTH_TWO, speech_of
from feed.gateway.tls import Tls
from feed.gateway.view import View
from feed.settings import Values
from feed.wire.closing import Close
from feed.wire.deflate import agreed

# How much longer than the window clients may take to go; what is left then is cut off.
CUT_AFTER_S: Final = 5.0
# A REST answer takes milliseconds, or redis.timeout_s where it waits for a Redis that hangs: nobody stops for that.
REQUEST_ENDS_S: Final = 1.0
RETRY_AFTER_S: Final = 5
# How often in a ping's interval all clients are looked at, and how many in one turn of the loop: half a millisecond.
LOOKS: Final = 8
LOOKED_AT_ONCE: Final = 1_000

log = structlog.get_logger(__name__)


class Gateway:
    """Serves clients on `gateway.host`:`gateway.port`. `start` binds, `run` serves until told to stop.

    As a `worker`, by its number from 1, it lets others of this user listen there too, and the kernel spreads the
    clients over them; `role` is what operators see this process called. Raises ValueError, naming the knob, where a
    certificate or a key of the settings can't be used.
    """

    def __init__(
        self,
        values: Values,
        authenticator: Authenticator | None = None,
        *,
        worker: int = 0,
        role: str = "gateway",
    ) -> None:
        self._shares_port = worker > 0
        self._ids = ConnectionIds(worker)
        self._values = values
        self._settings = values.gateway
        self._authenticator = authenticator or authenticator_of(values)
        self._leases = Leases(values.redis, secrets.token_hex(8)) if self._authenticator.required else None
        self._guests = Guests(self._authenticator, self._leases, values.auth.expiring_s)
        self._tls = Tls(self._settings.tls_cert, self._settings.tls_key) if self._settings.tls_cert else None
        self._entrance = Entrance(values)
        self._door = Door(self._settings, self._entrance.arrivals, self._entrance.exempt, self._tls)
        self._sessions: set[Session] = set()
        self._draining = False  # load balancers are told; all else goes on
        self._shut = False  # no new clients
        self._let_go = False  # clients had their time to go
        self._all_gone = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._feeds: Feeds | None = None
        self._store = Store(values.redis)
        self._inquirer = Inquirer(values.redis, "feed-gateway-operator")
        self._view = View(self._hub, self.not_ready, lambda: len(self._sessions))
        self._respondent = Respondent(values.redis, role, self._view)
        self.port = 0
        zeros.begin()
        metrics.GATEWAY_READY.labels().set_function(lambda: float(not self.not_ready()))
        metrics.GATEWAY_CONNECTIONS_LIMIT.labels().set(self._settings.max_connections)

    async def start(self) -> None:
        """Reads keys and binds. Raises OSError where the address is taken."""
        self._feeds = Feeds(self._values, self._settings.feeds)
        app = web.Application(middlewares=[faults_answered(self._entrance.check)])
        add_page(app, self._feeds.names)
        app.add_routes([web.get("/v2/{feed}", self._stream)])
        app.add_routes(Rest(self._feeds.names, self._store, self._guests, self._visitor).routes())
        census = Census(self._inquirer, self._own)
        app.add_routes(Operator(self._values, self._guests, self._visitor, census).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=REQUEST_ENDS_S)
        await self._runner.setup()
        assert self._runner.server is not None
        await self._authenticator.prepare()  # whoever is told that this listens may come at once
        self.port = self._door.open(self._runner.server, shares_port=self._shares_port)

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop` is set, then lets the clients go and cleans up. Where a part fails, they go at once."""
        assert self._feeds is not None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._feeds.subscriber.run()),
                    group.create_task(self._feeds.backfill.run()),
                    group.create_task(self._feeds.beat(self._settings.heartbeat_s)),
                    group.create_task(self._look()),
                    group.create_task(self._door.run()),
                    group.create_task(self._authenticator.run()),
                    group.create_task(self._guests.run()),
                    group.create_task(self._respondent.run()),
                ]
                tasks += [group.create_task(part.run()) for part in (self._leases, self._tls) if part is not None]
                await stop.wait()
                await self._drain()
                for task in tasks:
                    task.cancel()
        finally:
            await self.close()

    async def close(self) -> None:
        """Closes every client, frees the port and the connections to Redis. Safe to call twice."""
        if not self._let_go:
            await self._close_all(0.0)
        await self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._store.close()
        await self._inquirer.close()
        if self._leases is not None:
            await self._leases.close()
        if self._feeds is not None:
            await self._feeds.backfill.close()

    @property
    def life(self) -> str:
        """What the ids of all its connections begin with."""
        return self._ids.life

    def not_ready(self) -> str:
        """Why no client should be sent here now; empty where all is well."""
        if self._draining:
            return "draining"
        if self._feeds is None or not self._feeds.bus_up:
            return "the bus is not connected"
        return self._authenticator.not_ready()

    async def _drain(self) -> None:
        knobs = self._values.drain
        self._draining = True
        clients, began = len(self._sessions), time.monotonic()
        log.info("draining", clients=clients, delay_s=knobs.delay_s, window_s=knobs.window_s)
        if self._sessions:
            await asyncio.sleep(knobs.delay_s)
        await self._close_all(knobs.window_s)
        log.info("drained", clients=clients, cut_off=len(self._sessions), took_s=round(time.monotonic() - began, 3))

    async def _close_all(self, window_s: float) -> None:
        """Closes every client, and waits until they are gone, though not for ever."""
        self._draining = self._shut = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(window_s + CUT_AFTER_S):
                await close_all(self._sessions, window_s)
                while self._sessions:
                    for session in list(self._sessions):
                        session.end(Close.DRAIN)  # whoever was shaking hands when the others were told
                    self._all_gone.clear()
                    await self._all_gone.wait()
        self._let_go = True

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint. Everything that can be refused is refused before the upgrade."""
        assert self._feeds is not None
        feed = request.match_info["feed"]
        hub = self._feeds.hub(feed)
        if hub is None:
            _count("unknown_feed")
            raise web.HTTPNotFound(text=f"no feed {feed!r}: this gateway carries {', '.join(self._feeds.names)}\n")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            _count("not_websocket")
            raise web.HTTPUpgradeRequired(text="this is a WebSocket endpoint\n", headers={"Upgrade": "websocket"})
        if not self._entrance.allows_origin(request):
            _count("origin")
            raise web.HTTPForbidden(text="pages of this origin may not connect\n")
        if self._shut or len(self._sessions) >= self._settings.max_connections:
            if not self._shut:
                log.warning("gateway_full", feed=feed, limit=self._settings.max_connections)
            _count("full")
            raise web.HTTPServiceUnavailable(text="no room\n", headers={"Retry-After": str(RETRY_AFTER_S)})
        speech = speech_of(request.headers)
        if speech is None:
            _count("subprotocol")
            raise web.HTTPBadRequest(text=f"no such subprotocol; spoken here: {', '.join(DEPTH_TWO)}\n")
        transport = request.transport
        if transport is None:
            raise web.HTTPBadRequest(text="nobody is left to shake hands with\n")
        socket = Socket(
            transport,
            agreed(request.headers.getall("Sec-WebSocket-Extensions", ())) if self._settings.compression else "",
            protocols=tuple(DEPTH_TWO),
            max_msg_size=self._settings.max_message_bytes + 1,  # aiohttp's is the first size that is refused
        )
        connection = socket.headers[HEADER] = self._ids.next()
        await socket.prepare(request)
        socket.headers.clear()  # sent, and of no more use
        _count("accepted")
        credentials, address = self._visitor(request)
        session = Session(
            socket, request.protocol, transport, hub, speech.codec, speech.depth, self._guests, self._settings,
            connection, address,
        )  # fmt: skip
        connections = metrics.GATEWAY_CONNECTIONS.labels(feed)
        connections.inc()
        self._sessions.add(session)
        entered = self._entrance.enter(request)
        try:
            await session.run(credentials)
        finally:
            self._entrance.leave(entered)
            connections.dec()
            self._forget(session)
        return socket

    async def _own(self) -> Answer:
        return Answer(self._respondent.who, 0.0, "", await self._view.metrics())

    def _hub(self, feed: str) -> Hub | None:
        return None if self._feeds is None else self._feeds.hub(feed)

    def _visitor(self, request: web.Request) -> Visitor:
        allowed = self._entrance.allows_origin(request)
        address = self._entrance.origination(request).address
        return Visitor(presented(request.headers, self._values.auth.cookie, allowed), address)

    async def _look(self) -> None:
        """Looks after silent clients, until cancelled."""
        while True:
            await asyncio.sleep(self._settings.ping_s / LOOKS)
            for number, session in enumerate(list(self._sessions), 1):
                session.look(time.monotonic())
                if number % LOOKED_AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _forget(self, session: Session) -> None:
        self._sessions.discard(session)
        if not self._sessions:
            self._all_gone.set()


def _count(result: str) -> None:
    metrics.GATEWAY_HANDSHAKES.labels(result).inc()
