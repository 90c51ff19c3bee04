"""What Redis says on one connection, parsed as it comes: replies to those who asked, in order, or pushes."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import hiredis

from feed.bus.errors import BusDown, BusRefused

Command = Sequence[str | bytes | int]
Taker = Callable[[Any], None]
"""Takes one reply; a command that Redis refused has a BusRefused for its reply."""


def ignored(reply: Any) -> None:
    """Of a command that is answered OK, or the one after it says more."""


# A loop that reads until the socket is empty would do nothing else after a stall: some 2,000 ticks, then others' turn.
MOST_IN_A_ROW: Final = 128 * 1024
NO_REPLY: Final = object()


def packed(commands: Sequence[Command]) -> bytes:
    """The commands' bytes, one after the other."""
    return b"".join([hiredis.pack_command(tuple(command)) for command in commands])  # type: ignore[arg-type]


class Due(NamedTuple):
    """By `at` of the loop's clock the first `replies` of the connection must have come."""

    replies: int
    at: float


class Replies(asyncio.Protocol):
    """The reading side of a connection, and its end. All that came in one read is taken in one go, without an await.

    Whoever asks gives a taker for each reply. The connection ends with its first fault: a reply that is late, that
    nobody asked for or that is no Redis protocol, a socket that closed. What was asked then has no answer.
    """

    def __init__(self, transport: asyncio.Transport, timeout_s: float, ended: Callable[[], None]) -> None:
        """Takes the transport over from the protocol that it had. `ended` is called once, at the connection's end."""
        self.reason: BaseException | None = None
        self._over = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport = transport
        self._timeout_s = timeout_s
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._parser = hiredis.Reader(replyError=BusRefused, notEnoughData=NO_REPLY)
        self._takers: deque[Taker] = deque()
        self._dues: deque[Due] = deque()
        self._asked = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._follower: Callable[[list[Any]], None] | None = None
        self._refused: Callable[[BusRefused], None] = self.end
        transport.set_protocol(self)

    def ask(self, commands: Sequence[Command], takers: Sequence[Taker]) -> None:
        """Writes commands, each with the taker of its reply. Raises what ended the connection."""
        self.check()
        self._transport.write(packed(commands))
        self._takers.extend(takers)
        self._asked += len(takers)
        self._dues.append(Due(self._asked, self._loop.time() + self._timeout_s))
        if self._timer is None:
            self._timer = self._loop.call_at(self._dues[0].at, self._look)

    async def answers(self, commands: Sequence[Command]) -> list[Any]:
        """Writes commands and waits for their replies, in order. Raises what ended the connection before they came."""
        replies: list[Any] = []
        done = self._loop.create_future()

        def take(reply: Any) -> None:
            replies.append(reply)
            if len(replies) == len(commands) and not done.done():
                done.set_result(None)

        if commands:
            self.ask(commands, [take] * len(commands))
            self._waiting.add(done)
            try:
                await done
            finally:
                self._waiting.discard(done)
            if len(replies) < len(commands):
                self.check()
        return replies

    def follow(
        self, follower: Callable[[list[Any]], None], refused: Callable[[BusRefused], None] | None = None
    ) -> None:
        """Gives all pushes of each read from here on to `follower`, and nobody may ask any more. What Redis refuses is
        given to `refused`, or ends the connection."""
        self._follower = follower
        self._refused = refused or self.end

    async def over(self) -> None:
        """Lasts until the connection ends, which is raised; and ends it, where it is cancelled."""
        try:
            await self._over.wait()
        finally:
            self.end(BusDown("nobody follows this connection any more"))
        self.check()

    def write(self, command: Command) -> None:
        """Writes a command whose replies are pushes. Raises what ended the connection."""
        self.check()
        self._transport.write(packed([command]))

    async def written(self) -> None:
        """Waits until the socket takes data again, if it does not. Raises what ended the connection."""
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._writable.wait()
            except TimeoutError:
                self.end(BusDown(f"Redis took no data for {self._timeout_s:g} s"))
        self.check()

    def check(self) -> None:
        """Raises what ended the connection, if it ended."""
        if isinstance(self.reason, BusDown | BusRefused):
            raise type(self.reason)(*self.reason.args) from self.reason
        if self.reason is not None:
            raise self.reason

    def end(self, reason: BaseException) -> None:
        """Frees the socket at once; `reason` is what whoever waits or asks from now on is told."""
        if self.reason is not None:
            return
        self.reason = reason
        self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        self._takers.clear()
        self._over.set()
        for done in self._waiting:
            if not done.done():
                done.set_result(None)
        self._writable.set()
        self._ended()

    def data_received(self, data: bytes) -> None:
        if self.reason is not None:
            return
        if len(data) >= MOST_IN_A_ROW:
            self._transport.pause_reading()
            self._loop.call_soon(self._read_on)
        try:
            self._parser.feed(data)
            if self._follower is not None:
                self._push(self._follower)
            else:
                self._answer()
        except hiredis.ProtocolError as error:
            self.end(BusDown(f"not the Redis protocol: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        # what is neither None nor the socket's own error was raised by a taker: a fault of this program, not of Redis
        if exc is None:
            self.end(BusDown("Redis closed the connection"))
        else:
            self.end(BusDown(str(exc)) if isinstance(exc, OSError) else exc)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _answer(self) -> None:
        next_reply, takers = self._parser.gets, self._takers
        while (reply := next_reply()) is not NO_REPLY:
            if not takers:
                self.end(BusDown("Redis sent what nobody asked for"))
                return
            takers.popleft()(reply)

    def _push(self, follower: Callable[[list[Any]], None]) -> None:
        next_reply = self._parser.gets
        pushes = []
        refusals = []
        while (reply := next_reply()) is not NO_REPLY:
            if type(reply) is list:
                pushes.append(reply)
            elif isinstance(reply, BusRefused):
                refusals.append(reply)
        if pushes:
            follower(pushes)
        for refusal in refusals:
            self._refused(refusal)

    def _read_on(self) -> None:
        if self.reason is None:
            self._transport.resume_reading()

    def _look(self) -> None:
        """Ends the connection where a reply is late."""
        self._timer = None
        answered = self._asked - len(self._takers)
        while self._dues and self._dues[0].replies <= answered:
            self._dues.popleft()
        if not self._dues:
            return
        if self._loop.time() >= self._dues[0].at:
            self.end(BusDown(f"no answer from Redis in {self._timeout_s:g} s"))
        else:
            self._timer = self._loop.call_at(self._dues[0].at, self._look)
