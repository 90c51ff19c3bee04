"""Asking every process through a real Redis: who is there answers, who is gone disappears, and nothing stays."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis.asyncio as redis_py

from feed.bus import inquiries, names
from feed.bus.answer import METRICS, TOO_LONG, about
from feed.bus.embedded import EmbeddedServer, ask
from feed.bus.errors import BusDown, BusRefused
from feed.bus.inquiries import LASTS_MS, MOST_QUESTIONS, Inquirer, Respondent
from feed.core.sequence import Record
from feed.core.streams import Stream
from feed.settings import Redis
from tests.bus.script import STREAM, Script

OTHER = Stream("t", "quotes", "A/B")
PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "LOOK_S", 0.05)
    monkeypatch.setattr(inquiries, "RETRY_MIN_S", 0.02)
    monkeypatch.setattr(inquiries, "RETRY_MAX_S", 0.05)


class Voice:
    """Says what a test gives it to say, and keeps what it was asked."""

    def __init__(self, word: Any = "word") -> None:
        self.word = word
        self.about: set[Stream] = set()
        self.records: dict[Stream, Record | None] = {}
        self.metrics_asked = 0

    def asked(self, streams: Collection[Stream]) -> None:
        self.about = set(streams)

    async def asked_about(self, streams: set[Stream]) -> None:
        async def so() -> bool:
            return self.about == streams

        await until(so)

    async def metrics(self) -> Any:
        self.metrics_asked += 1
        return self.word

    def stream(self, stream: Stream, record: Record | None) -> Any:
        self.records[stream] = record
        return None if self.word is None else [self.word, stream.name]


@asynccontextmanager
async def answering(url: str, *voices: Voice) -> AsyncIterator[list[asyncio.Task[None]]]:
    """One respondent for each voice, as each process has one."""
    settings = Redis(url=url, timeout_s=1.0, connect_timeout_s=1.0)
    tasks = [
        asyncio.create_task(Respondent(settings, f"role {number}", voice).run()) for number, voice in enumerate(voices)
    ]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Inquirer]:
    inquirer = Inquirer(Redis(url=url, timeout_s=1.0, connect_timeout_s=1.0))
    try:
        yield inquirer
    finally:
        await inquirer.close()


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Waits for a condition, with a deadline."""
    async with asyncio.timeout(PATIENCE_S):
        while not await true():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.02)


async def words(inquirer: Inquirer, what: str, want: Callable[[list[Any]], bool]) -> list[Any]:
    """What processes answer, sorted, as soon as it is what is wanted."""
    found: list[Any] = []

    async def asked() -> bool:
        found[:] = sorted(answer.data for answer in (await inquirer.ask(what)).values())
        return want(found)

    await until(asked)
    return found


def test_every_process_answers_and_one_that_is_gone_disappears(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "GONE_S", 0.5)

    async def main() -> None:
        async with asking(redis_url) as inquirer, answering(redis_url, Voice("a"), Voice("b")) as tasks:
            assert await inquirer.ask(METRICS) == {}, "nobody has looked yet"
            await words(inquirer, METRICS, lambda found: found == ["a", "b"])
            answers = await inquirer.ask(METRICS)
            assert sorted(answer.who.role for answer in answers.values()) == ["role 0", "role 1"]
            assert all(f"-{os.getpid()}" in answer.who.name for answer in answers.values())
            assert all(0 <= answer.age_s < 0.5 for answer in answers.values())
            tasks[0].cancel()
            await words(inquirer, METRICS, lambda found: found == ["b"])

    asyncio.run(main())


def test_a_stream_is_answered_with_its_record_of_the_moment(redis_url: str) -> None:
    async def main() -> None:
        with Script(redis_url) as script:
            script.publish(1, 2, 3)
        voices = Voice("a"), Voice(None)
        async with asking(redis_url) as inquirer, answering(redis_url, *voices):
            assert await words(inquirer, about(STREAM), bool) == [("a", STREAM.name)], "one has nothing to say of it"
            record = voices[0].records[STREAM]
            assert record is not None
            assert record.position == ("e1", 3)
            await words(inquirer, about(OTHER), bool)
            assert voices[0].about == {STREAM, OTHER}
            assert voices[0].records[OTHER] is None
            assert voices[0].metrics_asked == 0

    asyncio.run(main())


def test_nothing_stays(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "LASTS_MS", 200)

    async def main() -> None:
        voice = Voice()
        client = redis_py.Redis.from_url(redis_url)
        async with asking(redis_url) as inquirer, answering(redis_url, voice), client:
            await words(inquirer, about(STREAM), bool)
            assert voice.about == {STREAM}
            await until(lambda: nothing(client))
            await voice.asked_about(set())

    asyncio.run(main())


async def nothing(client: Any) -> bool:
    return not await client.keys("*")


def test_what_is_asked_costs_one_small_command_while_nobody_asks(redis_url: str) -> None:
    async def main() -> None:
        client = redis_py.Redis.from_url(redis_url)
        async with answering(redis_url, Voice()), client:

            async def looks(so_many: int) -> bool:
                return (await calls(client)).get("cmdstat_hgetall", 0) >= so_many

            await until(lambda: looks(3))
            before = await calls(client)
            await until(lambda: looks(before["cmdstat_hgetall"] + 5))
            rose = {name for name, count in (await calls(client)).items() if count > before.get(name, 0)}
            assert rose <= {"cmdstat_hgetall", "cmdstat_info"}

    async def calls(client: Any) -> dict[str, int]:
        return {name: stat["calls"] for name, stat in (await client.info("commandstats")).items()}

    asyncio.run(main())


