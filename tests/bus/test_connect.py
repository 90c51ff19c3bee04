"""redis-py sets a connection up, and what is taken over from it works: plain, with a password, over TLS."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from feed.bus.connect import Link
from feed.bus.embedded import EmbeddedServer, ask, servers
from feed.bus.errors import BusDown, BusRefused
from feed.settings import Redis
from tests.bus.tls import tls_server

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
Loop = Callable[[], asyncio.AbstractEventLoop]


def on(loop: Loop, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


async def talks(settings: Redis) -> None:
    """Asks small and large, and hears pushes, over connections of these settings."""
    ends: list[None] = []
    link = await Link.open(settings, "asks", lambda: ends.append(None))
    listener = await Link.open(settings, "listens")
    try:
        assert f"run_id:{link.run_id}".encode() in await link.call("INFO", "server")
        assert b"name=asks" in await link.call("CLIENT", "LIST")
        large = b"x" * 3_000_000
        assert await link.calls([("SET", "large", large), ("GET", "large")]) == [b"OK", large]
        got: asyncio.Queue[list[Any]] = asyncio.Queue()
        listener.follow(got.put_nowait)
        await listener.send("SUBSCRIBE", "c")
        async with asyncio.timeout(10.0):
            assert (await got.get())[0][:2] == [b"subscribe", b"c"]
            await link.calls([("PUBLISH", "c", large), ("PUBLISH", "c", "small")])
            heard: list[Any] = []
            while len(heard) < 2:
                heard += await got.get()
        assert heard == [[b"message", b"c", large], [b"message", b"c", b"small"]]
    finally:
        await link.close()
        await listener.close()
    assert len(ends) == 1
    with pytest.raises(BusDown, match="closed"):
        await link.call("PING")


@LOOPS
def test_a_plain_connection(redis_url: str, loop: Loop) -> None:
    on(loop, talks(Redis(url=redis_url)))  # type: ignore[arg-type]


@LOOPS
@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_a_password_and_a_database(server: str, loop: Loop) -> None:
    if server not in servers():
        pytest.skip(f"no {server} server here")

    async def main(embedded: EmbeddedServer) -> None:
        setter = await Link.open(Redis(url=embedded.url), "setter")  # type: ignore[arg-type]
        await setter.call("CONFIG", "SET", "requirepass", "secret")
        await setter.close()
        url = f"redis://:secret@127.0.0.1:{embedded.port}/3"
        await talks(Redis(url=url))  # type: ignore[arg-type]
        with pytest.raises(BusRefused, match="not accepted"):
            await Link.open(Redis(url=url.replace("secret", "wrong")), "wrong")  # type: ignore[arg-type]

    with EmbeddedServer(binary=servers()[server]) as embedded:
        on(loop, main(embedded))


@LOOPS
def test_tls_as_a_user_with_a_password(loop: Loop, tmp_path: Path) -> None:
    with tls_server(tmp_path) as (server, port, authority):
        assert ask(server.port, b"ACL SETUSER desk on >s3cret:/@ ~* &* +@all").startswith(b"+OK")
        assert ask(server.port, b"ACL SETUSER default resetpass").startswith(b"+OK")
        url = f"rediss://127.0.0.1:{port}/0"
        whole = Redis.model_validate(
            {"url": url, "username": "desk", "password": "s3cret:/@", "ca_file": str(authority)}
        )  # fmt: skip
        on(loop, talks(whole))
        # the knobs win over the URL
        other = whole.model_copy(update={"url": f"rediss://nobody:nothing@127.0.0.1:{port}/0"})
        on(loop, talks(other))
        old = Redis.model_validate(
            {"url": f"rediss://desk:s3cret%3A%2F%40@127.0.0.1:{port}/0?ssl_ca_certs={authority}"}
        )
        on(loop, talks(old))


@LOOPS
def test_a_connection_that_redis_ends_is_told_at_once(redis_url: str, loop: Loop) -> None:
    async def main() -> None:
        ended = asyncio.Event()
        link = await Link.open(Redis(url=redis_url), "doomed", ended.set)  # type: ignore[arg-type]
        killer = await Link.open(Redis(url=redis_url), "killer")  # type: ignore[arg-type]
        waits = asyncio.create_task(link.call("BLPOP", "nothing", 0))
        name = await killer.call("CLIENT", "LIST")
        client = next(line.split()[0][3:] for line in name.splitlines() if b"name=doomed" in line)
        assert await killer.call("CLIENT", "KILL", "ID", client) == 1
        async with asyncio.timeout(10.0):
            await ended.wait()
            with pytest.raises(BusDown):
                await waits
        with pytest.raises(BusDown):
            link.check()
        await link.close()
        await killer.close()

    on(loop, main())


@LOOPS
def test_a_redis_that_hangs_is_given_up(loop: Loop) -> None:
    async def main(server: EmbeddedServer) -> None:
        link = await Link.open(Redis(url=server.url, timeout_s=0.1), "patient")  # type: ignore[arg-type]
        server.pause()
        try:
            async with asyncio.timeout(10.0):
                with pytest.raises(BusDown, match=r"no answer from Redis in 0\.1 s"):
                    await link.call("PING")
                with pytest.raises(BusDown):
                    await Link.open(Redis(url=server.url, timeout_s=0.1, connect_timeout_s=0.1), "later")  # type: ignore[arg-type]
        finally:
            server.resume()
            await link.close()

    with EmbeddedServer() as server:
        on(loop, main(server))


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://127.0.0.1:{port}/0"])
def test_what_is_no_redis_is_down(url: str) -> None:
    async def answers_nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answers_nonsense, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(BusDown):
                await Link.open(Redis(url=url.format(port=port)), "astray")  # type: ignore[arg-type]

    asyncio.run(main())


def test_a_url_that_can_never_work_is_refused() -> None:
    settings = Redis.model_construct(url="redis://h:1/0?socket_timeout=x", connect_timeout_s=1.0, timeout_s=1.0)
    with pytest.raises(BusRefused, match=r"redis\.url"):
        asyncio.run(Link.open(settings, "never"))  # type: ignore[arg-type]
