"""Ticks as a tutorial publishes them: the JSON text of each, by a PUBLISH of its own, with the time at which it was."""

import asyncio
from collections import deque
from typing import Final

from feed.bench.control import Json
from feed.bench.made import Made
from feed.bench.pace import Pace, even
from feed.bus.connect import Link
from feed.core.ticks import Quote, Tick, Trade

CHANNEL: Final = "tutorial:"
MAX_WAITING: Final = 200_000  # beyond it the oldest go: whoever is measured by them could not have had them in time


class PlainPublisher:
    """Publishes what `start` makes, all that is due in one pipeline."""

    def __init__(self, link: Link, made: Made) -> None:
        self._link = link
        self._made = made
        self._waiting: deque[tuple[str, str, str]] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        self._pace: Pace | None = None
        self._sending: asyncio.Task[None] | None = None

    def start(self, rate: float) -> None:
        self._sending = asyncio.create_task(self._send())
        self._pace = Pace(even(rate), self._offer)

    async def stop(self) -> Json:
        """Ends, once all is sent."""
        assert self._pace is not None
        assert self._sending is not None
        seconds = self._pace.stop()
        self._waiting.append(("", "", ""))
        self._wake.set()
        await self._sending
        return {"offered": self._pace.offered, "seconds": seconds}

    def _offer(self, many: int, now_ns: int) -> None:
        for _ in range(many):
            tick = self._made.next(now_ns)
            self._waiting.append(("PUBLISH", CHANNEL + tick.symbol, text_of(tick)))
        self._wake.set()

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            commands = list(self._waiting)
            self._waiting.clear()
            last = bool(commands) and not commands[-1][0]
            if sent := [command for command in commands if command[0]]:
                await self._link.calls(sent)
            if last:
                return


def text_of(tick: Tick) -> str:
    """A tick about as long as the gateway writes it, with `ts_pub` in place of the venue's time."""
    head = f'"S":"{tick.symbol}"'
    tail = f'"c":[],"z":"","ts_pub":{tick.ts_recv}'
    if isinstance(tick, Quote):
        sides = f'"bx":"","bp":{tick.bid},"bs":{tick.bid_size},"ax":"","ap":{tick.ask},"as":{tick.ask_size}'
        return f'{{"T":"q",{head},{sides},{tail}}}'
    assert isinstance(tick, Trade)
    return f'{{"T":"t",{head},"i":{tick.id},"x":"","p":{tick.price},"s":{tick.size},{tail}}}'
