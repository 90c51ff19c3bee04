"""How long many things waited, counted by tenths of a millisecond."""

from collections import Counter
from typing import Final

STEP_S: Final = 1e-4


class Delays:
    """Counts; a share of them is read as the end of the step that it lies in."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, delay_s: float, times: int = 1) -> None:
        self.counts[int(delay_s / STEP_S)] += times

    def share_ms(self, share: float) -> float:
        """So large a share waited at most so many milliseconds; 0 where nothing did."""
        left = share * self.counts.total()
        for step, many in sorted(self.counts.items()):
            left -= many
            if left <= 0:
                return (step + 1) * STEP_S * 1e3
        return 0.0
