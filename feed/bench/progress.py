"""How far a run is: a bar on a terminal, a line for each scenario elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from feed.bench.scenarios import Scenario


class Progress:
    """Shown on stderr while its context is open."""

    def __init__(self, scenarios: int) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar = Bar(*columns, console=console, transient=True) if console.is_terminal else None
        self._task = self._bar.add_task("", total=scenarios) if self._bar else None
        self._scenario: Scenario | None = None
        self._began = time.monotonic()

    def tell(self, scenario: Scenario, words: str) -> None:
        """`words` say what it does now."""
        another, self._scenario = scenario is not self._scenario, scenario
        if self._bar is None or self._task is None:
            if another:
                passed_s = time.monotonic() - self._began
                print(f"feed bench: {passed_s:4.0f} s  {scenario.name}: {scenario.about}", file=sys.stderr, flush=True)
            return
        self._bar.update(self._task, advance=int(another), description=f"{scenario.name}: {words}")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
