"""What was counted, and under which fault: each thing belongs to the fault that was injected last before it."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple


class Column(StrEnum):
    PUBLISHED = "published"
    DELIVERED = "delivered"
    CONFLATED = "conflated"  # counted in the `m` of another
    NAMED = "named in gaps"
    SKIPPED = "skipped"  # of those: named by an in-band gap, though the venue made them
    SPARE = "spare"  # numbers in gaps for which no tick was missing
    UNEXPLAINED = "unexplained"
    DUPLICATED = "duplicated"
    DISORDERED = "out of order"
    WRONG = "wrong"  # any other breach of the protocol, or a tick that is not as it was made


FAULTS = (Column.UNEXPLAINED, Column.DUPLICATED, Column.DISORDERED, Column.WRONG)


class Finding(NamedTuple):
    """Something that must not be. `what` is one of FAULTS."""

    what: Column
    client: str
    stream: str
    at_ns: int
    times: int
    detail: str


class Tally:
    """Counts by fault. `starts` are the times of the injections, rising; row 0 is what was before the first."""

    def __init__(self, starts: Sequence[int] = ()) -> None:
        self._starts = starts
        self.counts: Counter[tuple[int, Column]] = Counter()
        self.silence_ns: dict[int, int] = {}
        self.findings: list[Finding] = []

    def row(self, at_ns: int) -> int:
        return bisect_right(self._starts, at_ns)

    def add(self, at_ns: int, column: Column, count: int = 1) -> None:
        self.counts[self.row(at_ns), column] += count

    def find(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.add(finding.at_ns, finding.what, finding.times)

    def silent(self, since_ns: int, until_ns: int) -> None:
        """A client heard no tick in between. The first fault in it is to blame, else the last one before it."""
        row = min(self.row(since_ns) + 1, self.row(until_ns))
        self.silence_ns[row] = max(self.silence_ns.get(row, 0), until_ns - since_ns)

    def total(self, column: Column) -> int:
        return sum(count for (_, name), count in self.counts.items() if name == column)
