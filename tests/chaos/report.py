"""The table of a chaos run: what each kind of fault did to the ticks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.tally import FAULTS, Column, Tally

COLUMNS = (Column.PUBLISHED, Column.DELIVERED, Column.CONFLATED, Column.NAMED, Column.SKIPPED, *FAULTS)
CALM = "(no fault yet)"


@dataclass
class Row:
    times: int = 0
    counts: Counter[Column] = field(default_factory=Counter)
    silence_s: float = 0.0


class Report:
    """Adds up the tallies of several rounds, by the kind of fault."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(self, injected: Sequence[str], tally: Tally) -> None:
        """`injected` names the faults of a round in their order."""
        names = [CALM, *injected]
        for name in injected:
            self._row(name).times += 1
        for (index, column), count in tally.counts.items():
            self._row(names[index]).counts[column] += count
        for index, silence_ns in tally.silence_ns.items():
            row = self._row(names[index])
            row.silence_s = max(row.silence_s, silence_ns / 1e9)

    def total(self, column: Column) -> int:
        return sum(row.counts[column] for row in self.rows.values())

    def table(self) -> str:
        header = ["fault", "times", *COLUMNS, "longest silence, s"]
        lines = [header]
        for name in sorted(self.rows):
            row = self.rows[name]
            counts = [f"{row.counts[column]:,}" for column in COLUMNS]
            lines.append([name, str(row.times), *counts, f"{row.silence_s:.1f}"])
        totals = [f"{self.total(column):,}" for column in COLUMNS]
        times, silence = sum(row.times for row in self.rows.values()), max(row.silence_s for row in self.rows.values())
        lines.append(["all", str(times), *totals, f"{silence:.1f}"])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(_line(line, widths) for line in lines)

    def _row(self, name: str) -> Row:
        return self.rows.setdefault(name, Row())


def _line(words: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(words, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(word.rjust(width) for word, width in rest)])
