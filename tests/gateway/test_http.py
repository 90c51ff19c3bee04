"""REST over real HTTP, against a real Redis."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from feed.bus.embedded import ask
from feed.core.ticks import NS_PER_S
from tests.gateway.gateway_stage import T0, Doorkeeper, Stage, bar, play, quote, serving

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


class Asker:
    def __init__(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        self.stage = stage
        self._http = http

    async def get(self, path: str, **query: Any) -> tuple[int, Any]:
        async with self._http.get(path, params=query) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def history(self, **query: Any) -> list[dict[str, Any]]:
        status, body = await self.get("/v2/sim/history", stream="trades:A", **query)
        assert status == 200, body
        assert all(next(iter(message)) == "T" for message in body)
        return body  # type: ignore[no-any-return]

    async def trades(self, count: int) -> None:
        for _ in range(count):
            self.stage.trade("A")
        await self.stage.published()

    async def epoch(self) -> str:
        _, body = await self.get("/v2/sim/symbols")
        return str(body["streams"]["trades:A"]["epoch"])

    def redis(self, command: str) -> None:
        port = int(self.stage.values.redis.url.rsplit(":", 1)[1].split("/")[0])
        answer = ask(port, command.encode())
        assert answer[:1] in b":+", answer


@asynccontextmanager
async def asking(redis_url: str, **options: Any) -> AsyncIterator[Asker]:
    async with (
        serving(redis_url, **options) as stage,
        aiohttp.ClientSession(f"http://{stage.address}") as http,
    ):
        yield Asker(stage, http)


META = "{sim:trades:A}:meta"
LOG = "{sim:trades:A}:log"


def numbers(messages: list[dict[str, Any]]) -> list[Any]:
    return [message.get("q") if message["T"] == "t" else (message["from"], message["to"]) for message in messages]


def test_symbols_with_their_streams_positions_and_age(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            assert await asker.get("/v2/quiet/symbols") == (200, {"feed": "quiet", "symbols": [], "streams": {}})
            asker.stage.trade("B")
            asker.stage.offer(quote("A"))
            await asker.trades(3)
            status, body = await asker.get("/v2/sim/symbols")
            assert (status, body["feed"], body["symbols"]) == (200, "sim", ["A", "B"])
            assert {key: state["seq"] for key, state in body["streams"].items()} == {
                "quotes:A": 1, "trades:A": 3, "trades:B": 1,
            }  # fmt: skip
            assert all(state["epoch"] and state["age_s"] >= 0 for state in body["streams"].values())

    play(scene)


def test_the_latest_of_each_symbol_in_the_order_of_asking(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            asker.stage.trade("B", price=5.0, size=2.0, ts_event=T0)
            await asker.trades(2)
            status, body = await asker.get("/v2/sim/latest", kind="trades", symbols="B,NOPE,A,B,")
            assert (status, [(message["S"], message["q"]) for message in body]) == (200, [("B", 1), ("A", 2)])
            assert body[0] == {
                "T": "t", "S": "B", "i": 1, "x": "", "p": 5.0, "s": 2, "c": [], "z": "", "t": "2024-08-09T00:00:00Z",
                "q": 1, "tks": "B", "epoch": body[0]["epoch"],
            }  # fmt: skip
            asker.stage.offer(bar("A"))
            await asker.stage.published()
            _, body = await asker.get("/v2/sim/latest", kind="bars", symbols="A")
            assert [(message["T"], message["n"]) for message in body] == [("b", 42)]
            assert await asker.get("/v2/sim/latest", kind="bars1s", symbols="A") == (200, [])

    play(scene)


def test_the_latest_is_a_tick_though_a_gap_came_after(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            await asker.trades(1)
            asker.stage.trade("A", id=9)
            await asker.stage.published()
            asker.redis(f"XDEL {LOG} 3-0")
            _, body = await asker.get("/v2/sim/latest", kind="trades", symbols="A")
            assert [(message["T"], message["q"]) for message in body] == [("t", 1)]

    play(scene)


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("latest", {}, "kind"),
        ("latest", {"kind": "trade", "symbols": "A"}, "kind"),
        ("latest", {"kind": "trades"}, "symbols"),
        ("latest", {"kind": "trades", "symbols": ","}, "symbols"),
        ("latest", {"kind": "trades", "symbols": "A,B C"}, "B C"),
        ("latest", {"kind": "trades", "symbols": "*"}, "*"),
        ("latest", {"kind": "trades", "symbols": ",".join(f"S{n}" for n in range(1_001))}, "1000"),
        ("history", {}, "stream"),
        ("history", {"stream": "A"}, "stream"),
        ("history", {"stream": "trade:A"}, "trade"),
        ("history", {"stream": "trades:*"}, "*"),
        ("history", {"stream": "trades:A", "since": "5"}, "since"),
        ("history", {"stream": "trades:A", "since": ":5"}, "since"),
        ("history", {"stream": "trades:A", "since": "e:"}, "since"),
        ("history", {"stream": "trades:A", "since": "e:-5"}, "since"),
        ("history", {"stream": "trades:A", "since": "e:٣"}, "since"),
        ("history", {"stream": "trades:A", "since": "e:" + "9" * 19}, "since"),
        ("history", {"stream": "trades:A", "limit": "0"}, "limit"),
        ("history", {"stream": "trades:A", "limit": "1001"}, "limit"),
        ("history", {"stream": "trades:A", "limit": "many"}, "limit"),
        ("history", {"stream": "trades:A", "limit": ""}, "limit"),
    ],
)
def test_queries_that_make_no_sense_are_400(redis_url: str, path: str, query: dict[str, str], says: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            status, body = await asker.get(f"/v2/sim/{path}", **query)
            assert (status, body["code"], body["msg"]) == (400, 400, "invalid syntax")
            assert says in body["detail"]

    play(scene)


@pytest.mark.parametrize("path", ["symbols", "latest", "history"])
def test_an_unknown_feed_is_404(redis_url: str, path: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            assert (await asker.get(f"/v2/nope/{path}"))[0] == 404

    play(scene)


@pytest.mark.parametrize("path", ["symbols", "latest?kind=trades&symbols=A", "history?stream=trades:A"])
def test_who_may_not_stream_may_not_ask(redis_url: str, path: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url, Doorkeeper()) as stage,
            aiohttp.ClientSession(f"http://{stage.address}") as http,
        ):
            answers = []
            for headers in (
                {},
                {"Authorization": "Bearer nope"},
                {"Authorization": "Bearer t"},
                {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"},
            ):
                async with http.get(f"/v2/sim/{path}", headers=headers) as answer:
                    body = await answer.json()
                    answers.append((answer.status, body.get("msg") if isinstance(body, dict) else None))
                    assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
            assert answers == [(401, "not authenticated"), (401, "auth failed"), (200, None), (200, None)]

    play(scene)


def test_history_from_a_position_on(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            assert await asker.history() == []
            assert await asker.history(since="e1:5") == []
            await asker.trades(5)
            epoch = await asker.epoch()
            assert numbers(await asker.history()) == [1, 2, 3, 4, 5]
            assert numbers(await asker.history(limit=2)) == [4, 5]
            assert numbers(await asker.history(since=f"{epoch}:0")) == [1, 2, 3, 4, 5]
            assert numbers(await asker.history(since=f"{epoch}:3")) == [4, 5]
            assert numbers(await asker.history(since=f"{epoch}:3", limit=1)) == [4]
            assert await asker.history(since=f"{epoch}:5") == []
            assert await asker.history(since=f"{epoch}:50") == []
            messages = await asker.history(since=f"{epoch}:4")
            assert (messages[0]["epoch"], messages[0]["i"]) == (epoch, 5)

    play(scene)


def test_gaps_of_the_log_are_part_of_history(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            await asker.trades(1)
            asker.stage.trade("A", id=5)
            await asker.stage.published()
            epoch = await asker.epoch()
            _, gap, _ = await asker.history()
            assert gap == {
                "T": "gap", "stream": "trades:A", "epoch": epoch, "from": 2, "to": 2,
                "next": {"epoch": epoch, "seq": 3}, "cause": "venue", "q": 2, "ids": [2, 4],
            }  # fmt: skip

    play(scene)


def test_what_history_no_longer_has_is_named(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            await asker.trades(8)
            epoch = await asker.epoch()
            asker.redis(f"XTRIM {LOG} MINID 5-0")
            asker.redis(f"XDEL {LOG} 6-0")
            messages = await asker.history(since=f"{epoch}:1")
            assert numbers(messages) == [(2, 4), 5, (6, 6), 7, 8]
            assert messages[0] == {
                "T": "gap", "stream": "trades:A", "epoch": epoch, "from": 2, "to": 4,
                "next": {"epoch": epoch, "seq": 5}, "cause": "history",
            }  # fmt: skip
            assert messages[2]["cause"] == "bus"
            # without a position nothing was promised before the first entry
            assert numbers(await asker.history()) == [5, (6, 6), 7, 8]

    play(scene)


def test_a_log_that_ends_early_is_named(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            await asker.trades(5)
            epoch = await asker.epoch()
            asker.redis(f"XDEL {LOG} 5-0")
            (last, gap) = await asker.history(since=f"{epoch}:3")
            assert (last["q"], gap["from"], gap["to"], gap["next"]) == (4, 5, 5, {"epoch": epoch, "seq": 6})
            assert numbers(await asker.history(since=f"{epoch}:3", limit=1)) == [4]
            asker.redis(f"DEL {LOG}")
            assert numbers(await asker.history(since=f"{epoch}:3")) == [(4, 5)]

    play(scene)


def test_history_goes_on_over_a_change_of_epoch(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            await asker.trades(3)
            old = await asker.epoch()
            asker.redis(f"HSET {META} run_id another")
            await asker.trades(2)
            new = await asker.epoch()
            assert new != old
            messages = await asker.history(since=f"{old}:1")
            assert [(message["q"], message["epoch"]) for message in messages] == [
                (2, old), (3, old), (4, new), (5, new),
            ]  # fmt: skip

    play(scene)


def test_a_position_that_redis_forgot_is_found_by_its_number(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            await asker.trades(3)
            lost = await asker.epoch()
            asker.redis(f"DEL {META}")
            await asker.trades(2)
            new = await asker.epoch()
            gap, *rest = await asker.history(since=f"{lost}:2")
            assert gap == {
                "T": "gap", "stream": "trades:A", "epoch": lost, "from": 3, "to": 3,
                "next": {"epoch": new, "seq": 4}, "cause": "history",
            }  # fmt: skip
            assert [(message["epoch"], message["q"]) for message in rest] == [(new, 4), (new, 5)]
            gap, *rest = await asker.history(since="forgotten:50")  # a number that was given again
            assert gap == {
                "T": "gap", "stream": "trades:A", "epoch": "forgotten", "from": 51, "to": None,
                "next": {"epoch": new, "seq": 4}, "cause": "history",
            }  # fmt: skip
            assert numbers(rest) == [4, 5]

    play(scene)


def test_quotes_keep_every_digit(redis_url: str) -> None:
    async def scene() -> None:
        async with asking(redis_url) as asker:
            bid = 61709.123456789
            asker.stage.offer(quote("A", bid=bid)._replace(ts_event=T0 + NS_PER_S - 1))
            await asker.stage.published()
            _, body = await asker.get("/v2/sim/latest", kind="quotes", symbols="A")
            assert (body[0]["bp"], body[0]["t"]) == (bid, "2024-08-09T00:00:00.999999999Z")

    play(scene)
