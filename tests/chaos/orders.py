"""Words on standard input that steer a child process of the chaos run; its end ends the child."""

import asyncio
import sys
from collections.abc import Callable, Mapping


async def obey(orders: Mapping[str, Callable[[list[str]], None]]) -> None:
    """Reads lines such as `hole 5` and calls what is named by their first word, until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        word, *rest = line.decode().split()
        orders[word](rest)
