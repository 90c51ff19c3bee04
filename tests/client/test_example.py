"""The example in the package's docstring runs as it stands."""

import asyncio
import contextlib
import io
import textwrap
from typing import Any

import feed.client
from tests.client.reading import DEADLINE_S, until
from tests.fakes.gateway import FakeGateway


def example(gateway: FakeGateway) -> str:
    """With the fake gateway's port, and without running it."""
    text = textwrap.dedent((feed.client.__doc__ or "").split("\n\n", 1)[1])
    return text.replace("8080", str(gateway.port)).replace("asyncio.run(main())", "")


def test_the_example_prints_trades_and_gaps() -> None:
    async def main() -> None:
        async with FakeGateway(["AAPL"]).serve() as gateway:
            names: dict[str, Any] = {}
            exec(example(gateway), names)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                running = asyncio.create_task(names["main"]())
                await until(lambda: bool(gateway.clients and len(gateway.commands) == 2))
                await gateway.trade("AAPL", 190.5, size=3)
                after = {"epoch": "e1", "seq": 6}
                gap = {"T": "gap", "stream": "trades:AAPL", "epoch": "e1", "from": 2, "to": 5, "next": after}
                await gateway.say({**gap, "cause": "bus"})
                await until(lambda: printed.getvalue().count("\n") == 2)
                running.cancel()
                await asyncio.wait([running], timeout=DEADLINE_S)
            assert printed.getvalue() == "AAPL 190.5 3.0\ntrades:AAPL lacks 2 to 5\n"

    asyncio.run(main())
