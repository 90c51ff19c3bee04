"""The picture of the delays: of each system, which share of deliveries took longer than so many milliseconds."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from feed.bench.outcome import Outcome
from feed.bench.table import at_rate

SUFFIXES: Final = (".png", ".svg")
DRAWN: Final = ("hot", "watchlist")
STYLES: Final = {"gateway": ("#1f77b4", "-"), "floor": ("#2ca02c", "--"), "tutorial": ("#d62728", ":")}
LEAST_MS: Final = 0.05  # a log axis has no nought; less than this is a clock's grain
POINTS: Final = 2_000


def check(path: Path) -> None:
    """Raises ValueError where no picture can be drawn: said before anything is measured."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"--plot {path}: must end with {' or '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise ValueError("--plot needs matplotlib: pip install 'feed[bench]'")


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Writes the picture: a panel for each of hot and watchlist, of the others where neither was run."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    measured = [outcome for outcome in outcomes if outcome.delays_ms.get("gateway")]
    shown = [outcome for outcome in measured if outcome.name in DRAWN] or measured[:2]
    figure = Figure(figsize=(6.2 * max(1, len(shown)), 4.4), layout="constrained")
    for place, outcome in enumerate(shown, 1):
        axes = figure.add_subplot(1, len(shown), place)
        for system, (colour, line) in STYLES.items():
            if delays := outcome.delays_ms.get(system):
                label = system if system != "tutorial" else at_rate(outcome, system)
                axes.plot(*complement(delays), color=colour, linestyle=line, linewidth=2, label=label)
        axes.set(xscale="log", yscale="log", ylim=(1e-4, 1.05), title=f"{outcome.name}: {outcome.about}")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
        axes.set_xlabel("delay from publish to client, ms")
        axes.set_ylabel("share of deliveries that took longer")
        axes.grid(True, which="major", alpha=0.4)
        axes.legend()
    figure.savefig(path, dpi=130)


def complement(delays_ms: Sequence[float]) -> tuple[list[float], list[float]]:
    """Delays, rising, and the share of all that is above each; thinned where there are many, but not at the end."""
    ordered = sorted(max(delay, LEAST_MS) for delay in delays_ms)
    many = len(ordered)
    step = max(1, many // POINTS)
    places = sorted({*range(0, many, step), *range(max(0, many - POINTS), many)})
    return [ordered[place] for place in places], [(many - place - 1) / many or 0.5 / many for place in places]
