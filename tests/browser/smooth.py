"""How smooth the live page stays while many prices move: the main thread's tasks, measured in Debian's Chromium.

    python -m tests.browser.smooth --symbols 200 --rate 2000 --seconds 20

starts the demo's service, opens the page with all its symbols, and traces it. Ends with 1 where the p95 task is above
the bound, the page shows fewer symbols than it was asked to, or fewer updates than nine tenths of the rate came.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import click

from tests.browser.conftest import ARGS, CHROMIUM
from tests.browser.tasks import CATEGORIES, Smoothness, quantile, smoothness
from tests.integration.service import running

BOUND_MS: Final = 16.0
WARM_S: Final = 4
PORTS: Final = ("--port", "0", "--admin-port", "0", "--ingest-admin-port", "0")
NUMBER: Final = "node => Number(node.textContent.replaceAll(',', ''))"


class Figures(NamedTuple):
    symbols: int
    rows: int
    updates_per_s: float
    thread: Smoothness

    def rows_of_table(self) -> Iterator[tuple[str, str]]:
        tasks, drawing = self.thread.tasks, self.thread.drawing
        yield "symbols subscribed", f"{self.symbols}"
        yield "updates a second", f"{self.updates_per_s:,.0f}"
        yield "frames a second", f"{len(drawing) / self.thread.seconds:.1f}"
        yield "tasks", f"{len(tasks):,}"
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            yield f"{name} task", f"{quantile(tasks, share):.2f} ms"
        yield "longest task", f"{tasks[-1]:.1f} ms"
        yield "p95 task that makes a frame", f"{quantile(drawing, 0.95):.2f} ms"
        yield f"tasks above {BOUND_MS:.0f} ms", f"{self.thread.longer_than(BOUND_MS)}"
        yield "main thread busy", f"{100 * self.thread.busy:.0f} %"


def page_of(said: str) -> str:
    """The page's address, as the demo says it. Raises ValueError where it does not."""
    if found := re.search(r"http://127\.0\.0\.1:\d+", said):
        return found[0]
    raise ValueError(f"no address in {said!r}")


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGS))
        try:
            yield browser
        finally:
            browser.close()


def measured(browser: Any, url: str, symbols: int, seconds: int) -> Figures:
    """Opens the page with the feed's first symbols, and traces it once it has settled."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(url)
    names = page.evaluate("async () => (await (await fetch('/v2/sim/symbols')).json()).symbols")[:symbols]
    page.evaluate("names => { location.hash = `#feed=sim&symbols=${names.join(',')}`; }", names)
    rows = page.locator("tbody tr")
    page.wait_for_function("count => document.querySelectorAll('tbody tr').length >= count", arg=len(names))
    page.wait_for_timeout(1000 * WARM_S)
    browser.start_tracing(page=page, categories=list(CATEGORIES))
    updates = []
    for _ in range(seconds):
        page.wait_for_timeout(1000)
        updates.append(page.locator("[data-cell=messages]").evaluate(NUMBER))
    trace = browser.stop_tracing()
    figures = Figures(len(names), rows.count(), sum(updates) / len(updates), smoothness(trace))
    page.close()
    return figures


@click.command()
@click.option("--symbols", default=200, show_default=True)
@click.option("--rate", default=2000, show_default=True, help="Ticks a second, over all symbols.")
@click.option("--seconds", default=20, show_default=True)
def main(symbols: int, rate: int, seconds: int) -> None:
    """Measures the live page under load, and says whether it stays smooth."""
    if CHROMIUM is None:
        raise click.ClickException("no chromium on the PATH")
    with (
        running("try", "demo", *PORTS, "--symbols", str(symbols), "--rate", str(rate)) as demo,
        chromium() as browser,
    ):
        figures = measured(browser, page_of(demo.said), symbols, seconds)
    for name, value in figures.rows_of_table():
        click.echo(f"{name:30} {value:>12}")
    p95 = quantile(figures.thread.tasks, 0.95)
    met = p95 < BOUND_MS and figures.rows >= symbols and figures.updates_per_s >= 0.9 * rate
    click.echo(
        f"p95 under {BOUND_MS:.0f} ms with {symbols} symbols at {rate} updates a second: {'met' if met else 'MISSED'}"
    )
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