def test_so_many_questions_and_no_more(redis_url: str) -> None:
    async def main() -> None:
        client = redis_py.Redis.from_url(redis_url)
        async with asking(redis_url) as inquirer, client:
            for number in range(MOST_QUESTIONS):
                await inquirer.ask(f"question {number}")
            with pytest.raises(BusRefused, match=f"{MOST_QUESTIONS} questions are asked already"):
                await inquirer.ask(METRICS)
            assert await inquirer.ask("question 7") == {}, "it has its place"
            await client.hset(names.ASKED, "question 3", "1")  # long past
            assert await inquirer.ask(METRICS) == {}
            asked = await client.hkeys(names.ASKED)
            assert len(asked) == MOST_QUESTIONS
            assert b"question 3" not in asked
            assert 0 < await client.pttl(names.ASKED) <= LASTS_MS

    asyncio.run(main())


def test_an_answer_that_is_too_long_says_so(redis_url: str) -> None:
    async def main() -> None:
        async with asking(redis_url) as inquirer, answering(redis_url, Voice(os.urandom(400_000))):
            await until(lambda: inquirer.ask(METRICS))
            (answer,) = (await inquirer.ask(METRICS)).values()
            assert (answer.fault, answer.data) == (TOO_LONG, None)

    asyncio.run(main())


def test_what_others_wrote_there_breaks_nobody(redis_url: str) -> None:
    async def main() -> None:
        client = redis_py.Redis.from_url(redis_url)
        async with asking(redis_url) as inquirer, answering(redis_url, Voice("a")), client:
            await client.hset(
                names.ASKED, mapping={"stream:\xff": "9999999999999", "stream:a:b": "soon", "later": "9" * 15}
            )
            await client.hset(names.answers_key(METRICS), "somebody", b"no answer")
            await words(inquirer, METRICS, lambda found: found == ["a"])

    asyncio.run(main())


def test_with_redis_away_nobody_ends_and_all_are_there_again() -> None:
    async def main() -> None:
        with EmbeddedServer(appendonly="yes") as server:
            voice = Voice("a")
            async with asking(server.url) as inquirer, answering(server.url, voice) as tasks:
                await words(inquirer, about(STREAM), bool)
                server.kill()
                with pytest.raises(BusDown):
                    await inquirer.ask(METRICS)
                await voice.asked_about(set())
                server.start()
                await words(inquirer, METRICS, bool)
                assert not any(task.done() for task in tasks)

    asyncio.run(main())


def test_a_redis_that_hangs_is_given_up_and_found_again() -> None:
    async def main() -> None:
        with EmbeddedServer() as server:
            async with asking(server.url) as inquirer, answering(server.url, Voice("a")) as tasks:
                await words(inquirer, METRICS, bool)
                server.pause()
                with pytest.raises(BusDown):
                    await inquirer.ask(METRICS)
                server.resume()
                await words(inquirer, METRICS, bool)
                assert not any(task.done() for task in tasks)

    asyncio.run(main())


def test_a_user_who_may_not_look_is_told_once_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        with EmbeddedServer() as server:
            # it may say PING and INFO and nothing else
            assert ask(server.port, b"ACL SETUSER u on >p ~* &* +ping +info +client +auth +select").startswith(b"+OK")
            url = server.url.replace("redis://", "redis://u:p@")
            async with answering(url, Voice("a")) as tasks:

                async def denied() -> bool:
                    return b"acl_access_denied_cmd:0" not in ask(server.port, b"INFO stats")

                await until(denied)
                assert not any(task.done() for task in tasks)
                assert ask(server.port, b"ACL SETUSER u +@all").startswith(b"+OK")
                async with asking(server.url) as inquirer:
                    await words(inquirer, METRICS, bool)
        assert capsys.readouterr().out.count("inquiries_refused") == 1

    asyncio.run(main())


def test_where_a_stream_stands_and_whose_calls_brought_it_there(redis_url: str) -> None:
    async def main() -> None:
        client = redis_py.Redis.from_url(redis_url)
        async with asking(redis_url) as inquirer, client:
            nothing = await inquirer.standing(STREAM)
            assert (nothing.record, nothing.length, nothing.last, nothing.calls) == (None, 0, None, ())
            with Script(redis_url) as script:
                script.publish(1, 2, 3, worker="w1", number=5)
                script.publish(2, 3, 4, worker="w2", number=9)
            await client.set(names.worker_key(STREAM.feed, "w2"), "1")
            found = await inquirer.standing(STREAM)
            assert found.record is not None
            assert found.record.position == ("e1", 4)
            assert found.length == 4
            assert [(call.worker, call.number, call.first, call.last, call.duplicates) for call in found.calls] == [
                ("w1", 5, 1, 3, 0),
                ("w2", 9, 4, 4, 2),
            ]
            assert found.beating == {"w2"}
            assert found.at_ms >= nothing.at_ms > 1_700_000_000_000

    asyncio.run(main())
