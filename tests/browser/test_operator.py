"""The operator's tab in a browser, at a real gateway."""

from collections.abc import Iterator
from typing import Any

import pytest

from feed.bus.embedded import EmbeddedServer
from feed.core.grant import grant
from tests.browser.operator_told import body, counter, gauge, health, later
from tests.browser.service import service
from tests.gateway.gateway_stage import Doorkeeper


@pytest.fixture(scope="module")
def redis_url_of_module() -> Iterator[str]:
    with EmbeddedServer() as server:
        yield server.url


@pytest.fixture(scope="module")
def gateway(redis_url_of_module: str) -> Iterator[Any]:
    with service(redis_url_of_module) as found:
        yield found


SHOW = """async () => {
  const { Operator } = await import("/web/operator.js");
  const section = document.createElement("section");
  section.dataset.cell = "operator";
  document.querySelector("main").replaceChildren(section);
  new Operator(section, { headers: () => ({ Authorization: "Bearer t" }) }).open();
}"""


def choose(page: Any, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()


def sentence(page: Any, text: str, without: bool = False) -> str:
    """The verdict, once it has this text; or once it has it no more."""
    from playwright.sync_api import expect

    shown = page.locator("[data-cell=sentence]")
    (expect(shown).not_to_contain_text if without else expect(shown).to_contain_text)(text, timeout=15_000)
    return str(shown.inner_text())


def heard(page: Any) -> None:
    page.locator("[data-cell=processes] [role=row]").first.wait_for()


def open_tab(page: Any, port: int) -> None:
    page.goto(f"http://127.0.0.1:{port}/#feed=sim&symbols=")
    choose(page, "Operator")


def test_the_tab_shows_the_service_itself(page: Any, gateway: Any) -> None:
    open_tab(page, gateway.port)
    heard(page)
    assert page.locator("[data-cell=processes] [role=row]").count() == 1
    assert page.locator("[data-cell=processes] [role=cell]").nth(1).inner_text() == "gateway"
    page.locator(".op-stat[data-tone=good]", has_text="Missing ticks").wait_for()
    assert page.complaints == []


def fed(page: Any, bodies: list[dict[str, Any]]) -> None:
    """The gateway's answers, one after the other; the last one again and again, a second later each time."""
    left = list(bodies)

    def answer(route: Any) -> None:
        told = left[0] if len(left) == 1 else left.pop(0)
        route.fulfill(json=told)
        told["t"] += 1

    page.route("**/operator/metrics", answer)


def test_red_says_what_to_do_and_text_is_only_text(page: Any, gateway: Any) -> None:
    wrong = later(
        gauge("feed_bus_feed_live", 0, feed="<img src=x onerror=alert(1)>"),
        counter("feed_gateway_gaps", 3, feed="sim", cause="bus"),
    )
    fed(page, [body(0, *health()), body(1, *wrong)])
    open_tab(page, gateway.port)
    assert sentence(page, "Needs somebody").startswith("Needs somebody: Feeds live, Gaps")
    gaps = page.locator(".op-stat", has=page.get_by_role("heading", name="Gaps"))
    assert gaps.locator("p.op-act").is_visible()
    assert "Redis lost entries" in gaps.inner_text()
    assert page.locator(".op-stat img").count() == 0
    assert page.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (768, "light"), (1400, "dark")])
def test_it_fits_the_screen(browser: Any, gateway: Any, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    try:
        fed(page, [body(0, *health()), body(1, *later(gauge("feed_bus_workers", 0, feed="sim")))])
        open_tab(page, gateway.port)
        page.locator(".op-act:visible").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        context.close()


def test_it_asks_no_longer_when_it_is_closed_and_again_when_it_is_opened(page: Any, gateway: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/operator/metrics" in request.url else None)
    open_tab(page, gateway.port)
    heard(page)
    choose(page, "Prices")
    before = len(asked)
    page.evaluate("new Promise((done) => setTimeout(done, 1500))")  # longer than it waits between two looks
    assert len(asked) == before
    with page.expect_request("**/operator/metrics"):
        choose(page, "Operator")


def test_a_gateway_that_is_gone_is_told_and_the_numbers_grow_old(page: Any, gateway: Any) -> None:
    open_tab(page, gateway.port)
    heard(page)
    page.route("**/operator/metrics", lambda route: route.abort())
    assert "s old" in sentence(page, "cannot be reached")
    page.unroute("**/operator/metrics")
    sentence(page, "reached", without=True)


def test_who_is_no_operator_is_told_so(page: Any, redis_url_of_module: str) -> None:
    doorkeeper = Doorkeeper()
    doorkeeper.grant(grant(), token="t")
    with service(redis_url_of_module, doorkeeper) as guarded:
        page.goto(f"http://127.0.0.1:{guarded.port}/#feed=sim&symbols=")
        page.evaluate(SHOW)  # the tab is not shown to whoever is none, and stays for a moment to one who is no longer
        sentence(page, "Only operators may see this")
