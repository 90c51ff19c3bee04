"""A browser for the tests of the live page: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
# The same engine without a browser's own windows, at 40 % of the CPU.
SHELL = shutil.which("chromium-headless-shell") or CHROMIUM
# The sandbox wants privileges that a container lacks; the rest keeps the browser from talking to the Internet.
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # names of other sites, which are all this machine
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    # Chromium's own guard of this machine's addresses: it is the gateway's that is tested
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights",
)


# Not for the whole session: while Playwright's synchronous API is open, asyncio takes this thread's loop for running.
@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    if SHELL is None:
        pytest.skip("no chromium on the PATH: the live page is not tested")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=SHELL, args=list(ARGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own; what its console complains of, and what it throws, is in `page.complaints`."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.complaints = []
    page.on("console", lambda line: line.type in ("error", "warning") and page.complaints.append(line.text))
    page.on("pageerror", lambda fault: page.complaints.append(str(fault)))
    yield page
    context.close()
