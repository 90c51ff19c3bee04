"""The search for the highest load that a system survives: half of what was too much, until it holds."""

from typing import Final

SURVIVED_SHARE: Final = 0.99
SURVIVED_P50_MS: Final = 1_000.0
MOST: Final = 5


class Halving:
    """`rate` is what to try next while not `done`; `survived` says whether the last one held.

    Nothing is tried below `least`, where a window would see no tick.
    """

    def __init__(self, rate: float, least: float = 0.0) -> None:
        self.rate = rate
        self._least = least
        self.done = False
        self.survived = False
        self._left = MOST

    def tell(self, share: float, p50_ms: float | None, carried: float) -> None:
        """How the rate went: which share arrived, how late, and how many ticks a second were carried under it.

        Rates far above what was carried are passed over: they would fail as well.
        """
        if share >= SURVIVED_SHARE and p50_ms is not None and p50_ms < SURVIVED_P50_MS:
            self.done = self.survived = True
            return
        if not self._more():
            self.done = True
            return
        self._halve()
        while self._more() and 0 < carried < self.rate / 1.5:
            self._halve()

    def _more(self) -> bool:
        return self._left > 0 and self.rate / 2 >= self._least

    def _halve(self) -> None:
        self.rate /= 2
        self._left -= 1
