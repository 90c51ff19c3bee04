"""Which lines of a log are written: a flood of one kind is a few lines and their number, and hides no other kind."""

from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

WINDOW_S: Final = 10.0

K = TypeVar("K", bound=Hashable)


class _Kind:
    __slots__ = ("left_out", "written")

    def __init__(self, most: int) -> None:
        self.written: deque[float] = deque(maxlen=most)
        self.left_out = 0


class Lines(Generic[K]):
    """Lets through at most `most` lines of each kind in any WINDOW_S. The caller brings the time, in seconds of a clock
    that never goes back.

    Each line is written, or counted once: in the number that a later one of its kind carries, or in `rest`. Kinds are
    kept for good: their names are the program's own.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kinds: dict[K, _Kind] = {}

    def line(self, kind: K, now: float) -> int | None:
        """How many of its kind were left out before a line that may be written now; None where it is left out too."""
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = _Kind(self._most)
        written = found.written
        if len(written) == self._most and now - written[0] < WINDOW_S:
            found.left_out += 1
            return None
        written.append(now)
        left_out, found.left_out = found.left_out, 0
        return left_out

    def rest(self) -> dict[K, int]:
        """How many of each kind were left out that no line has told yet. They are told by this."""
        rest = {kind: found.left_out for kind, found in self._kinds.items() if found.left_out}
        for kind in rest:
            self._kinds[kind].left_out = 0
        return rest
