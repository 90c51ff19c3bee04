"""A real gateway on a free port, a real Redis and publisher behind it, and clients that this project did not write."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import msgpack
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from feed.access.principal import Anyone, Authenticator, Credentials, Principal, Refused, Why
from feed.bus.publisher import Publisher
from feed.core.grant import EVERYTHING, Grant
from feed.core.ticks import NS_PER_S, TRADES, Bar, Quote, Tick, Trade
from feed.gateway.server import Gateway
from feed.settings import Auth, Flush, History, Publish, Redis, Values
from feed.settings import Gateway as GatewayKnobs

BOTH = pytest.mark.parametrize("packed", [False, True], ids=["json", "msgpack"])
DEPTHS = pytest.mark.parametrize("depth", [1, 2])
# the token that a Doorkeeper knows
AUTH = {"action": "auth", "token": "t"}
# what a depth-two answer says of a stream that never published
START = {"epoch": None, "seq": 0, "rate": 0}
PATIENCE_S = 10.0
T0 = 1_723_161_600 * NS_PER_S
Message = dict[str, Any]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]

# Alpaca's other channels, which its clients look up in an answer
EMPTY = {"updatedBars": [], "dailyBars": [], "statuses": [], "lulds": [], "corrections": [], "cancelErrors": []}


def subscription(**symbols: list[str]) -> list[Message]:
    """The answer to a subscription at depth one: the whole set."""
    return [{"T": "subscription", "trades": [], "quotes": [], "bars": [], **symbols, **EMPTY}]


def error(code: int, text: str) -> list[Message]:
    return [{"T": "error", "code": code, "msg": text}]


def play(scene: Callable[[], Coroutine[Any, Any, None]], loop_factory: LoopFactory = uvloop.new_event_loop) -> None:
    """Runs a scene, on uvloop unless told otherwise; what nobody caught or awaited fails it."""
    complaints: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
        await scene()

    with _logged(complaints), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())
    assert not complaints, complaints


@contextmanager
def _logged(complaints: list[str]) -> Iterator[None]:
    """Collects what aiohttp and asyncio log as errors: faults of request handlers end there."""
    log = logging.Handler(logging.WARNING)
    log.emit = lambda record: complaints.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("aiohttp", "asyncio")]
    for logger in loggers:
        logger.addHandler(log)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(log)


async def until(true: Callable[[], object]) -> None:
    """Waits for a condition, with a deadline."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)


class Doorkeeper(Anyone):
    """An authenticator that knows one key and one token, and more where a test tells it; it may take its time."""

    required = True

    def __init__(self) -> None:
        self.asked: list[Credentials] = []
        self.lets_go = asyncio.Event()
        self.lets_go.set()
        self.known: dict[Credentials, Principal | Why] = {
            Credentials(key="k", secret="s"): Principal("fk_k"),
            Credentials(token="t"): Principal("jwt:t", expires=time.time() + 3_600),
        }
        self.gone: dict[str, Why] = {}

    def grant(self, grant: Grant = EVERYTHING, token: str = "t", id: str = "jwt:t", lasts_s: float = 3_600.0) -> None:
        """Makes a token that is granted so much."""
        self.known[Credentials(token=token)] = Principal(id, grant, time.time() + lasts_s)

    async def authenticate(self, credentials: Credentials) -> Principal:
        self.asked.append(credentials)
        await self.lets_go.wait()
        found = self.known.get(credentials, Why.NO_KEY)
        if isinstance(found, Why):
            raise Refused(found, credentials.key)
        return found

    def standing(self, principal: Principal, now: float) -> Why | None:
        if principal.expires is not None and principal.expires <= now:
            return Why.EXPIRED
        return self.gone.get(principal.id)


class Client:
    """One connection. Frames are read as other people's decoders read them."""

    def __init__(self, ws: ClientConnection, packed: bool) -> None:
        self.ws = ws
        self.packed = packed
        self.pending: list[Message] = []
        self.epochs: dict[str, Message] = {}

    async def send(self, message: Any) -> None:
        await self.ws.send(msgpack.packb(message) if self.packed else json.dumps(message))

    async def frame(self) -> list[Message]:
        """The next frame, whole."""
        async with asyncio.timeout(PATIENCE_S):
            data = await self.ws.recv()
        assert isinstance(data, bytes) == self.packed
        messages: list[Message] = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
        assert isinstance(messages, list)
        assert messages
        return messages

    async def ask(self, message: Any) -> list[Message]:
        """Sends a command and gives the next frame that is no heartbeat."""
        await self.send(message)
        async with asyncio.timeout(PATIENCE_S):
            while (frame := await self.frame())[0]["T"] == "heartbeat":
                pass
            return frame

    async def some(self, count: int, types: str = "tqb", skip: Iterable[str] = ("heartbeat",)) -> list[Message]:
        """The next `count` messages of these types, epochs kept apart; others than those to skip are a fault."""
        found: list[Message] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < count:
                if not self.pending:
                    self.pending = await self.frame()
                message = self.pending.pop(0)
                if message["T"] == "epoch":
                    assert self.ws.subprotocol, "depth one has no epochs"
                    self.epochs[message["stream"]] = message
                elif message["T"] in types or message["T"] == "gap":
                    found.append(message)
                else:
                    assert message["T"] in skip, message
        return found

    async def closed(self) -> tuple[int, list[Message]]:
        """Reads to the end: the close code, and the last messages before it."""
        last: list[Message] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    last = await self.frame()
        except ConnectionClosed:
            assert self.ws.close_code is not None
            return self.ws.close_code, last

    async def subscribe(self, **fields: Any) -> Message:
        (answer,) = await self.ask({"action": "subscribe", **fields})
        assert answer["T"] == "subscription", answer
        return answer


