import asyncio
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from feed.client.watch import watch
from tests.client.bouncer import Bouncer
from tests.fakes.gateway import FakeGateway

PAIR = {"key": "fk_a", "secret": "fs_b"}


class Seen:
    """A watch that runs, with what it prints."""

    def __init__(self, url: str, symbols: list[str], terminal: bool = False, **more: Any) -> None:
        self._out, self._err = StringIO(), StringIO()
        console = Console(file=self._out, force_terminal=terminal, width=150, height=24, color_system=None)
        self.stop = asyncio.Event()
        errors = Console(file=self._err, width=150)
        self._work = watch(url, symbols, console=console, errors=errors, stop=self.stop, **more)

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()

    async def run(self, until: Callable[["Seen"], bool] | None = None) -> int:
        """The exit code: of its own accord, or stopped once what is printed fulfils the condition."""
        task = asyncio.create_task(self._work)
        async with asyncio.timeout(15):
            while until is not None and not task.done() and not until(self):
                await asyncio.wait([task], timeout=0.02)
            if until is not None:
                self.stop.set()
            return await task


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition with a deadline."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  printed text has no event to wait for
            await asyncio.sleep(0.01)


def test_prints_plain_lines_where_there_is_no_terminal() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL", "MSFT"]).serve() as gateway:
            await gateway.trade("AAPL", 190.25, size=300)
            seen = Seen(f"{gateway.url}/v2/sim", ["AAPL", "MSFT"])
            assert await seen.run(lambda seen: seen.out.count("\n") >= 4) == 0
        first = seen.out.splitlines()[0]
        assert first.startswith("AAPL last=190.25 size=300 side=B trades_s=")
        assert seen.out.splitlines()[1].startswith("MSFT trades_s=0.0 ")
        assert "\x1b" not in seen.out

    asyncio.run(main())


def test_draws_a_table_in_a_terminal() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            await gateway.trade("AAPL", 190.25)
            seen = Seen(f"{gateway.url}/v2/sim", ["AAPL"], terminal=True, refresh_s=0.02)
            assert await seen.run(lambda seen: "190.25" in seen.out and "● live" in seen.out) == 0
        assert "Delay p50" in seen.out
        assert "\x1b[?25h" in seen.out  # the cursor is given back

    asyncio.run(main())


def test_shows_reconnecting_and_resumes() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            await gateway.trade("AAPL", 190)
            seen = Seen(f"{gateway.url}/v2/sim", ["AAPL"], terminal=True, refresh_s=0.02)
            running = asyncio.create_task(seen.run(lambda seen: "191.00" in seen.out))
            await until(lambda: "190.00" in seen.out)
            gateway.refuse = True
            await gateway.close(1012, "drain")
            await until(lambda: "reconnecting in" in seen.out)
            await gateway.trade("AAPL", 191)
            gateway.refuse = False
            assert await running == 0
        assert "closed with 1012 drain; reconnecting in" in seen.out
        assert f"connected to ws://127.0.0.1:{gateway.port}/v2/sim" in seen.out
        assert "resumed 3 of 3 streams where they had stopped" in seen.out
        assert "unexplained" not in seen.out

    asyncio.run(main())


def test_subscribes_only_to_the_kinds_asked_for() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            seen = Seen(f"{gateway.url}/v2/sim", ["*"], kinds=("quotes",), terminal=True, refresh_s=0.02)
            assert await seen.run(lambda _: bool(gateway.commands)) == 0
            assert gateway.commands[0]["quotes"] == ["*"]
            assert "trades" not in gateway.commands[0]

    asyncio.run(main())


def test_stops_while_it_waits_to_reconnect() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            seen = Seen(f"{gateway.url}/v2/sim", ["AAPL"], terminal=True, refresh_s=0.02)
            running = asyncio.create_task(seen.run(lambda seen: "● waiting" in seen.out))
            await until(lambda: "● live" in seen.out)  # before it has subscribed, a loss is not shown
            gateway.refuse = True
            await gateway.close(4008)
            assert await running == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "symbols", "more", "code", "why"),
    [
        ("nonsense", ["AAPL"], {}, 2, "the path is not /v2/FEED"),
        ("{url}/v2/sim", [], {}, 2, "name at least one symbol"),
        ("{url}/v2/sim", ["a b"], {}, 2, "symbol 'a b' is not"),
        ("{url}/v2/sim", ["AAPL"], {"kinds": ("news",)}, 2, "kind 'news' is not one of"),
        ("{url}/v2/nope", ["AAPL"], {}, 1, "no feed 'nope' at 127.0.0.1:"),
        ("127.0.0.1:1/v2/sim", ["AAPL"], {}, 1, "cannot connect to 127.0.0.1:1: connection refused"),
    ],
)
def test_says_in_one_line_why_it_ends(url: str, symbols: list[str], more: Any, code: int, why: str) -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            seen = Seen(url.format(url=gateway.url), symbols, **more)
            assert await seen.run() == code
        assert seen.err.startswith("feed watch: ")
        assert why in seen.err
        assert seen.err.count("\n") == 1
        assert seen.out == ""

    asyncio.run(main())


def test_a_subscription_that_the_gateway_refuses_ends_it() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            gateway.errors.append(lambda asked: {"code": 405, "msg": "symbol limit exceeded", "id": asked["id"]})
            seen = Seen(f"{gateway.url}/v2/sim", ["AAPL"])
            assert await seen.run() == 1
        assert seen.err == "feed watch: 405 symbol limit exceeded\n"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "refusal", "code", "why"),
    [
        ({}, (402, 4501), 1, "401 not authenticated: this gateway wants a key or a token, see --key and --token-file"),
        (PAIR, (402, 4501), 1, "the gateway closed with 4501: it does not accept this key"),
        (PAIR, (409, 4503), 1, "this key does not include this feed"),
        (PAIR, (406, 4506), 1, "all connections that this key may have are in use"),
        ({"token": "t"}, (402, 4501), 1, "it does not accept this token"),
        ({"key": "k"}, (402, 4501), 2, "a key and its secret belong together"),
    ],
)
def test_says_why_it_was_not_let_in(given: dict[str, str], refusal: tuple[int, int], code: int, why: str) -> None:
    async def main() -> None:
        gateway = Bouncer()
        gateway.refusal = refusal
        async with gateway.serve():
            seen = Seen(gateway.url, ["AAPL"], **given)
            assert await seen.run() == code
        assert why in seen.err
        assert seen.err.count("\n") == 1
        assert PAIR["secret"] not in seen.err

    asyncio.run(main())


def test_says_that_its_key_was_withdrawn_while_it_ran() -> None:
    async def main() -> None:
        async with Bouncer("fk_a fs_b").serve() as gateway:
            seen = Seen(gateway.url, ["AAPL"], terminal=True, refresh_s=0.02, **PAIR)
            running = asyncio.create_task(seen.run())
            await until(lambda: "● live" in seen.out)
            await gateway.end(4503)
            assert await running == 1
        assert "this key is no longer good: withdrawn, replaced or past its end" in seen.err

    asyncio.run(main())


def test_what_is_not_granted_is_said() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            said = {"code": 409, "msg": "insufficient subscription", "detail": "trades:AAPL"}
            gateway.errors.append(lambda asked: {**said, "id": asked["id"]})
            seen = Seen(f"{gateway.url}/v2/sim", ["AAPL"])
            assert await seen.run() == 1
        assert "409 insufficient subscription: trades:AAPL: that is not among what these" in seen.err

    asyncio.run(main())
