"""Clients that stop reading: they are cut off, what they held is freed, and nobody else notices."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from prometheus_client import REGISTRY

from feed.gateway import socket as socket_module
from feed.gateway.lane import Lane
from tests.gateway.gateway_stage import LoopFactory, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

LOOPS = pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
# one of these is more than two sockets' buffers hold of small ticks
LARGE = ("x" * 100_000,)


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "CLOSE_WAIT_S", 0.3)


class Stalled:
    """A connection by hand. It reads the handshake and the answer to its first command, and then nothing any more."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else bytes((0xFF,)) + size.to_bytes(8, "big")
        # a mask of zeros leaves the payload as it is
        await self._loop.sock_sendall(self._sock, bytes((0x80 | opcode,)) + length + bytes(4) + payload)

    async def read_until(self, end: bytes) -> bytes:
        seen = b""
        async with asyncio.timeout(5):
            while end not in seen:
                data = await self._loop.sock_recv(self._sock, 4_096)
                assert data, "closed by the gateway"
                seen += data
        return seen

    async def read_some(self, size: int) -> bytes:
        """What has come, up to that much; nothing where nothing has."""
        try:
            return self._sock.recv(size)
        except BlockingIOError:
            await asyncio.sleep(0)
            return b""

    async def read_to_the_end(self) -> bytes:
        seen = b""
        async with asyncio.timeout(10):
            while data := await self._loop.sock_recv(self._sock, 65_536):
                seen += data
        return seen


@asynccontextmanager
async def stalled(
    stage: Stage,
    command: bytes = b'{"action":"subscribe","trades":["A"]}',
    depth: int = 1,
    receive_bytes: int = 4_096,
) -> AsyncIterator[Stalled]:
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", stage.gateway.port))
        client = Stalled(sock)
        protocol = b"Sec-WebSocket-Protocol: feed.v1.json\r\n" if depth == 2 else b""
        await asyncio.get_running_loop().sock_sendall(
            sock,
            b"GET /v2/sim HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + protocol + b"\r\n",
        )
        await client.read_until(b'"connected"')  # what comes before the upgrade counts as part of the request's head
        await client.send(1, command)
        await client.read_until(b'"subscription"')
        yield client
    finally:
        sock.close()


def errors(code: int) -> float:
    return REGISTRY.get_sample_value("feed_gateway_errors_total", {"code": str(code)}) or 0.0


def closes(code: int) -> float:
    return REGISTRY.get_sample_value("feed_gateway_closes_total", {"code": str(code)}) or 0.0


def waiting_bytes(stage: Stage) -> int:
    """The most that any session has waiting in its transport."""
    return max((each._transport.get_write_buffer_size() for each in stage.gateway._sessions), default=0)


async def fill(stage: Stage, more_than: int) -> None:
    """Publishes until a session has that much waiting."""
    async with asyncio.timeout(20):
        while waiting_bytes(stage) <= more_than:
            stage.trade("A", conditions=LARGE)
            await stage.published()


def test_who_never_reads_is_cut_off_and_the_others_get_everything(redis_url: str) -> None:
    async def scene() -> None:
        knobs = {"outbox_bytes": 1_000_000, "slow_notice_s": 0.1, "slow_close_s": 0.5, "heartbeat_s": 0.4}
        async with serving(redis_url, **knobs) as stage, stage.client(2, max_size=None) as client:
            await client.subscribe(trades=["A"])
            before = closes(4008)
            most = 0
            async with stalled(stage):
                published = 0
                while closes(4008) == before:
                    stage.trade("A", conditions=LARGE)
                    published += 1
                    (message,) = await client.some(1)
                    assert message["q"] == published
                    most = max(most, waiting_bytes(stage))
                    assert published < 500
                await until(lambda: len(stage.gateway._sessions) == 1)
                await until(lambda: len(stage.hub.interest._cohort_of) == 1)
                assert most <= 1_000_000 + 200  # the error and the close frame come on top
                stage.trade("A")
                assert [message["q"] for message in await client.some(1)] == [published + 1]

    play(scene)


@LOOPS
def test_who_reads_too_slowly_is_warned_and_then_told_why(
    redis_url: str, loop: LoopFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # how fast a busy machine lets it read shall not make it one that reads nothing
    monkeypatch.setattr(Lane, "stalled_s", lambda *_: 0.0)
    monkeypatch.setattr(socket_module, "CLOSE_WAIT_S", 10.0)

    async def scene() -> None:
        knobs = {"slow_notice_s": 0.5, "slow_close_s": 3.0, "heartbeat_s": 0.4}
        async with serving(redis_url, **knobs) as stage, stalled(stage, depth=2, receive_bytes=65_536) as client:
            before, told = closes(4008), errors(407)
            for _ in range(900):  # 4.5 MB
                stage.trade("A", conditions=("x" * 5_000,))
            await stage.published()
            seen = b""
            while closes(4008) == before:
                # far more than 64 KiB in three seconds, far less than all
                seen += await client.read_some(8_192)
                await asyncio.sleep(0.02)
            assert errors(407) == told + 1
            seen += await client.read_to_the_end()
            assert b'[{"T":"notice","code":"slow","msg":"' in seen
            reason = b'[{"T":"error","code":407,"msg":"slow client"}]'
            close = b"\x88\x02" + (4008).to_bytes(2, "big")
            assert seen.endswith(bytes((0x81, len(reason))) + reason + close)

    play(scene, loop)


def test_answers_that_nobody_reads_count_too(redis_url: str) -> None:
    symbols = ",".join(f'"{"S" * 50}{n}"' for n in range(1_000))

    async def scene() -> None:
        knobs = {"outbox_bytes": 524_288, "commands_per_s": 100_000.0}
        async with serving(redis_url, **knobs) as stage:
            before = closes(4008)
            async with stalled(stage, f'{{"action":"subscribe","trades":[{symbols}]}}'.encode()) as client:
                async with asyncio.timeout(20):
                    while closes(4008) == before:
                        await client.send(1, b'{"action":"subscribe"}')
                        await asyncio.sleep(0)
                await until(lambda: not stage.gateway._sessions)
            await stage.gone()

    play(scene)


@LOOPS
@pytest.mark.parametrize(
    ("opcode", "payload"),
    [(1, b" " * 65_537), (8, (1000).to_bytes(2, "big")), (9, b""), (3, b"")],
    ids=["too big", "close", "ping then gone", "unknown opcode"],
)
def test_no_way_of_ending_is_held_up_by_a_peer_that_reads_nothing(
    redis_url: str, opcode: int, payload: bytes, loop: LoopFactory
) -> None:
    async def scene() -> None:
        async with serving(redis_url, ping_s=1.0) as stage, stalled(stage) as client:
            await fill(stage, 200_000)
            (session,) = stage.gateway._sessions
            await client.send(opcode, payload)
            # a peer that pings and then falls silent is ended by the gateway's own pings
            await stage.gone()
            await until(lambda: session._transport.get_write_buffer_size() == 0)

    play(scene, loop)


def test_a_server_that_stops_is_not_held_up_by_a_peer_that_reads_nothing(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stalled(stage):
            await fill(stage, 200_000)
            stage.stop.set()
            await until(lambda: not stage.gateway._sessions)

    play(scene)
