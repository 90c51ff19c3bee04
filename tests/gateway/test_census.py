"""All processes' numbers as those of one service, piece by piece."""

import asyncio
from typing import Any

import orjson
import pytest

from feed.bus.answer import METRICS, TOO_LONG, Answer, Who, pack, unpack
from feed.bus.errors import BusDown, BusRefused
from feed.exposition import Family, Sample
from feed.gateway import census as census_module
from feed.gateway.census import Census, rendered


def family(name: str, kind: str, *values: tuple[str, float]) -> Family:
    return Family(name, "", kind, tuple(Sample(name, (("feed", feed),), value) for feed, value in values))


def answered(role: str, *families: Family, age_s: float = 0.0, **more: Any) -> Answer:
    """As it comes out of Redis."""
    data = {"not_ready": "", "connections": 0, "families": families, **more}
    return unpack(pack(Who("host-1", role, "0.1.0"), 0, data), round(age_s * 1_000))


def test_the_numbers_of_all_processes_are_those_of_one_service() -> None:
    answers = {
        "a": answered("gateway worker 1", family("feed_gateway_ticks_in", "counter", ("sim", 3.0)), connections=2),
        "b": answered("gateway worker 2", family("feed_gateway_ticks_in", "counter", ("sim", 4.0)), age_s=1.25),
        "c": answered("ingest sim", family("feed_ingest_connected", "gauge", ("sim", 0.0)), not_ready="no connection"),
        "d": answered("ingest sim", family("feed_ingest_connected", "gauge", ("sim", 1.0))),
        "e": answered("ingest sim", family("feed_new_gauge", "gauge", ("sim", 1.0))),
    }
    body = orjson.loads(asyncio.run(rendered(answers, complete=True, now_s=1_795_338_308.5)))
    assert (body["t"], body["complete"]) == (1_795_338_308.5, True)
    assert body["families"] == [
        ["feed_gateway_ticks_in", "counter", [["feed_gateway_ticks_in", {"feed": "sim"}, 7.0]]],
        ["feed_ingest_connected", "gauge", [["feed_ingest_connected", {"feed": "sim"}, 0.0]]],
        # what no rule names is told of each process apart
        ["feed_new_gauge", "gauge", [["feed_new_gauge", {"feed": "sim", "worker": "e"}, 1.0]]],
    ]
    assert body["processes"][:3] == [
        {"name": "host-1", "role": "gateway worker 1", "version": "0.1.0", "age_s": 0.0, "ready": True,
         "not_ready": "", "connections": 2, "numbers": True},
        {"name": "host-1", "role": "gateway worker 2", "version": "0.1.0", "age_s": 1.25, "ready": True,
         "not_ready": "", "connections": 0, "numbers": True},
        {"name": "host-1", "role": "ingest sim", "version": "0.1.0", "age_s": 0.0, "ready": False,
         "not_ready": "no connection", "connections": 0, "numbers": True},
    ]  # fmt: skip


def test_a_process_that_had_too_much_to_say_is_there_all_the_same() -> None:
    silent = {"a": Answer(Who("n", "gateway", "1"), 0.0, TOO_LONG, None)}
    body = orjson.loads(asyncio.run(rendered(silent, complete=True, now_s=0)))
    assert body["families"] == []
    told = [(one["ready"], one["not_ready"], one["numbers"]) for one in body["processes"]]
    assert told == [(False, TOO_LONG, False)]


class Asked:
    """Processes that answer once they have been asked for a while."""

    def __init__(self, after: int = 3) -> None:
        self.after = after
        self.times = 0
        self.fault: Exception | None = None

    async def ask(self, what: str) -> dict[str, Answer]:
        assert what == METRICS
        self.times += 1
        if self.fault is not None:
            raise self.fault
        return {"other": answered("ingest sim")} if self.times >= self.after else {}


async def own() -> Answer:
    return Answer(Who("me", "gateway", "0.1.0"), 0.0, "", {"not_ready": "no bus", "families": (), "connections": 1})


class Looked:
    """A clock that goes on by 20 ms whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.02
        return self.now

    time = monotonic


def test_all_who_ask_at_a_time_share_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "time", Looked())
    monkeypatch.setattr(census_module, "POLL_S", 0.0)
    monkeypatch.setattr(census_module, "SETTLED_S", 0.2)

    async def main() -> None:
        asked = Asked()
        census = Census(asked, own)
        bodies = await asyncio.gather(*(census.body() for _ in range(20)))
        assert set(bodies) == {bodies[0]}
        assert [one["role"] for one in orjson.loads(bodies[0])["processes"]] == ["ingest sim"], "waited for the first"
        times = asked.times
        assert await census.body() == bodies[0]
        assert asked.times == times
        monkeypatch.setattr(census_module, "SHARED_S", 0.0)
        assert await census.body() != bodies[0]

    asyncio.run(main())


@pytest.mark.parametrize("fault", [BusDown("away"), BusRefused("64 questions are asked already")])
def test_without_the_bus_a_gateway_speaks_for_itself(fault: Exception) -> None:
    async def main() -> None:
        asked = Asked()
        asked.fault = fault
        body = orjson.loads(await Census(asked, own).body())
        assert body["complete"] is False
        assert [(one["name"], one["not_ready"]) for one in body["processes"]] == [("me", "no bus")]

    asyncio.run(main())
