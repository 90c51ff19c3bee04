"""What the venue writes down is what the service's own parser reads off its wire."""

import asyncio
import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from feed.core.ticks import Quote, Trade
from feed.ingest.venues.binance import Binance
from tests.chaos import truth
from tests.chaos.children import Child
from tests.chaos.places import stream_of

FRAMES = 400


async def heard(connection: ClientConnection) -> list[str]:
    async with asyncio.timeout(30):
        return [str(await connection.recv()) for _ in range(FRAMES)]


async def listen(url: str, symbols: list[str]) -> list[str]:
    """What the first of two connections hears; the second must hear the same."""
    codes = [symbol.replace("/", "").lower() for symbol in symbols]
    address = f"{url}/stream?streams={'/'.join(f'{code}@{kind}' for code in codes for kind in ('trade', 'bookTicker'))}"
    async with connect(address, close_timeout=0.1) as one, connect(address, close_timeout=0.1) as two:
        first, second = await asyncio.gather(heard(one), heard(two))
    begin = first.index(second[0])  # which connected later
    assert first[begin:] == second[: FRAMES - begin]
    return first


def told(tick: Trade | Quote) -> dict[str, Any]:
    """The tick as a client's JSON has it."""
    if isinstance(tick, Trade):
        fields = {"T": "t", "S": tick.symbol, "i": tick.id, "p": tick.price, "s": tick.size, "tks": tick.side}
    else:
        fields = {"T": "q", "S": tick.symbol, "bp": tick.bid, "bs": tick.bid_size, "ap": tick.ask, "as": tick.ask_size}
    message: dict[str, Any] = json.loads(json.dumps(fields), parse_float=Decimal)
    return message


def test_the_service_reads_what_was_written_down(tmp_path: Path) -> None:
    log = tmp_path / "truth"
    with Child("venue", tmp_path, "-m", "tests.chaos.venue", log, "--rate", "500") as venue:
        line = venue.await_line("listening")
        url, symbols = line.split()[3], line.split()[-1].split(",")
        frames = asyncio.run(listen(url, symbols))
    made = truth.read(log)
    parser = Binance(symbols)
    for frame in frames:
        (tick,) = parser.parse(frame, 0)
        assert isinstance(tick, Trade | Quote)
        assert isinstance(tick.id, int)
        message = told(tick)
        track = made[stream_of(message) or ""]
        (place,) = track.named(tick.id, tick.id)
        assert track.find(message) == place


def test_a_hole_is_left_in_the_ids_and_written_down(tmp_path: Path) -> None:
    log = tmp_path / "truth"
    with Child("venue", tmp_path, "-m", "tests.chaos.venue", log, "--rate", "2000") as venue:
        url, symbols = venue.await_line("listening").split()[3], ["AAPL"]
        asyncio.run(listen(url, symbols))
        venue.order("hole 7")
        asyncio.run(listen(url, symbols))
    (hole,) = [item for track in truth.read(log).values() for item in track.items if item.hole]
    assert hole.last - hole.first + 1 == 7
    for track in truth.read(log).values():
        ids = [(item.first, item.last) for item in track.items]
        assert track.kind == "quotes" or all(after[0] == before[1] + 1 for before, after in pairwise(ids))
