"""What is wrong about the alerts that a fault raised, and whether this machine itself stood still meanwhile."""

import threading
import time
from collections.abc import Collection
from types import TracebackType
from typing import Final, Self

LOOK_S: Final = 0.02
# A machine that does not run us for so long makes ticks as late as the objective for delay allows, whatever we do.
STALL_S: Final = 0.1
# What such a machine raises by itself.
LATE: Final = frozenset(
    {"FeedDelayBurnsFast", "FeedDelayBurnsSlowly", "FeedHopSlow", "FeedLoopLate", "FeedFlushSlow", "FeedRedisSlow"}
)


def complaints(wanted: Collection[str], fired: Collection[str], fires_with: Collection[str]) -> list[str]:
    """One line for each alert that did not fire, and for each that nobody announced."""
    missing = [f"{alert} did not fire" for alert in wanted if alert not in fired]
    announced = {*wanted, *fires_with}
    return missing + [f"{alert} fired, which no heading names" for alert in sorted(fired) if alert not in announced]


class Stalls:
    """Notes when this process was not run for STALL_S and more though it was due: its neighbours had the cores."""

    def __init__(self) -> None:
        self._seen: list[float] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    def between(self, start_s: float, end_s: float) -> int:
        """How many there were between these Unix times."""
        return sum(start_s <= at_s <= end_s for at_s in self._seen)

    def _look(self) -> None:
        due = time.monotonic()
        while not self._ends.wait(LOOK_S):
            now = time.monotonic()
            if now - due > LOOK_S + STALL_S:
                self._seen.append(time.time())
            due = now
