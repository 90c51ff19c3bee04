"""The live page and the real service, as `feed demo` starts it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.test_page import cell, until

READY_S = 40
COMMAND = (sys.executable, "-m", "feed", "demo", "--port", "0", "--admin-port", "0", "--ingest-admin-port", "0")


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """The page's address."""
    # The service takes every FEED_ variable for a setting.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEED_")}
    process = subprocess.Popen((*COMMAND, "--rate", "200"), stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    # A demo that hangs must fail by name and leave nothing behind.
    alarm = threading.Timer(READY_S, process.kill)
    alarm.start()
    try:
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                alarm.cancel()
                yield found[0]
                return
        pytest.fail(f"feed demo named no address; it said: {said!r}")
    finally:
        alarm.cancel()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.stdout.close()


def test_the_page_shows_the_demo(page: Any) -> None:
    with demo() as url:
        page.goto(url)
        until(page.locator("[data-cell=state]"), "Live")
        page.wait_for_selector("tr[data-symbol=AAPL]")
        until(page.locator("[data-cell=streams]"), "24")
        assert page.locator("tbody tr").count() == 8
        shown = cell(page, "AAPL", "price")
        page.wait_for_function("cell => cell.textContent !== '–'", arg=shown.element_handle())
        before = shown.inner_text()
        page.wait_for_function("([cell, before]) => cell.textContent !== before", arg=[shown.element_handle(), before])
        for hop in ("ingest", "bus", "gateway", "browser"):
            until(page.locator(f"[data-cell={hop}50]"), "ms")
        page.keyboard.press("/")
        page.keyboard.type("tsla")
        page.wait_for_selector("#options [role=option]")
        page.keyboard.press("Enter")
        until(page.locator("[data-cell=streams]"), "27")
        until(cell(page, "TSLA", "quotes"), ".")  # a rate below ten has a fraction: quotes came
        assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"
        assert page.locator("[data-cell=log] [data-tone=bad]").count() == 0
        assert page.complaints == []
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/page-demo.png")
