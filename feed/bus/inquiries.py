"""Asking every process of the service through Redis, without a port to reach: questions in a hash, answers beside it.

Each process looks once a second at what is asked and enters what it has to say. Nothing stays: questions end, and
answers expire with them. Times are Redis' own, so that clocks that differ matter nothing.
"""

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Collection, Sequence
from secrets import token_hex
from typing import Any, Final, Protocol

import structlog

from feed import __version__
from feed.bus import log as logs
from feed.bus import names
from feed.bus.answer import METRICS, Answer, Who, pack, stream_of, unpack
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.links import Answer as Replied
from feed.bus.links import Links
from feed.bus.masters import Masters
from feed.bus.replies import Command
from feed.bus.standing import Standing, commands_of, standing_of
from feed.core.backoff import delay_s
from feed.core.sequence import Record
from feed.core.streams import Stream
from feed.settings import Redis

LOOK_S: Final = 1.0
# Everyone has looked once by then, whose loop is not stuck.
SETTLED_S: Final = 1.5
# So long a question is asked for, unless it is asked again: whoever asks looks about once a second.
LASTS_MS: Final = 5_000
# Somebody who has not answered for so long is gone.
GONE_S: Final = 3.0
MOST_QUESTIONS: Final = 64
RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 5.0

# Enters a question if there is room, and takes its answers. One call, as the clock that both go by is Redis'.
ASK: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  local asked = redis.call('HGETALL', KEYS[1])
  for i = 1, #asked, 2 do
    if tonumber(asked[i + 1]) < now then redis.call('HDEL', KEYS[1], asked[i]) end
  end
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return {} end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {now, redis.call('HGETALL', KEYS[2])}
"""

log = structlog.get_logger(__name__)


class Speaker(Protocol):
    """What a process has to say of itself."""

    def asked(self, streams: Collection[Stream]) -> None:
        """The streams that are asked about now: told at each look, and none where Redis is away."""
        ...

    async def metrics(self) -> Any: ...

    def stream(self, stream: Stream, record: Record | None) -> Any:
        """What it says of a stream, of which Redis has this record at the moment; None where it has nothing to say."""
        ...


class Respondent:
    """One process's side: looks what is asked, over a connection of its own, and answers."""

    def __init__(self, settings: Redis, role: str, speaker: Speaker) -> None:
        """`role` says what the process does, in a word or two."""
        host, process = socket.gethostname(), os.getpid()
        self.who = Who(f"{host}-{process}", role, __version__)
        self._process = f"{host}-{process}-{token_hex(4)}"  # several of a process may answer, in tests
        self._masters = Masters(settings, "feed-answers")
        self._logs = Links(settings, "feed-answers-log")
        self._speaker = speaker
        self._failures = 0
        self._refused = False

    async def run(self) -> None:
        """Answers until cancelled. Nothing here ends a process: while Redis is away nobody asks."""
        while True:
            # what keeps this process from Redis its own work is told, and says
            with contextlib.suppress(BusDown, BusRefused):
                await self._serve(await self._masters.open_for(names.ASKED, "feed-answers"))
            self._failures += 1
            await asyncio.sleep(delay_s(self._failures, RETRY_MIN_S, RETRY_MAX_S, random.random()))

    async def _serve(self, link: Link) -> None:
        try:
            while True:
                asked = await link.call("HGETALL", names.ASKED)
                if asked:
                    await self._answer(link, dict(zip(asked[::2], asked[1::2], strict=True)))
                else:
                    self._speaker.asked(())
                self._failures, self._refused = 0, False
                await asyncio.sleep(LOOK_S)
        except BusRefused as error:
            if not self._refused:
                log.warning("inquiries_refused", error=str(error))
            self._refused = True
        finally:
            self._speaker.asked(())
            await self._logs.close()
            await link.close()

    async def _answer(self, link: Link, asked: dict[bytes, bytes]) -> None:
        now_ms = _now_ms(await link.call("TIME"))
        questions = [what.decode(errors="replace") for what, until in asked.items() if _lasts(until, now_ms)]
        streams = {what: stream for what in questions[:MOST_QUESTIONS] if (stream := stream_of(what)) is not None}
        self._speaker.asked(streams.values())
        said = {what: self._speaker.stream(stream, await self._record(stream)) for what, stream in streams.items()}
        if METRICS in questions:
            said[METRICS] = await self._speaker.metrics()
        await _answers(link, [
            command
            for what, data in said.items() if data is not None
            for command in (
                ("HSET", names.answers_key(what), self._process, pack(self.who, now_ms, data)),
                ("PEXPIRE", names.answers_key(what), LASTS_MS),
            )
        ])  # fmt: skip

    async def _record(self, stream: Stream) -> Record | None:
        run_id, (reply,) = await self._logs.ask(names.meta_key(stream), [logs.record_command(stream)])
        if isinstance(reply, BusRefused):
            raise reply
        return logs.record(reply, run_id)