class Stage:
    """The gateway under test, and what is around it."""

    def __init__(self, gateway: Gateway, publisher: Publisher, values: Values) -> None:
        self.gateway = gateway
        self.publisher = publisher
        self.values = values
        self.stop = asyncio.Event()
        self._last_id: dict[str, int] = {}

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.gateway.port}"

    @property
    def hub(self) -> Any:
        assert self.gateway._feeds is not None
        return self.gateway._feeds.hub("sim")

    def open(
        self, path: str = "/v2/sim", packed: bool = False, protocols: Iterable[str] = (), **options: Any
    ) -> AbstractAsyncContextManager[ClientConnection]:
        """A connection as the library makes it, without a look at what comes first."""
        if packed and not protocols:
            options.setdefault("additional_headers", {})["Content-Type"] = "application/msgpack"
        return connect(
            options.pop("address", f"ws://{self.address}{path}"),
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            compression=None,
            proxy=None,
            **options,
        )

    @asynccontextmanager
    async def client(self, depth: int = 1, packed: bool = False, **options: Any) -> AsyncIterator[Client]:
        """A client that was greeted."""
        protocols = [f"feed.v1.{'msgpack' if packed else 'json'}"] if depth == 2 else []
        async with self.open(packed=packed, protocols=protocols, **options) as ws:
            client = Client(ws, packed)
            assert await client.frame() == CONNECTED
            yield client

    def trade(self, symbol: str = "BTC/USDT", price: float = 100.5, size: float = 1.0, **fields: Any) -> Trade:
        """Publishes a trade with the next id of its symbol, or with the id that is given."""
        trade_id = fields.pop("id", self._last_id.get(symbol, 0) + 1)
        self._last_id[symbol] = trade_id
        now = time.time_ns()
        tick = Trade(symbol, trade_id, price, size, "B", fields.pop("ts_event", now), now, **fields)
        self.publisher.offer(tick)
        return tick

    def offer(self, tick: Tick) -> None:
        self.publisher.offer(tick)

    async def published(self) -> None:
        assert await self.publisher.drain(PATIENCE_S)

    async def gone(self) -> None:
        """Waits until no client is left, and looks that none left anything."""
        await until(lambda: not self.gateway._sessions)
        interest = self.hub.interest
        assert (interest.streams, interest.cohorts, interest.wild, interest._cohort_of) == ({}, {}, {}, {})


@asynccontextmanager
async def serving(
    redis_url: str,
    authenticator: Authenticator | None = None,
    flush: dict[str, Any] | None = None,
    auth: Auth | None = None,
    **knobs: Any,
) -> AsyncIterator[Stage]:
    """A gateway and a publisher of the feed `sim`; both end in order."""
    values = Values(
        redis=Redis(url=redis_url),
        history=History(max_ticks=1_000),
        publish=Publish(window_s=0.0, behind_wait_s=0.0),
        gateway=GatewayKnobs(**{"port": 0, "feeds": ("sim", "quiet"), **knobs}),
        flush=Flush(**(flush or {})),
        auth=auth or Auth(),
    )
    gateway, publisher = Gateway(values, authenticator), Publisher(values, "sim", frozenset({TRADES}))
    await gateway.start()
    stage = Stage(gateway, publisher, values)
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(gateway.run(stage.stop))
            publishing = group.create_task(publisher.run())
            await until(lambda: not gateway.not_ready())
            yield stage
            stage.stop.set()
            await running
            publishing.cancel()
    finally:
        await gateway.close()


def quote(symbol: str = "BTC/USDT", id: int = 1, bid: float = 99.5) -> Quote:
    return Quote(symbol, id, bid, 2.0, bid + 1.0, 0.25, T0 + id, time.time_ns())


def bar(symbol: str = "BTC/USDT", start: int = T0, kind: str = "bars") -> Bar:
    return Bar(symbol, start, kind, 1.5, 4.0, 1.25, 2.0, 1234.0, 42, 2.125, start, time.time_ns())
