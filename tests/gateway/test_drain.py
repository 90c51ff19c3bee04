"""How a gateway lets its clients go: when each is closed, and what the others see meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from feed.gateway.drain import close_all, due, due_at_s
from feed.settings import Drain
from feed.wire.closing import Close
from tests.gateway.gateway_stage import Stage, play, serving, until
from tests.instant import InstantLoop

valkey_alone = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)


@pytest.mark.parametrize(
    ("clients", "elapsed_s", "window_s", "expected"),
    [
        (0, 0.0, 10.0, 0),
        (1, 0.0, 10.0, 1),
        (2, 0.0, 10.0, 1),
        (2, 9.9, 10.0, 1),
        (2, 10.0, 10.0, 2),
        (11, 0.0, 10.0, 1),
        (11, 5.5, 10.0, 6),
        (11, 99.0, 10.0, 11),
        (11, 0.0, 0.0, 11),
    ],
)
def test_how_many_are_due(clients: int, elapsed_s: float, window_s: float, expected: int) -> None:
    assert due(clients, elapsed_s, window_s) == expected


@given(st.integers(1, 30_000), st.floats(0.01, 3_600), st.data())
def test_who_is_due_was_due_at_that_time_and_not_before(clients: int, window_s: float, data: st.DataObject) -> None:
    closed = data.draw(st.integers(0, clients - 1))
    at_s = due_at_s(closed, clients, window_s)
    assert 0 <= at_s <= window_s * 1.000001
    assert due(clients, at_s * 1.000001, window_s) > closed
    assert closed == 0 or due(clients, at_s * 0.999999, window_s) <= closed


class Guest:
    """A client that writes down when it was told what."""

    def __init__(self, name: int, book: list[tuple[float, str, int]]) -> None:
        self.name = name
        self.book = book

    def notice(self, code: str, text: str, lag_ms: int | None = None) -> None:
        assert (code, lag_ms) == ("drain", None)
        assert "1012 within" in text
        self._write("told")

    def end(self, code: Close) -> None:
        assert code is Close.DRAIN
        self._write("closed")

    def _write(self, what: str) -> None:
        self.book.append((asyncio.get_running_loop().time(), what, self.name))


def let_go(guests: int, window_s: float, shuffle: Callable[[list[Any]], None]) -> list[tuple[float, str, int]]:
    book: list[tuple[float, str, int]] = []
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        runner.run(close_all([Guest(name, book) for name in range(guests)], window_s, shuffle))
    return book


def test_all_are_told_before_the_first_is_closed_and_then_evenly() -> None:
    book = let_go(1_001, 10.0, list.reverse)
    assert [what for _, what, _ in book] == ["told"] * 1_001 + ["closed"] * 1_001
    closed = book[1_001:]
    assert [name for _, _, name in closed] == list(range(1_000, -1, -1)), "each once, in the order that chance gave"
    # the loop's timers are as exact as its clock: a millisecond
    assert all(abs(at - i * 0.01) < 0.01 for i, (at, _, _) in enumerate(closed))


def test_without_a_window_all_go_at_once() -> None:
    assert {at for at, _, _ in let_go(500, 0.0, list.reverse)} == {0.0}
    assert let_go(0, 10.0, list.reverse) == []


def drains(stage: Stage, delay_s: float, window_s: float) -> None:
    stage.gateway._values = stage.gateway._values.model_copy(
        update={"drain": Drain(delay_s=delay_s, window_s=window_s)}
    )


@valkey_alone
def test_until_the_delay_is_over_all_goes_on_and_then_nobody_comes_in(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client(2) as first:
            drains(stage, 0.5, 0.5)
            stage.stop.set()
            await until(lambda: stage.gateway.not_ready() == "draining")
            async with stage.client(1) as second:
                await second.subscribe(trades=["A"])
                stage.trade("A")
                assert (await second.some(1))[0]["S"] == "A"
                await until(lambda: stage.gateway._shut)
                with pytest.raises(InvalidStatus) as refused:
                    await stage.open()
                assert refused.value.response.status_code == 503
                assert int(refused.value.response.headers["Retry-After"]) > 0
                code, last = await first.closed()
                assert code == 1012
                assert [(message["T"], message.get("code")) for message in last] == [("notice", "drain")]
                assert await second.closed() == (1012, []), "depth one is told nothing that it does not know"

    play(scene)


@valkey_alone
def test_where_nobody_is_connected_there_is_no_delay(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage:
            drains(stage, 3_600.0, 3_600.0)

    play(scene)  # ends, or the test times out


@valkey_alone
def test_ticks_go_on_to_those_who_are_still_there(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as one, stage.client() as other:
            for client in (one, other):
                await client.subscribe(trades=["A"])
            drains(stage, 0.0, 3.0)
            stage.stop.set()
            await until(lambda: len(stage.gateway._sessions) == 1)
            stage.trade("A")
            left = one if one.ws.close_code is None else other
            assert (await left.some(1))[0]["S"] == "A"
            assert (await left.closed())[0] == 1012

    play(scene)


@valkey_alone
def test_a_fault_while_clients_go_lets_the_rest_go_at_once(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, stage.client() as one, stage.client() as other:
            drains(stage, 0.0, 3_600.0)
            stage.stop.set()
            await until(lambda: len(stage.gateway._sessions) == 1)

            def broken(_: float) -> None:
                raise ZeroDivisionError

            stage.hub.beat = broken  # type: ignore[method-assign]
            assert (await one.closed())[0] == (await other.closed())[0] == 1012

    with pytest.raises(ExceptionGroup) as fault:
        play(scene)
    assert fault.group_contains(ZeroDivisionError)
