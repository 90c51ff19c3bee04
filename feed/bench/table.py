"""The table that a run prints: a row for each system of each scenario, what else was measured, and the targets."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from feed.bench import targets
from feed.bench.outcome import Figure, Outcome

NO_TERMINAL_WIDTH: Final = 400  # wide enough for anything: lines are as long as they need to be
NONE: Final = "-"
OTHERS: Final = (  # systems beside the gateway, how the names of their figures begin, and the gateway over them
    ("floor", "floor_", "over_floor_ratio"),
    ("tutorial", "tutorial_", "over_tutorial_ratio"),
    ("two workers", "two_workers_", "two_workers_ratio"),
    ("compressed", "compressed_", "cpu_ratio"),
    ("without metrics", "without_metrics_", "on_over_off_ratio"),
)
SHOWN: Final = (  # of the scenarios that measure something of their own
    ("memory_begin_mb", "MB at the beginning"),
    ("memory_end_mb", "MB at the end"),
    ("memory_slope_mb_per_min", "MB more a minute"),
    ("gaps", "gaps and numbers skipped"),
    ("resumes", "resumes"),
    ("two_workers_ratio", "x CPU per delivery of one worker"),
    ("bytes_ratio", "x bytes of uncompressed"),
    ("cpu_ratio", "x CPU per delivery of uncompressed"),
    ("on_over_off_ratio", "x CPU per delivery without metrics"),
    ("ticks_per_s", "ticks/s"),
    ("worker_us_per_tick", "us a tick, worker"),
    ("redis_us_per_tick", "us a tick, Redis"),
    ("us_per_tick_nobody", "us a tick that nobody wants"),
    ("us_per_tick_one", "us a tick that one wants"),
    ("speed", "times as fast as recorded"),
)


def show(console: Console, machine: Mapping[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Prints it all."""
    if not console.is_terminal:
        console.width = NO_TERMINAL_WIDTH
    console.print(Text(" · ".join(f"{name} {value}" for name, value in machine.items())))
    console.print(main_table(outcomes))
    for outcome in outcomes:
        own = [_own(outcome, name, words) for name, words in SHOWN if name in outcome.figures]
        if own:
            console.print(Text(f"{outcome.name}: ").append_text(Text(" · ").join(own)))
    for outcome in outcomes:
        for word in (outcome.skipped and f"left out: {outcome.skipped}", *outcome.warnings, *outcome.notes):
            if word:
                console.print(Text(f"{outcome.name}: {word}", style="yellow" if word in outcome.warnings else "dim"))
    if checks := [_check(outcome) for outcome in outcomes if "counted_over_reported" in outcome.figures]:
        console.print(Text(f"load clients: {', '.join(checks)}"))
    for line in target_lines({outcome.name: outcome for outcome in outcomes}):
        console.print(line)


def main_table(outcomes: Sequence[Outcome]) -> Table:
    """Deliveries, CPU and delays, of gateway, floor and tutorial."""
    table = Table(title="feed bench: median of the rounds (least..most)", title_justify="left", pad_edge=False)
    for head in ("scenario", "system"):
        table.add_column(head, no_wrap=True)
    for head in (
        "deliveries/s",
        "CPU us/delivery",
        "over",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "kB/conn",
        "shakes/s",
        "core",
    ):
        table.add_column(head, justify="right", no_wrap=True)
    for outcome in outcomes:
        if outcome.skipped or outcome.median("deliveries_per_s") is None:
            continue
        table.add_row(*_gateway_row(outcome))
        for system, prefix, ratio in OTHERS:
            if outcome.median(f"{prefix}us_per_delivery") is not None:
                table.add_row("", at_rate(outcome, system), *_others_row(outcome, prefix, ratio))
        table.add_section()
    return table


def at_rate(outcome: Outcome, system: str) -> str:
    """The system's name; the tutorial's with the rate that it survived where that is below what was asked."""
    rate = outcome.median(f"{system}_ticks_per_s")
    return system if rate is None or rate >= outcome.ticks_per_s else f"{system} at {rate:,.0f}/s"


