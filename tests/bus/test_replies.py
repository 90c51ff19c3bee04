"""What a connection says reaches who asked for it, wherever its bytes are cut, and its end reaches everyone."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import hiredis
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from feed.bus.errors import BusDown, BusRefused
from feed.bus.replies import MOST_IN_A_ROW, Replies

PING = ("PING",)
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class Wire(asyncio.Transport):
    """A transport that only notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.done: list[str] = []

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.done.append("abort")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


def made(timeout_s: float = 30.0, ended: Callable[[], None] = lambda: None) -> tuple[Replies, Wire]:
    wire = Wire()
    replies = Replies(wire, timeout_s, ended)
    assert wire.protocol is replies
    return replies, wire


def encoded(reply: Any) -> bytes:
    if isinstance(reply, BusRefused):
        return b"-%s\r\n" % str(reply).encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%s\r\n" % (len(reply), reply)
    if reply is None:
        return b"$-1\r\n"
    return b"*%d\r\n%s" % (len(reply), b"".join(map(encoded, reply)))


def push(channel: bytes, data: bytes) -> list[bytes]:
    return [b"message", channel, data]


def plain(reply: Any) -> Any:
    return f"refused: {reply}" if isinstance(reply, BusRefused) else reply


values = st.binary(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.none()
answers = values | st.lists(values | st.lists(values, max_size=3), max_size=4) | st.just(BusRefused("OOM no room"))
pushes = st.builds(push, st.binary(min_size=1, max_size=5), st.binary(max_size=30))


def chunks(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


@given(st.lists(answers, max_size=8), st.lists(st.integers(0, 200), max_size=20))
def test_each_asker_gets_its_own_reply_wherever_the_bytes_are_cut(sent: list[Any], cuts: list[int]) -> None:
    async def main() -> None:
        replies, _ = made()
        got: list[list[Any]] = [[] for _ in sent]
        if sent:
            replies.ask([PING] * len(sent), [one.append for one in got])
        for chunk in chunks(b"".join(map(encoded, sent)), cuts):
            replies.data_received(chunk)
        assert [list(map(plain, one)) for one in got] == [[plain(reply)] for reply in sent]
        assert replies.reason is None
        replies.end(BusDown("done"))

    asyncio.run(main())


@given(st.lists(pushes, max_size=8), st.lists(st.integers(0, 400), max_size=20))
def test_pushes_come_in_order_wherever_the_bytes_are_cut(sent: list[Any], cuts: list[int]) -> None:
    async def main() -> None:
        replies, _ = made()
        got: list[Any] = []
        replies.follow(got.extend)
        for chunk in chunks(b"".join(map(encoded, sent)), cuts):
            replies.data_received(chunk)
        assert got == sent
        replies.end(BusDown("the end"))
        with pytest.raises(BusDown, match="the end"):
            await replies.over()

    asyncio.run(main())


def following(body: Callable[[Replies, Wire, list[Any], asyncio.Task[None]], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        replies, wire = made()
        got: list[Any] = []
        replies.follow(got.append)
        task = asyncio.create_task(replies.over())
        await asyncio.sleep(0)
        await body(replies, wire, got, task)
        replies.end(BusDown("the end"))
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def test_pushes_of_one_read_are_taken_together() -> None:
    async def body(replies: Replies, wire: Wire, got: list[Any], task: asyncio.Task[None]) -> None:  # noqa: ARG001
        first, second, third = push(b"a", b"1"), push(b"b", b"2"), push(b"c", b"3" * 100_000)
        data = encoded(third)
        replies.data_received(encoded(first) + encoded(second) + data[:50])
        assert got == [[first, second]]
        replies.data_received(data[50:70_000])
        assert got == [[first, second]]
        replies.data_received(data[70_000:])
        assert got == [[first, second], [third]]

    following(body)


def test_a_refused_subscription_is_raised_after_the_pushes_that_came_with_it() -> None:
    async def body(replies: Replies, wire: Wire, got: list[Any], task: asyncio.Task[None]) -> None:
        replies.data_received(encoded(push(b"a", b"1")) + b"-NOPERM no\r\n" + encoded(push(b"a", b"2")))
        with pytest.raises(BusRefused, match="NOPERM no"):
            await task
        assert got == [[push(b"a", b"1"), push(b"a", b"2")]]
        assert wire.done == ["abort"]

    following(body)


def test_whoever_takes_refusals_too_goes_on() -> None:
    async def body(replies: Replies, wire: Wire, got: list[Any], task: asyncio.Task[None]) -> None:
        refused: list[str] = []
        replies.follow(got.append, lambda refusal: refused.append(str(refusal)))
        replies.data_received(b"-MOVED 7 :1\r\n" + encoded(push(b"a", b"1")))
        assert got == [[push(b"a", b"1")]]
        assert refused == ["MOVED 7 :1"]
        assert wire.done == []
        assert not task.done()

    following(body)


def test_whoever_stops_following_ends_the_connection() -> None:
    async def body(replies: Replies, wire: Wire, got: list[Any], task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert wire.done == ["abort"]
        replies.data_received(encoded(push(b"a", b"1")))
        assert got == []

    following(body)


def test_a_large_read_lets_others_have_their_turn() -> None:
    async def body(replies: Replies, wire: Wire, got: list[Any], task: asyncio.Task[None]) -> None:  # noqa: ARG001
        replies.data_received(encoded(push(b"a", b"x" * (MOST_IN_A_ROW - 100))))
        assert wire.done == []
        replies.data_received(encoded(push(b"a", b"x" * MOST_IN_A_ROW)))
        assert wire.done == ["pause"]
        await asyncio.sleep(0)
        assert wire.done == ["pause", "resume"]
        assert len(got) == 2

    following(body)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"+OK\r\n+OK\r\n", "nobody asked", id="unasked"),
        pytest.param(b"hello\r\n", "not the Redis protocol", id="another protocol"),
    ],
)
def test_what_redis_never_says_ends_the_connection(data: bytes, reason: str) -> None:
    async def main() -> None:
        times: list[None] = []
        replies, wire = made(ended=lambda: times.append(None))
        replies.ask([PING], [lambda _: None])
        replies.data_received(data)
        with pytest.raises(BusDown, match=reason):
            replies.ask([PING], [lambda _: None])
        with pytest.raises(BusDown, match=reason):
            await replies.written()
        replies.connection_lost(None)
        replies.data_received(b"+OK\r\n")
        assert wire.done == ["abort"]
        assert len(times) == 1, "the end is told once"

    asyncio.run(main())


@pytest.mark.parametrize("lost", [None, ConnectionResetError("reset")])
def test_a_connection_lost_within_a_reply_is_told_to_all_who_wait(lost: Exception | None) -> None:
    async def main() -> None:
        replies, _ = made()
        askers = [asyncio.create_task(replies.answers([PING, PING])), asyncio.create_task(replies.answers([PING]))]
        await asyncio.sleep(0)
        replies.data_received(b"$3\r\none\r\n$1000\r\nthe first h")
        replies.connection_lost(lost)
        for asker in askers:
            with pytest.raises(BusDown, match="reset" if lost else "closed the connection"):
                await asker

    asyncio.run(main())


def test_a_refusal_stands_in_its_place() -> None:
    async def main() -> None:
        replies, wire = made()
        asker = asyncio.create_task(replies.answers([("A", "b", 1), ("B",), ("C",)]))
        await asyncio.sleep(0)
        replies.data_received(b":1\r\n-ERR no such thing\r\n*2\r\n:2\r\n-EXECABORT inside\r\n")
        one, refused, (two, inside) = await asker
        assert (one, two) == (1, 2)
        assert isinstance(refused, BusRefused)
        assert str(refused) == "ERR no such thing"
        assert isinstance(inside, BusRefused)
        assert wire.written == [b"".join(hiredis.pack_command(c) for c in (("A", "b", 1), ("B",), ("C",)))]  # type: ignore[arg-type]
        assert await replies.answers([]) == []
        replies.end(BusDown("done"))

    asyncio.run(main())


def test_an_asker_who_left_takes_no_reply_from_the_next() -> None:
    async def main() -> None:
        replies, _ = made()
        gone = asyncio.create_task(replies.answers([PING, PING]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        there = asyncio.create_task(replies.answers([PING]))
        await asyncio.sleep(0)
        replies.data_received(b":1\r\n:2\r\n:3\r\n")
        assert await there == [3]
        replies.end(BusDown("done"))

    asyncio.run(main())


def test_a_late_reply_ends_the_connection() -> None:
    async def main() -> None:
        replies, _ = made(timeout_s=0.05)
        async with asyncio.timeout(10.0):
            with pytest.raises(BusDown, match=r"no answer from Redis in 0\.05 s"):
                await replies.answers([PING])

    asyncio.run(main())


def test_replies_that_came_are_not_late() -> None:
    async def main() -> None:
        replies, _ = made(timeout_s=30.0)
        replies.ask([PING], [lambda _: None])
        replies.data_received(b":1\r\n")
        replies.ask([PING], [lambda _: None])
        replies._dues[0] = replies._dues[0]._replace(at=0.0)  # long ago, but it came
        replies._look()
        assert replies.reason is None
        replies._dues[0] = replies._dues[0]._replace(at=0.0)
        replies._look()
        assert isinstance(replies.reason, BusDown)

    asyncio.run(main())


def test_a_full_socket_is_waited_for_within_the_deadline() -> None:
    async def main() -> None:
        replies, wire = made(timeout_s=0.05)
        replies.pause_writing()
        writer = asyncio.create_task(replies.written())
        await asyncio.sleep(0)
        assert not writer.done()
        replies.resume_writing()
        await writer
        replies.pause_writing()
        async with asyncio.timeout(10.0):
            with pytest.raises(BusDown, match="took no data"):
                await replies.written()
        assert wire.done == ["abort"]

    asyncio.run(main())


@LOOPS
@pytest.mark.parametrize("follows", [True, False], ids=["follower", "taker"])
def test_a_fault_of_our_own_is_raised_as_it_is(loop: Callable[[], asyncio.AbstractEventLoop], follows: bool) -> None:
    def fails(_: Any) -> None:
        raise LookupError("a fault of this program")

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encoded(push(b"a", b"1")))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the loop tells it too
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(10.0):
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            replies = Replies(writer.transport, 5.0, lambda: None)  # type: ignore[arg-type]
            if follows:
                replies.follow(fails)
            else:
                replies.ask([PING], [fails])
            with pytest.raises(LookupError, match="a fault of this program"):
                await replies.over()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
