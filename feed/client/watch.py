"""`feed watch`: a feed's prices, rates and delays in the terminal, or as plain lines where there is none."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from feed.client.address import Address, parse_address
from feed.client.client import Client
from feed.client.credentials import Token
from feed.client.errors import CommandError, Refused
from feed.client.events import Connected, Event, Lost
from feed.client.screen import Link, line, screen
from feed.client.table import Board
from feed.core.streams import valid_symbol
from feed.core.ticks import BARS, BARS_1S, KINDS, QUOTES, TRADES
from feed.wire.errors import Code

LINES_EVERY_S: Final = 1.0
OK, FAILED, MISUSED = 0, 1, 2
# What a reader of the protocol's wording may not know to do.
HINTS: Final[Mapping[int, str]] = {
    Code.NOT_AUTHENTICATED: ": this gateway wants a key or a token, see --key and --token-file",
    Code.INSUFFICIENT_SUBSCRIPTION: ": that is not among what these credentials include",
}


class _Watcher:
    """Takes what the client is told, for others to draw."""

    def __init__(self, client: Client, address: Address, symbols: Sequence[str]) -> None:
        self.board = Board(symbols)
        self.link = Link(address.url)
        self._client = client

    async def follow(self, symbols: Sequence[str], kinds: Sequence[str]) -> None:
        """Until cancelled. Raises Refused, CommandError."""
        counted = 0
        async with self._client as client:
            wanted = {kind: symbols if kind in kinds else () for kind in KINDS}
            await client.subscribe(
                trades=wanted[TRADES],
                quotes=wanted[QUOTES],
                bars=wanted[BARS],
                bars1s=wanted[BARS_1S],
                snapshot=True,
                stamps=True,
            )
            async for event in client:
                now_ns = time.time_ns()
                self.board.take(event, now_ns)
                self._connection(event, now_ns)
                if client.received_bytes != counted:
                    self.board.bytes.add(client.received_bytes - counted, now_ns)
                    counted = client.received_bytes

    def _connection(self, event: Event, now_ns: int) -> None:
        if isinstance(event, Connected):
            self.link.state, self.link.url = "live", event.url
        elif isinstance(event, Lost):
            self.link.state = "waiting"
            self.link.retry_ns = now_ns + int(event.delay_s * 1e9)


async def watch(
    url: str,
    symbols: Sequence[str],
    *,
    console: Console,
    errors: Console,
    stop: asyncio.Event,
    kinds: Sequence[str] = (TRADES, QUOTES, BARS),
    refresh_s: float = 0.25,
    key: str = "",
    secret: str = "",
    token: Token = "",
    ca_file: str = "",
    insecure: bool = False,
) -> int:
    """Shows `symbols` ("*" is all) of the feed at `url` until `stop` is set. Returns the exit code.

    0: stopped; 1: the gateway can't be reached or refused us; 2: the arguments make no sense. Reasons go to `errors`.
    Credentials are those of Client.
    """
    if fault := _fault(symbols, kinds):
        return _complain(errors, fault, MISUSED)
    try:
        address = parse_address(url)
        client = Client(url, key=key, secret=secret, token=token, ca_file=ca_file, insecure=insecure)
    except ValueError as error:
        return _complain(errors, str(error), MISUSED)
    watcher = _Watcher(client, address, symbols)
    draw = _draw_live(watcher, console, refresh_s) if console.is_terminal else _print_lines(watcher, console, errors)
    try:
        await _until(stop, watcher.follow(symbols, kinds), draw)
    except CommandError as error:
        return _complain(errors, f"{error}{HINTS.get(error.code, '')}", FAILED)
    except Refused as error:
        return _complain(errors, str(error), FAILED)
    return OK


async def _until(stop: asyncio.Event, *works: Any) -> None:
    """Runs all until `stop` is set or one of them fails; raises what it raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    stopping = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait((*tasks, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.wait((*tasks, stopping))
    for task in done:
        task.result()


async def _draw_live(watcher: _Watcher, console: Console, refresh_s: float) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            size = console.size
            picture = screen(watcher.board, watcher.link, time.time_ns(), size.width, size.height)
            live.update(picture, refresh=True)
            await asyncio.sleep(refresh_s)


async def _print_lines(watcher: _Watcher, console: Console, errors: Console) -> None:
    """One plain line per symbol and second; what happens in between goes to `errors`."""
    board, told = watcher.board, 0
    while True:
        await asyncio.sleep(LINES_EVERY_S)
        for note in list(board.notes)[len(board.notes) - min(len(board.notes), board.noted - told) :]:
            errors.print(note, markup=False, highlight=False, soft_wrap=True)
        told = board.noted
        now_ns = time.time_ns()
        for row in board.rows.values():
            console.print(line(row, now_ns), markup=False, highlight=False, soft_wrap=True)


def _fault(symbols: Sequence[str], kinds: Sequence[str]) -> str | None:
    if not symbols:
        return "name at least one symbol, or * for all"
    for symbol in symbols:
        if symbol != "*" and not valid_symbol(symbol):
            return f"symbol {symbol!r} is not 1 to 64 of A-Z a-z 0-9 . _ / : ^ -"
    for kind in kinds:
        if kind not in KINDS:
            return f"kind {kind!r} is not one of {', '.join(KINDS)}"
    return None


def _complain(errors: Console, text: str, code: int) -> int:
    errors.print(f"feed watch: {text}", markup=False, highlight=False, soft_wrap=True)
    return code