def _gateway_row(outcome: Outcome) -> list[Text]:
    bound = " client-bound" if outcome.client_bound else ""
    cells = [Text(outcome.name, style="bold"), Text(f"gateway{bound}")]
    cells.append(_plain(outcome.figures.get("deliveries_per_s"), 0))
    cells.append(_spread(outcome.figures.get("cpu_us_per_delivery")))
    cells.append(Text(""))
    cells += [_ratio_of_delay(outcome, share) for share in ("p50", "p99")]
    cells.append(_spread(outcome.figures.get("delay_ms.p999")))
    cells.append(_marked(outcome, "memory_per_connection_kb", 1))
    cells.append(_plain(outcome.figures.get("handshakes_per_s"), 0))
    cells.append(Text(_percent(outcome.median("gateway_cpu"))))
    return cells


def _others_row(outcome: Outcome, prefix: str, ratio: str) -> list[Text]:
    cells = [
        _plain(outcome.figures.get(f"{prefix}deliveries_per_s"), 0),
        _spread(outcome.figures.get(f"{prefix}us_per_delivery")),
        _marked(outcome, ratio, 2, " x"),
    ]
    cells += [_spread(outcome.figures.get(f"{prefix}delay_ms.{share}")) for share in ("p50", "p99", "p999")]
    return cells


def _ratio_of_delay(outcome: Outcome, share: str) -> Text:
    cell = _spread(outcome.figures.get(f"delay_ms.{share}"))
    mark = _mark(outcome, f"delay_over_floor_ratio.{share}")
    return cell.append_text(mark) if mark else cell


def _marked(outcome: Outcome, name: str, digits: int, unit: str = "") -> Text:
    found = outcome.figures.get(name)
    if found is None:
        return Text(NONE)
    cell = Text(f"{found.median:,.{digits}f}{unit}")
    mark = _mark(outcome, name)
    if mark is not None:
        cell.stylize(mark.style)
        cell.append_text(mark)
    return cell


def _mark(outcome: Outcome, name: str) -> Text | None:
    target, value = targets.of(outcome.name, name), outcome.median(name)
    if target is None or value is None:
        return None
    return Text(" met", style="green") if target.met(value) else Text(" missed", style="red")


def _check(outcome: Outcome) -> str:
    """How one knows that the load client kept up, and lost nothing."""
    cpu, late = outcome.median("client_cpu") or 0.0, outcome.median("client_loop_delay_ms") or 0.0
    share = outcome.median("counted_over_reported") or 0.0
    counted = "" if share == 1 else f", counted {share:.1%} of what the gateway says it wrote"
    return f"{outcome.name} {cpu:.0%} of a core and {late:.0f} ms late{counted}"


def _own(outcome: Outcome, name: str, words: str) -> Text:
    found = outcome.figures[name]
    text = _spread(found).append(f" {words}")
    mark = _mark(outcome, name)
    return text.append_text(mark) if mark else text


def _plain(found: Figure | None, digits: int) -> Text:
    return Text(NONE if found is None else f"{found.median:,.{digits}f}")


def _spread(found: Figure | None) -> Text:
    if found is None:
        return Text(NONE)
    text = number(found.median)
    return Text(text if found.low == found.high else f"{text} ({number(found.low)}..{number(found.high)})")


def number(value: float) -> str:
    """With three digits that matter, or all before the point; whole numbers as they are."""
    if value == int(value):
        return f"{value:,.0f}"
    whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 1
    return f"{value:,.{max(0, 3 - whole)}f}"


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.0%}"


def target_lines(outcomes: Mapping[str, Outcome]) -> list[Text]:
    """A line for each target of the scenarios that were run."""
    lines = []
    for target in targets.judged(outcomes):
        bound = f"{'at least' if target['least'] else 'at most'} {target['bound']:g} {target['unit']}".rstrip()
        measured, met = target["measured"], target["met"]
        said = "not measured" if met is None else f"{measured:,.4g} {'met' if met else 'missed'}"
        style = "dim" if met is None else "green" if met else "red"
        lines.append(Text(f"target  {target['scenario']:<10} {target['what']:<44} {bound:<20} ").append(said, style))
    return lines
