"""How the benchmark tells its processes what to do: one JSON object a line on stdin, one in answer on stdout."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from feed.lifecycle import raise_open_files, report_faults, run
from feed.log import configure

LINE_BYTES: Final = 1 << 27  # the delays of one long window are a line of some megabytes

Json = dict[str, Any]
Verb = Callable[..., Awaitable[Json]]


def named(verbs: Iterable[Verb]) -> dict[str, Verb]:
    """Verbs by the names of their functions."""
    return {verb.__name__: verb for verb in verbs}


async def serve(verbs: Mapping[str, Verb], ready: Json) -> None:
    """Says that it is `ready`, then does what each line says until stdin ends: whoever asked is gone then.

    A line is `{"verb": NAME, ...}`; the other keys are the verb's arguments.
    """
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tell(ready)
    while line := await lines.readline():
        order = orjson.loads(line)
        tell(await verbs[order.pop("verb")](**order))


def tell(answer: Json) -> None:
    """Writes one line to whoever started this process."""
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


def child(main: Callable[[], Awaitable[None]]) -> None:
    """Runs `main` as one of the benchmark's processes, on uvloop."""
    configure("warning", "json")
    report_faults(debug=False)
    raise_open_files()

    async def supervised(stop: asyncio.Event) -> int:
        working, stopped = asyncio.ensure_future(main()), asyncio.create_task(stop.wait())
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if working.done():
            working.result()
        working.cancel()
        return 0

    raise SystemExit(run(supervised))
