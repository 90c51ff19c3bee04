"""Pictures of the live page, for people to look at: `python -m tests.browser.screenshots --out DIR`.

Starts the demo's service on free ports, waits until there is something to see, and writes one picture a scene.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from tests.browser.conftest import ARGS, CHROMIUM
from tests.integration.service import running

PORTS: Final = ("--port", "0", "--admin-port", "0", "--ingest-admin-port", "0")
# A market that looks alive, and a minute's history: charts and sparklines are nothing without either.
RATE: Final = "400"
SETTLE_S: Final = 65
PATIENCE_MS: Final = 30_000
DESKTOP: Final = (1440, 900)
PHONE: Final = (390, 844)


class Studio:
    """A browser, the page's address, and where pictures go."""

    def __init__(self, browser: Any, url: str, out: Path) -> None:
        self.browser = browser
        self.url = url
        self.out = out

    def shoot(self, name: str, scheme: str, size: tuple[int, int], pose: Callable[[Any], bool]) -> str | None:
        """Opens the page and takes its picture once `pose` says that it shows what it should; None where it cannot."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            device_scale_factor=2 if size == PHONE else 1,
        )
        try:
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(self.url)
            page.wait_for_function("() => document.querySelector('[data-cell=pill]').dataset.tone === 'good'")
            if not pose(page):
                return None
            path = self.out / f"{name}.png"
            page.screenshot(path=path)
            return str(path)
        finally:
            context.close()


def prices(page: Any) -> bool:
    page.wait_for_selector("tbody tr")
    page.wait_for_timeout(20_000)
    return True


def chart(page: Any) -> bool:
    page.get_by_role("tab", name="Chart").click()
    page.wait_for_selector("[data-cell=vacant]", state="hidden")
    page.wait_for_timeout(8_000)
    plot = page.locator("[data-cell=plot]")
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.62, box["y"] + box["height"] * 0.4)
    page.wait_for_timeout(300)
    return True


def ticks(page: Any) -> bool:
    page.get_by_role("tab", name="Chart").click()
    page.get_by_role("radio", name="Ticks").check(force=True)
    page.wait_for_selector("[data-cell=vacant]", state="hidden")
    page.wait_for_timeout(3_000)
    return True


def operator(page: Any) -> bool:
    tab = page.get_by_role("tab", name="Operator")
    page.wait_for_timeout(2_000)
    if not tab.is_visible():
        return False
    tab.click()
    page.wait_for_timeout(8_000)
    return True


SCENES: Final[tuple[tuple[str, str, tuple[int, int], Callable[[Any], bool]], ...]] = (
    ("chart", "light", DESKTOP, chart),
    ("ticks", "dark", DESKTOP, ticks),
    ("chart-phone", "light", PHONE, chart),
    ("operator", "dark", DESKTOP, operator),
    ("desktop-light", "light", DESKTOP, prices),
    ("desktop-dark", "dark", DESKTOP, prices),
    ("phone", "light", PHONE, prices),
    ("phone-dark", "dark", PHONE, prices),
)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where pictures go.")
@click.option("--only", multiple=True, help="This scene alone; may be given again.")
@click.option("--settle", default=SETTLE_S, show_default=True, help="Seconds before the first picture.")
def main(out: Path, only: tuple[str, ...], settle: int) -> None:
    """Takes pictures of the live page."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise click.ClickException("no chromium on the PATH")
    out.mkdir(parents=True, exist_ok=True)
    with running("try", "demo", *PORTS, "--rate", RATE) as demo, sync_playwright() as driver:
        found = re.search(r"http://127\.0\.0\.1:\d+", demo.said)
        if found is None:
            raise click.ClickException(f"feed demo named no address: {demo.said!r}")
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGS))
        try:
            studio = Studio(browser, found[0], out)
            browser.new_page().wait_for_timeout(1000 * settle)
            for name, scheme, size, pose in SCENES:
                if not only or name in only:
                    click.echo(studio.shoot(name, scheme, size, pose) or f"{name}: not there")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
