"""Recorded ticks of Binance, played faster than they came; from the beginning again when they end, with later ids."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from feed.bench.pace import Pace
from feed.core.ticks import NS_PER_S, Quote, Tick, Trade
from feed.ingest.replay.recording import merge
from feed.ingest.venues.binance import Binance

CARRIED = ("@trade", "@bookTicker")


class Due(NamedTuple):
    """A tick, and when it came after the first one."""

    after_ns: int
    tick: Trade | Quote


def ticks_of(files: Sequence[Path]) -> list[Due]:
    """Trades and quotes of recordings, merged. Raises RecordingError, and ValueError where there are none."""
    found: list[Due] = []
    venues: dict[str, Binance] = {}
    first_ns = 0
    for frame in merge(files):
        stream = str(frame.message.get("stream", "")) if isinstance(frame.message, dict) else ""
        code, _, _ = stream.partition("@")
        if not stream.endswith(CARRIED):
            continue
        venue = venues.setdefault(code, Binance([code.upper()]))
        first_ns = first_ns or frame.ts_ns
        found += [
            Due(frame.ts_ns - first_ns, tick)
            for tick in venue.parse(frame.text, frame.ts_ns)
            if isinstance(tick, Trade | Quote)
        ]
    if not found:
        raise ValueError("no trades or quotes of Binance in " + ", ".join(map(str, files)))
    return found


class Recorded:
    """The ticks of recordings as an endless row: ids go on rising by what one pass of the recordings spans."""

    def __init__(self, files: Sequence[str]) -> None:
        self._due = ticks_of([Path(name) for name in files])
        self.symbols = sorted({due.tick.symbol for due in self._due})
        self.seconds = (self._due[-1].after_ns - self._due[0].after_ns) / NS_PER_S
        self._next = 0
        ids: dict[tuple[type, str], list[int]] = {}
        for _, tick in self._due:
            ids.setdefault((type(tick), tick.symbol), []).append(tick.id or 0)
        self._spans = {key: max(found) - min(found) + 1 for key, found in ids.items()}

    @property
    def per_s(self) -> float:
        """Ticks a second as they were recorded, on average."""
        return len(self._due) / self.seconds

    def take(self, now_ns: int) -> Tick:
        """The next tick, as if it happened now."""
        lap, place = divmod(self._next, len(self._due))
        self._next += 1
        tick = self._due[place].tick
        number = (tick.id or 0) + lap * self._spans[type(tick), tick.symbol]
        return tick._replace(id=number, ts_event=now_ns, ts_recv=now_ns)

    def pace(self, factor: float, offer: Callable[[Tick], None]) -> Pace:
        """Offers them so many times as fast as they came, bursts and pauses as they were."""
        first, start_ns = self._next, self._after_ns(self._next)

        def due(passed_s: float) -> int:
            until = self._next
            while self._after_ns(until) - start_ns <= passed_s * factor * NS_PER_S:
                until += 1
            return until - first

        def give(many: int, now_ns: int) -> None:
            for _ in range(many):
                offer(self.take(now_ns))

        return Pace(due, give)

    def _after_ns(self, number: int) -> int:
        lap, place = divmod(number, len(self._due))
        return lap * (self._due[-1].after_ns + 1) + self._due[place].after_ns
