"""What Redis refuses for good is said at once, in one line that names the knob, and never with the password."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from feed.bus.connect import Link
from feed.bus.embedded import EmbeddedServer, ask, servers
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import Masters
from feed.settings import Redis
from tests.bus.tls import tls_server
from tests.certificates import Authority

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
PASSWORD = "correct-horse"


def refused(settings: Redis, loop: Any = asyncio.new_event_loop) -> str:
    """The words of the refusal; fails where there is none."""
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(BusRefused) as caught:
        runner.run(opened(settings))
    words = str(caught.value)
    assert "\n" not in words
    assert PASSWORD not in words
    return words


def opened(settings: Redis) -> Coroutine[Any, Any, None]:
    async def main() -> None:
        link = await Link.open(settings, "test")
        await link.close()

    return main()


def redis(url: str, **knobs: str) -> Redis:
    return Redis.model_validate({"url": url, **knobs})


@pytest.fixture(scope="module", params=["valkey", "redis"])
def locked(request: pytest.FixtureRequest) -> Iterator[EmbeddedServer]:
    """A server whose clients have to be users."""
    if request.param not in servers():
        pytest.skip(f"no {request.param} server here")
    with EmbeddedServer(binary=servers()[request.param]) as server:
        for user in ("desk", "reader"):
            assert ask(server.port, f"ACL SETUSER {user} on >{PASSWORD} ~* &* +@all".encode()).startswith(b"+OK")
        assert ask(server.port, b"ACL SETUSER reader -info").startswith(b"+OK")
        assert ask(server.port, f"CONFIG SET requirepass {PASSWORD}".encode()).startswith(b"+OK")
        yield server


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({}, "it wants a password"),
        ({"username": "desk"}, "not accepted"),
        ({"username": "desk", "password": PASSWORD + "x"}, "not accepted"),
        ({"username": "nobody", "password": PASSWORD}, "not accepted"),
        ({"password": PASSWORD.upper()}, "not accepted"),
        ({"username": "reader", "password": PASSWORD}, "info"),
    ],
)
def test_a_user_that_may_not(locked: EmbeddedServer, knobs: dict[str, str], words: str) -> None:
    assert words in refused(redis(locked.url, **knobs))


def test_a_user_that_may(locked: EmbeddedServer) -> None:
    asyncio.run(opened(redis(locked.url, username="desk", password=PASSWORD)))
    asyncio.run(opened(redis(locked.url, password=PASSWORD)))


def test_a_password_where_none_is_wanted(redis_url: str) -> None:
    assert "without any password" in refused(redis(redis_url, password=PASSWORD))


def test_a_password_that_changes_while_we_run_is_tried_again() -> None:
    with EmbeddedServer() as server:
        settings = redis(server.url, username="desk", password=PASSWORD)
        assert ask(server.port, f"ACL SETUSER desk on >{PASSWORD} ~* &* +@all".encode()).startswith(b"+OK")
        asyncio.run(opened(settings))
        assert ask(server.port, b"ACL SETUSER desk resetpass >other").startswith(b"+OK")
        with pytest.raises(BusDown, match=r"any more: .* not accepted"):
            asyncio.run(opened(settings))
        assert ask(server.port, f"ACL SETUSER desk >{PASSWORD}".encode()).startswith(b"+OK")
        asyncio.run(opened(settings))


@LOOPS
def test_a_certificate_of_an_unknown_authority(loop: Any, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    others = Authority(tmp_path / "others", "others")
    with tls_server(tmp_path) as server:
        url = f"rediss://:{PASSWORD}@127.0.0.1:{server.port}/0"
        assert "not trusted" in refused(redis(url), loop)
        assert "redis.ca_file" in refused(redis(url, ca_file=str(others.cert)), loop)


def test_only_the_authorities_of_the_file_are_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "others").mkdir()
    others = Authority(tmp_path / "others", "others")
    with tls_server(tmp_path) as server:
        url = f"rediss://127.0.0.1:{server.port}/0"
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))  # the system's, from here on
        asyncio.run(opened(redis(url)))
        assert "not trusted" in refused(redis(url, ca_file=str(others.cert)))


def test_a_sentinel_whose_certificate_is_not_trusted_is_not_said_to_want_a_password(tmp_path: Path) -> None:
    async def main(port: int) -> None:
        url = f"rediss+sentinel://127.0.0.1:{port}/market"
        with pytest.raises(
            BusRefused, match=r"^the Sentinel 127.0.0.1:\d+: its certificate is not trusted.*whom to trust$"
        ):
            await Masters(redis(url), "test").find()

    with tls_server(tmp_path) as server:
        asyncio.run(main(server.port))


@LOOPS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_certificate_of_another_host_or_of_another_time(loop: Any, host: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "both")
    elsewhere = authority.certificate("redis.example.com")
    ended = authority.certificate("ended", "127.0.0.1", ended=True)
    for certificate, words in (
        (elsewhere, "called what its certificate says"),
        (ended, "expired" if host == "127.0.0.1" else ""),
    ):
        with tls_server(tmp_path, certificate) as server:
            assert words in refused(redis(f"rediss://{host}:{server.port}/0", ca_file=str(authority.cert)), loop)


@LOOPS
def test_tls_to_a_plain_port(loop: Any, redis_server: EmbeddedServer) -> None:
    settings = Redis.model_validate({"url": f"rediss://127.0.0.1:{redis_server.port}/0", "connect_timeout_s": 0.2})
    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(BusDown, match="does it speak TLS on this port"):
        runner.run(opened(settings))


@LOOPS
def test_tls_to_what_answers_without(loop: Any) -> None:
    async def answers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR unknown command\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(answers, "127.0.0.1", 0) as server:
            url = f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
            with pytest.raises(BusRefused, match="doesn't speak TLS"):
                await opened(redis(url))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


def test_files_that_are_none(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "empty.pem").touch()
    url = "rediss://127.0.0.1:1/0"
    assert "no certificate in PEM" in refused(redis(url, ca_file=str(tmp_path / "empty.pem")))
    assert "No such file" in refused(redis(url, ca_file=str(tmp_path / "absent.pem")))
    assert "nothing would be encrypted" in refused(redis(redis_url, ca_file=str(tmp_path / "empty.pem")))


@pytest.mark.parametrize(
    "url",
    [
        f"redis://user:p/{PASSWORD}@127.0.0.1:6379/0",
        f"redis://user:{PASSWORD}:1@127.0.0.1:{PASSWORD}/0",
        f"redis://127.0.0.1:1/0?{PASSWORD}=1",
        f"rediss://127.0.0.1:1/0?ssl_cert_reqs={PASSWORD}",
        f"redis://127.0.0.1:1/0?socket_timeout={PASSWORD}",
    ],
)
def test_a_url_that_makes_no_sense_is_not_quoted(url: str) -> None:
    assert "redis.url" in refused(redis(url))
