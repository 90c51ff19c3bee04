"""An issuer's published keys, from a real server: they rotate, it fails, and nobody can make us flood it."""

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from feed.access.jwks import AGAIN_S, MAX_BYTES, Jwks
from feed.access.principal import Principal, Refused, Why
from feed.access.tokens import Tokens
from tests.access.issuer import auth, jwk, jwks, live
from tests.access.publisher import Publisher
from tests.certificates import Authority

LONG_S = 3_600.0
OLD, NEW = jwk("ES256", "old", 0), jwk("ES256", "new", 1)


class Clock:
    """A clock that stands until it is moved, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def following(source: str, clock: Clock, refresh_s: float = LONG_S, **more: Any) -> Any:
    """A Jwks that runs."""
    found = Jwks(source, refresh_s, clock=clock, **more)
    task = asyncio.create_task(found.run())
    await asyncio.sleep(0)
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not true():  # noqa: ASYNC110 - a server of another library
            await asyncio.sleep(0.005)


async def has(found: Jwks, kid: str) -> bool | Why:
    try:
        async with asyncio.timeout(10.0):
            return await found.signer("ES256", kid) is not None
    except Refused as refused:
        return refused.why


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.fixture
def lines() -> Any:
    with structlog.testing.capture_logs() as captured:
        yield captured


def test_keys_rotate_over_https(tmp_path: Path) -> None:
    async def main() -> None:
        authority, server = Authority(tmp_path), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(*authority.certificate("issuer", "127.0.0.1"))
        publisher, clock = Publisher(OLD), Clock()
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(publisher.serving(server))
            trust = ssl.create_default_context(cafile=str(authority.cert))
            found = await stack.enter_async_context(following(url, clock, trust=trust))
            tokens = Tokens(auth(jwt_jwks=url, jwt_algorithms=["ES256"]), found)
            before = await tokens.authenticate(live("ES256", 0, "old"))
            with pytest.raises(Refused, match=Why.NO_SIGNER):
                await tokens.authenticate(live("ES256", 1, "new"))
            publisher.body, clock.now = jwks(NEW), clock.now + AGAIN_S
            assert isinstance(await tokens.authenticate(live("ES256", 1, "new")), Principal)
            with pytest.raises(Refused, match=Why.NO_SIGNER):
                await tokens.authenticate(live("ES256", 0, "old"))
            with pytest.raises(Refused, match=Why.BAD_TOKEN):
                await tokens.authenticate(live("ES256", 0, "new"))
            assert before.expires is not None
            assert tokens.standing(before, before.expires - 1) is None

    run(main())


def test_an_issuer_with_an_unknown_certificate_is_not_read(tmp_path: Path, lines: Any) -> None:
    async def main() -> None:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(*Authority(tmp_path).certificate("issuer", "127.0.0.1"))
        publisher = Publisher(OLD)
        async with publisher.serving(server) as url, following(url, Clock()) as found:
            assert await has(found, "old") is Why.UNAVAILABLE
            assert publisher.requests == 0

    run(main())
    assert "certificate verify failed" in lines[0]["error"]


def test_keys_are_read_again_every_so_often() -> None:
    async def main() -> None:
        publisher = Publisher(OLD)
        async with publisher.serving() as url, following(url, Clock(), refresh_s=0.01) as found:
            assert await has(found, "old") is True
            publisher.body = jwks(NEW)
            async with asyncio.timeout(10.0):
                while await found.signer("ES256", "old") is not None:  # noqa: ASYNC110 - the change is the server's
                    await asyncio.sleep(0.005)
            assert await has(found, "new") is True

    run(main())


def test_made_up_key_ids_cost_one_request_in_ten_seconds_and_known_ones_wait_for_none() -> None:
    async def main() -> None:
        publisher, clock = Publisher(OLD), Clock()
        async with publisher.serving() as url, following(url, clock) as found:
            assert await has(found, "old") is True
            assert await asyncio.gather(*(has(found, f"made up {n}") for n in range(500))) == [False] * 500
            assert publisher.requests == 1
            clock.now += AGAIN_S
            publisher.go_on.clear()
            flood = [asyncio.create_task(has(found, f"made up {n}")) for n in range(500)]
            await until(lambda: publisher.requests == 2)
            # while the issuer takes its time
            known = found.signer("ES256", "old")
            with pytest.raises(StopIteration):
                known.send(None)
            publisher.body = jwks(OLD, NEW)
            new = asyncio.create_task(has(found, "new"))
            await asyncio.sleep(0)
            publisher.go_on.set()
            assert await asyncio.gather(*flood) == [False] * 500
            assert await new is True
            clock.now += AGAIN_S - 0.1
            assert await has(found, "one more") is False
            assert publisher.requests == 2

    run(main())


def test_who_leaves_while_a_set_is_read_takes_nothing_from_others() -> None:
    async def main() -> None:
        publisher, clock = Publisher(OLD), Clock()
        async with publisher.serving() as url, following(url, clock) as found:
            assert await has(found, "old") is True
            clock.now += AGAIN_S
            publisher.body = jwks(NEW)
            publisher.go_on.clear()
            leaves, stays = (asyncio.create_task(has(found, "new")) for _ in range(2))
            await until(lambda: publisher.requests == 2)
            leaves.cancel()
            await asyncio.gather(leaves, return_exceptions=True)
            publisher.go_on.set()
            assert await stays is True

    run(main())


def _status(publisher: Publisher) -> None:
    publisher.status = 503


def _redirect(publisher: Publisher) -> None:
    publisher.status, publisher.headers = 302, {"Location": "/elsewhere"}


def _garbage(publisher: Publisher) -> None:
    publisher.body = b"<html>maintenance</html>"


def _large(publisher: Publisher) -> None:
    publisher.body = json.dumps({"keys": [NEW], "padding": "x" * MAX_BYTES}).encode()


def _many(publisher: Publisher) -> None:
    publisher.body = jwks(*[NEW] * 101)


def _packed(publisher: Publisher) -> None:
    publisher.headers = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize("breaks", [_status, _redirect, _garbage, _large, _many, _packed])
def test_a_failure_keeps_what_was_known_and_is_told_once(breaks: Callable[[Publisher], None], lines: Any) -> None:
    async def main() -> None:
        publisher, clock = Publisher(OLD), Clock()
        async with publisher.serving() as url, following(url, clock) as found:
            assert await has(found, "old") is True
            publisher.body = jwks(NEW) if breaks is not _packed else b"\x1f\x8b"
            breaks(publisher)
            for requests in (2, 3):
                clock.now += AGAIN_S
                assert await has(found, "new") is False
                assert publisher.requests == requests
                assert await has(found, "old") is True
                assert not found.current
            publisher.status, publisher.headers, publisher.body = 200, {}, jwks(NEW)
            clock.now += AGAIN_S
            assert await has(found, "new") is True
            assert await has(found, "old") is False
            assert found.current

    run(main())
    assert [line["event"] for line in lines] == ["jwks_read", "jwks_lost", "jwks_back"]
    assert lines[1]["known"] == 1


def test_an_issuer_that_was_never_read_lets_nobody_in_until_it_is() -> None:
    async def main() -> None:
        publisher, clock = Publisher(OLD), Clock()
        publisher.status = 500
        async with publisher.serving() as url, following(url, clock) as found:
            assert await has(found, "old") is Why.UNAVAILABLE
            publisher.status = 200
            assert await has(found, "old") is Why.UNAVAILABLE
            clock.now += AGAIN_S
            assert await has(found, "old") is True

    run(main())


def test_a_set_without_keys_is_an_answer() -> None:
    async def main() -> None:
        publisher, clock = Publisher(OLD), Clock()
        async with publisher.serving() as url, following(url, clock) as found:
            assert await has(found, "old") is True
            publisher.body, clock.now = jwks(), clock.now + AGAIN_S
            assert await has(found, "new") is False
            assert await has(found, "old") is False
            assert found.current

    run(main())


def test_a_file_rotates(tmp_path: Path) -> None:
    async def main() -> None:
        file, clock = tmp_path / "keys.json", Clock()
        async with following(str(file), clock) as found:
            assert await has(found, "old") is Why.UNAVAILABLE
            for keys, kid, gone in (([OLD], "old", "new"), ([NEW], "new", "old")):
                file.write_bytes(jwks(*keys))
                clock.now += AGAIN_S
                assert await has(found, kid) is True
                assert await has(found, gone) is False
            file.unlink()
            clock.now += AGAIN_S
            assert await has(found, "other") is False
            assert await has(found, "new") is True

    run(main())


def test_who_waits_when_it_ends_is_answered() -> None:
    async def main() -> None:
        publisher = Publisher(OLD)
        publisher.go_on.clear()
        async with publisher.serving() as url:
            async with following(url, Clock()) as found:
                waits = asyncio.create_task(has(found, "old"))
                await until(lambda: publisher.requests == 1)
            assert await waits is Why.UNAVAILABLE
            assert await has(found, "old") is Why.UNAVAILABLE
            publisher.go_on.set()

    run(main())


def test_what_is_left_out_is_told_once_and_a_url_without_its_secrets(lines: Any) -> None:
    async def main() -> None:
        publisher, clock = Publisher(OLD, jwk("RS256", "enc", use="enc")), Clock()
        async with publisher.serving() as url, following(url.replace("//", "//u:pass@") + "?t=pass", clock) as found:
            for _ in range(3):
                assert await has(found, "old") is True
                clock.now += AGAIN_S
                assert await has(found, "other") is False

    run(main())
    assert [line["event"] for line in lines] == ["jwks_read", "jwks_keys_left_out"]
    assert lines[1]["why"] == ["key 2: not for signatures"]
    assert "pass" not in str(lines)
