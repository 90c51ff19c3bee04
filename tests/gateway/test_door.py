"""Who comes in, and how long one may take for it."""

import asyncio
import socket
import struct
import time
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from feed.gateway.door import Door
from feed.settings import Auth
from tests.gateway.gateway_stage import Doorkeeper, LoopFactory, Stage, play, serving, until

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

KEYS = Auth(mode="keys")
GET = b"GET /v2/sim/symbols HTTP/1.1\r\nHost: localhost\r\n\r\n"


def count(result: str) -> float:
    return REGISTRY.get_sample_value("feed_gateway_handshakes_total", {"result": result}) or 0.0


def door(stage: Stage) -> Door:
    return stage.gateway._door


async def talk(stage: Stage, data: bytes, source: str = "127.0.0.1") -> bytes:
    """What comes back until the connection ends; empty for one that was reset."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port, local_addr=(source, 0))
    except ConnectionError:
        return b""
    try:
        writer.write(data)
        async with asyncio.timeout(8):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def status(stage: Stage, *lines: str, source: str = "127.0.0.1", path: str = "/v2/sim/symbols") -> int:
    head = "".join(f"{line}\r\n" for line in ("Connection: close", *lines))
    answer = await talk(stage, f"GET {path} HTTP/1.1\r\n{head}\r\n".encode(), source)
    return int(answer.split()[1]) if answer else 0


def test_an_address_that_begins_too_much_is_reset_and_others_are_not(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper(), auth=KEYS, handshakes_per_s=0.2) as stage:
            before = count("too_fast")
            assert await status(stage, "Host: localhost") == 401
            assert [await status(stage, "Host: localhost") for _ in range(3)] == [0, 0, 0]
            assert count("too_fast") == before + 3
            assert await status(stage, "Host: localhost", source="127.0.0.2") == 401
            await until(lambda: not door(stage)._open)

    play(scene, loops)


def test_an_address_with_too_many_connections_gets_no_more_until_one_ends(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper(), auth=KEYS, max_connections_per_address=2) as stage:
            before = count("too_many")
            async with stage.client(), stage.client():
                assert await status(stage, "Host: localhost") == 0
                assert count("too_many") == before + 1
                assert await status(stage, "Host: localhost", source="127.0.0.2") == 401
            await until(lambda: not door(stage)._open)
            assert await status(stage, "Host: localhost") == 401

    play(scene, loops)


def test_with_mode_none_this_machine_is_not_counted(redis_url: str) -> None:
    async def scene() -> None:
        limits: dict[str, Any] = {"max_connections_per_address": 1, "handshakes_per_s": 0.2}
        async with serving(redis_url, **limits) as stage, stage.client(), stage.client(), stage.client():
            assert await status(stage, "Host: localhost") == 200

    play(scene)


def test_who_was_refused_learns_it_by_a_reset(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper(), auth=KEYS, max_connections_per_address=1) as stage, stage.client():

            def comes() -> bytes:
                with socket.socket() as raw:
                    raw.settimeout(5)
                    raw.connect(("127.0.0.1", stage.gateway.port))
                    return raw.recv(1)

            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(comes)

    play(scene, loops)


def test_a_silent_or_trickling_client_is_dropped_in_time(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url, handshake_timeout_s=0.2) as stage:
            before = count("late")
            for data in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
                assert await talk(stage, data) == b""
            assert count("late") == before + 2
            await until(lambda: not door(stage)._open)
            async with stage.client() as client:  # one who asked for something in time stays
                door(stage).sweep(time.monotonic() + 100)
                await client.subscribe()

    play(scene, loops)


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: %b\r\n" % (n, b"a" * 900) for n in range(9)), 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 4_000, 400),
        (b"GET /" + b"a" * 3_900 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
)
def test_a_head_that_is_too_large_ends_the_connection(
    redis_url: str, data: bytes, answers: int, loops: LoopFactory
) -> None:
    async def scene() -> None:
        async with serving(redis_url, max_header_bytes=4_096) as stage:
            answer = await talk(stage, data)
            assert answer.startswith(b"HTTP/1.") or not answer, answer  # a reset may overtake it
            assert not answer or int(answer.split()[1]) in (answers, 431), answer
            await until(lambda: not door(stage)._open)

    play(scene, loops)


def test_a_body_that_nobody_asked_for_ends_the_connection(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            head = GET.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000000\r\n\r\n")
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port)
            writer.write(head)
            await reader.readuntil(b"\r\n\r\n")
            try:
                while True:
                    writer.write(b"a" * 10_000)
                    await writer.drain()
                    await asyncio.sleep(0)
            except ConnectionError:
                pass
            writer.transport.abort()
            await until(lambda: not door(stage)._open)

    play(scene, loops)


def test_many_requests_of_one_connection_are_served(redis_url: str, loops: LoopFactory) -> None:
    """What counts against a head is forgotten with each request."""

    async def scene() -> None:
        async with serving(redis_url, max_header_bytes=4_096) as stage:
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port)
            for _ in range(100):
                writer.write(GET.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 1_000 + b"\r\n\r\n"))
                assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
                length = int((await reader.readuntil(b"\r\n\r\n")).lower().split(b"content-length: ")[1].split()[0])
                await reader.readexactly(length)
            writer.close()

    play(scene, loops)


def test_a_name_bent_to_loopback_is_not_served(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            evil = f"evil.example:{stage.gateway.port}"
            upgrade = ("Upgrade: websocket", f"Origin: http://{evil}", f"Host: {evil}")
            assert await status(stage, *upgrade, path="/v2/sim") == 421
            assert await status(stage, f"Host: {evil}") == 421
            assert await status(stage, f"Host: {evil}", path="/") == 421
            assert await status(stage) == 400
            assert await status(stage, f"Host: localhost:{stage.gateway.port}") == 200

    play(scene)


def test_names_are_those_of_the_settings_or_any_where_clients_prove_who_they_are(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, hosts=("desk.example",)) as stage:
            assert await status(stage, "Host: desk.example:1") == 200
            assert await status(stage, "Host: localhost") == 421
        async with serving(redis_url, Doorkeeper(), auth=KEYS) as stage:
            assert await status(stage, "Host: desk.example") == 401

    play(scene)


def test_behind_a_proxy_each_of_its_clients_counts_by_itself(redis_url: str) -> None:
    async def scene() -> None:
        limits: dict[str, Any] = {"handshakes_per_s": 0.2, "trusted_proxies": ("127.0.0.1",)}
        async with serving(redis_url, Doorkeeper(), auth=KEYS, **limits) as stage:
            ours = ("Host: desk.example", "X-Forwarded-For: 198.51.100.7")
            assert [await status(stage, *ours) for _ in range(3)] == [401, 429, 429]
            assert await status(stage, "Host: desk.example", "X-Forwarded-For: 198.51.100.8") == 401
            assert [await status(stage, "Host: desk.example") for _ in range(3)] == [401, 401, 401], "the proxy itself"
            # the header of a stranger is nobody's: it is the stranger who is counted
            assert await status(stage, *ours, source="127.0.0.2") == 401
            assert await status(stage, "Host: x", "X-Forwarded-For: 198.51.100.9", source="127.0.0.2") == 0

    play(scene)


def test_behind_a_proxy_connections_count_by_the_clients_address(redis_url: str) -> None:
    async def scene() -> None:
        limits: dict[str, Any] = {"max_connections_per_address": 1, "trusted_proxies": ("127.0.0.0/8",)}
        async with serving(redis_url, Doorkeeper(), auth=KEYS, **limits) as stage:
            one, other = ({"X-Forwarded-For": f"198.51.100.{n}"} for n in (7, 8))
            async with stage.client(additional_headers=one), stage.client(additional_headers=other):
                with pytest.raises(InvalidStatus) as caught:
                    async with stage.open(additional_headers=one):
                        pass
                assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "1")
            await stage.gone()
            async with stage.client(additional_headers=one):
                pass

    play(scene)


def test_pages_of_listed_origins_may_connect(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url, origins=("https://desk.example.com",)) as stage:
            async with stage.client(additional_headers={"Origin": "https://desk.example.com"}) as client:
                await client.subscribe()
            with pytest.raises(InvalidStatus) as caught:
                async with stage.open(additional_headers={"Origin": "https://evil.example"}):
                    pass
            assert caught.value.response.status_code == 403

    play(scene)


def test_accepting_goes_on_after_files_ran_out(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            listener = door(stage)._listeners[0]
            door(stage)._pause(listener, OSError(24, "Too many open files"))
            assert await status(stage, "Host: localhost") == 200
            assert not door(stage)._pausing
            assert await status(stage, "Host: localhost") == 200

    with capture_logs() as lines:
        play(scene, loops)
    told = [(line["event"], line["log_level"]) for line in lines if line["event"].startswith("accept")]
    assert told == [("accept_lost", "error"), ("accept_back", "info")]


def test_clients_that_vanish_while_they_shake_hands_leave_nothing(redis_url: str, loops: LoopFactory) -> None:
    async def scene() -> None:
        async with serving(redis_url, Doorkeeper(), auth=KEYS) as stage:
            for _ in range(20):
                with socket.socket() as raw:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    raw.connect(("127.0.0.1", stage.gateway.port))
                await asyncio.sleep(0)
            await until(lambda: not door(stage)._open and not door(stage)._greetings)
            assert not door(stage)._unheard
            assert stage.gateway._entrance.arrivals.connections("127.0.0.1") == 0

    play(scene, loops)
