"""A worker process and its parent's words, which this test says."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator

import pytest

from feed.bus.embedded import EmbeddedServer
from feed.cli.ports import held
from feed.cli.reports import ASK, STOP, Listening, Refusal, Report, read

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers share a port as only Linux does it")


@pytest.fixture
def redis() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


class Parent:
    """A worker's parent that does nothing by itself."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer

    @classmethod
    async def of(cls, port: int, redis_url: str) -> "Parent":
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "feed", "gateway", "--worker", "7", "--feeds", "sim", "--port", str(port)),
                *("--redis", redis_url),
                stdin=theirs.fileno(),
                stderr=asyncio.subprocess.PIPE,
            )
        return cls(process, *await asyncio.open_unix_connection(sock=ours))

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        self.writer.close()
        await self.process.communicate()


def serve(redis_url: str, *words: bytes, leaves: bool = False) -> tuple[list[object], int, str]:
    """What a worker says when it is told so, one after the other, and how it ends. `leaves`: nobody listens then."""

    async def main(port: int) -> tuple[list[object], int, str]:
        parent = await Parent.of(port, redis_url)
        try:
            async with asyncio.timeout(30):
                said: list[object] = [await read(parent.reader)]
                for word in words:
                    parent.writer.write(word)
                    said += [await read(parent.reader) for _ in range(word.count(ASK))]
                if leaves:
                    parent.writer.write_eof()
                while (message := await read(parent.reader)) is not None:
                    said.append(message)
                _, errors = await parent.process.communicate()
            assert parent.process.returncode is not None
            return said, parent.process.returncode, errors.decode()
        finally:
            await parent.close()

    with held("127.0.0.1", 0) as port:
        return asyncio.run(main(port))


def test_it_answers_each_question_and_ends_when_told(redis: EmbeddedServer) -> None:
    said, code, errors = serve(redis.url, ASK, ASK * 3, STOP)
    assert said[0] == Listening()
    assert [type(message) for message in said[1:]] == [Report] * 4
    first = said[1]
    assert isinstance(first, Report)
    assert "feed_gateway_handshakes" in {family.name for family in first.families}
    assert code == 0
    assert '"worker": 7' in errors


def test_it_ends_when_its_parent_is_gone(redis: EmbeddedServer) -> None:
    assert serve(redis.url, leaves=True)[:2] == ([Listening()], 0)


def test_what_it_is_refused_is_told_and_not_printed(redis: EmbeddedServer) -> None:
    said, code, errors = serve(f"redis://127.0.0.1:{redis.port}/99")
    assert said == [Listening(), Refusal(1, ("Redis refused: DB index is out of range",))]
    assert code == 1
    assert "Redis refused" not in errors


def test_a_port_that_nobody_shares_is_a_refusal_with_the_remedy(redis: EmbeddedServer) -> None:
    async def main(port: int) -> None:
        parent = await Parent.of(port, redis.url)
        try:
            async with asyncio.timeout(30):
                refusal = await read(parent.reader)
                assert isinstance(refusal, Refusal)
                assert "choose another with --port" in refusal.lines[0]
                assert await parent.process.wait() == 1
        finally:
            await parent.close()

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        asyncio.run(main(other.getsockname()[1]))


def test_a_signal_drains_it_as_any_gateway(redis: EmbeddedServer) -> None:
    async def main(port: int) -> None:
        parent = await Parent.of(port, redis.url)
        try:
            async with asyncio.timeout(30):
                assert await read(parent.reader) == Listening()
                parent.process.send_signal(signal.SIGTERM)
                assert await read(parent.reader) is None
                assert await parent.process.wait() == 0
        finally:
            await parent.close()

    with held("127.0.0.1", 0) as port:
        asyncio.run(main(port))
