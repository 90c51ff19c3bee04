"""Which refusals get a line in the log: a flood of them may not fill the disk, nor hide how many they were."""

from typing import Final

from feed.core.rate import TokenBucket

LINES_PER_S: Final = 5.0
# So many at once are still read one by one.
BURST: Final = 20.0
# Ids are short, and what is longer or holds control characters is somebody's joke on whoever reads the log.
MAX_SHOWN: Final = 136


class Refusals:
    """Lets so many lines a second through. The caller brings the time, in seconds."""

    def __init__(self, now: float) -> None:
        self._bucket = TokenBucket(LINES_PER_S, BURST, now)
        self._left_out = 0

    def line(self, now: float) -> int | None:
        """How many lines were left out before the one that may be written now; None where it is left out too."""
        if not self._bucket.take(now):
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        return left_out


def shown(text: str) -> str:
    """What a stranger sent, as it may stand in a log."""
    kept = "".join(each if each.isprintable() else "?" for each in text[:MAX_SHOWN])
    return kept if len(text) <= MAX_SHOWN else kept + "..."