class Inquirer:
    """Whoever asks. Has one connection, made when needed and renewed once where it turns out to be dead."""

    def __init__(self, settings: Redis, name: str = "feed-inquirer") -> None:
        """`name` shows in CLIENT LIST."""
        self._links = Links(settings, name)

    async def ask(self, what: str) -> dict[str, Answer]:
        """Asks every process, or goes on asking, and gives the answers that there are by now, by process.

        The first ones come within LOOK_S, all within SETTLED_S. Raises BusDown, and BusRefused, also where
        MOST_QUESTIONS are asked already. For one caller at a time, as all here.
        """
        key = names.answers_key(what)
        _, (reply,) = await self._ask(key, [("EVAL", ASK, 2, names.ASKED, key, what, LASTS_MS, MOST_QUESTIONS)])
        if not reply:
            raise BusRefused(f"{MOST_QUESTIONS} questions are asked already")
        now_ms, flat = reply
        found: dict[str, Answer] = {}
        gone: list[bytes] = []
        for process, packed in zip(flat[::2], flat[1::2], strict=True):
            try:
                answer = unpack(packed, now_ms)
            except ValueError as error:
                log.warning("unreadable_answer", process=process.decode(errors="replace"), error=str(error))
                continue
            if answer.age_s > GONE_S:
                gone.append(process)
            else:
                found[process.decode(errors="replace")] = answer
            await asyncio.sleep(0)  # a long answer takes milliseconds to read
        if gone:
            await self._ask(key, [("HDEL", key, *gone)])
        return dict(sorted(found.items()))

    async def standing(self, stream: Stream) -> Standing:
        """What Redis itself has of a stream. Raises BusDown and BusRefused."""
        run_id, replies = await self._ask(names.meta_key(stream), commands_of(stream))
        standing = standing_of(stream, replies, run_id)
        alive = frozenset([call.worker for call in standing.calls if await self._beats(stream.feed, call.worker)])
        return standing._replace(beating=alive)

    async def close(self) -> None:
        await self._links.close()

    async def _beats(self, feed: str, worker: str) -> bool:
        key = names.worker_key(feed, worker)
        _, (beats,) = await self._ask(key, [("EXISTS", key)])
        return bool(beats)

    async def _ask(self, key: str, commands: Sequence[Command]) -> Replied:
        """The replies of a key's master, of which none may be a refusal."""
        answer = await self._links.ask(key, commands)
        for reply in answer.replies:
            if isinstance(reply, BusRefused):
                raise reply
        return answer


async def _answers(link: Link, commands: Sequence[Command]) -> list[Any]:
    """Replies to all, of which none may be a refusal. Raises BusDown and BusRefused."""
    replies = await link.calls(commands)
    for reply in replies:
        if isinstance(reply, BusRefused):
            raise reply
    return replies


def _lasts(until: bytes, now_ms: int) -> bool:
    """Whether a question is still asked."""
    return until.isdigit() and int(until) >= now_ms


def _now_ms(time: Sequence[bytes]) -> int:
    seconds, micros = map(int, time)
    return seconds * 1_000 + micros // 1_000
