"""The page's tabs, keys and themes, by keyboard as much as by pointer."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.page_gateway import PageGateway
from tests.browser.test_page import SYMBOLS, cell, opened, subscriptions, until, until_address, until_rows


@pytest.fixture
def gateway() -> Iterator[PageGateway]:
    gateway = PageGateway(SYMBOLS)
    with gateway.in_thread():
        yield gateway


def tab(page: Any, name: str) -> Any:
    return page.get_by_role("tab", name=name)


def until_chosen(page: Any, name: str) -> None:
    from playwright.sync_api import expect

    expect(tab(page, name)).to_have_attribute("aria-selected", "true", timeout=15_000)
    expect(page.get_by_role("tabpanel", name=name)).to_be_visible(timeout=15_000)
    assert page.locator("[role=tabpanel]:visible").count() == 1


def test_tabs_are_one_stop_and_arrows_choose(page: Any, gateway: PageGateway) -> None:
    gateway.operator = True
    opened(page, gateway)
    tab(page, "Operator").wait_for()
    tab(page, "Prices").focus()
    page.keyboard.press("ArrowRight")
    until_chosen(page, "Chart")
    until_address(page, gateway, "feed=sim&symbols=AAPL,MSFT&tab=chart")
    page.keyboard.press("ArrowRight")
    until_chosen(page, "Operator")
    page.keyboard.press("ArrowRight")
    until_chosen(page, "Prices")
    until_address(page, gateway, "feed=sim&symbols=AAPL,MSFT")
    page.keyboard.press("End")
    until_chosen(page, "Operator")
    page.keyboard.press("Home")
    until_chosen(page, "Prices")
    assert tab(page, "Prices").evaluate("tab => tab === document.activeElement")
    assert [tab(page, name).get_attribute("tabindex") for name in ("Prices", "Chart", "Operator")] == ["0", "-1", "-1"]


def test_who_is_no_operator_is_offered_no_tab_of_theirs(page: Any, gateway: PageGateway) -> None:
    page.goto(f"{gateway.url}/#feed=sim&symbols=AAPL&tab=operator")
    until(page.locator("[data-cell=state]"), "Live")
    until(page.locator("[data-cell=streams]"), "3")
    until_chosen(page, "Prices")
    assert not tab(page, "Operator").is_visible()
    page.keyboard.press("3")
    page.keyboard.press("2")  # what follows shows that the page was done with what came before
    until_chosen(page, "Chart")
    assert page.complaints == []


def test_the_address_leads_to_the_operators_tab(page: Any, gateway: PageGateway) -> None:
    gateway.operator = True
    page.goto(f"{gateway.url}/#feed=sim&symbols=AAPL&tab=operator")
    until_chosen(page, "Operator")
    page.evaluate("location.hash = '#feed=sim&symbols=AAPL'")
    until_chosen(page, "Prices")


def test_whoever_is_on_a_tab_stays_there_when_the_connection_comes_back(page: Any, gateway: PageGateway) -> None:
    gateway.operator = True
    page.goto(f"{gateway.url}/#feed=sim&symbols=AAPL&tab=operator")
    until_chosen(page, "Operator")
    with page.expect_response("**/operator"):
        gateway.call(gateway.close(1012))
    until(page.locator("[data-cell=banner]"), "3 streams resumed, nothing missed.")
    until_chosen(page, "Operator")
    gateway.operator = False
    with page.expect_response("**/operator"):
        gateway.call(gateway.close(1012))
    until_chosen(page, "Prices")


def test_single_keys_choose_search_explain_and_never_disturb_typing(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    keys.wait_for()
    page.keyboard.press("2")
    assert keys.is_visible()
    page.keyboard.press("Escape")
    keys.wait_for(state="hidden")
    page.keyboard.press("2")
    until_chosen(page, "Chart")
    page.keyboard.press("1")
    until_chosen(page, "Prices")
    page.keyboard.press("/")
    page.keyboard.type("1c2?")
    assert page.locator("[data-cell=search]").input_value() == "1c2?"
    until_chosen(page, "Prices")
    assert not keys.is_visible()


def test_the_theme_is_switched_and_kept(page: Any, gateway: PageGateway) -> None:
    page.emulate_media(color_scheme="dark")
    opened(page, gateway)

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = ground()
    page.get_by_role("button", name="Colours: as the system has it").click()
    light = ground()
    assert dark != light
    page.reload()
    until(page.locator("[data-cell=state]"), "Live")
    assert ground() == light
    page.keyboard.press("c")
    assert ground() == dark
    page.emulate_media(color_scheme="light")
    assert ground() == dark
    page.keyboard.press("c")
    assert ground() == light
    assert page.evaluate("({...localStorage})") == {"theme": "system"}


def test_a_symbol_in_the_table_opens_its_chart(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    cell(page, "MSFT", "symbol").click()
    until_chosen(page, "Chart")
    assert page.locator("[data-cell=charted]").input_value() == "MSFT"
    until_address(page, gateway, "feed=sim&symbols=AAPL,MSFT&tab=chart&chart=MSFT")


def test_a_search_adds_all_that_match(page: Any, gateway: PageGateway) -> None:
    gateway.symbols = [f"SIM{number:03}" for number in range(260)] + SYMBOLS
    opened(page, gateway)
    page.keyboard.press("/")
    page.keyboard.type("sim01")
    until(page.locator("[data-cell=tally]"), "10 of 270 symbols, 0 on the page")
    page.get_by_role("button", name="Add all 10").click()
    until(page.locator("[data-cell=streams]"), str(3 * 12))
    until_rows(page, ["AAPL", "MSFT", *(f"SIM{number:03}" for number in range(10, 20))])
    page.keyboard.type("aapl, amd goog")
    page.keyboard.press("Enter")
    until(page.locator("[data-cell=streams]"), str(3 * 14))
    assert subscriptions(gateway)[-1] == ("subscribe", ["AMD", "GOOG"])
    page.keyboard.type("sim")
    until(page.locator("[data-cell=tally]"), "260 of 270 symbols, the first 60 listed, 10 on the page")
    page.get_by_role("button", name="Add the first 186").wait_for()
    page.keyboard.press("Shift+Enter")
    until(page.locator("[data-cell=streams]"), "600")
    page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 200")
    page.keyboard.type("tsla")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    until(page.locator("[data-cell=log]"), "The page shows at most 200 symbols")
    assert page.complaints == []


def test_what_is_searched_for_may_be_in_another_feed(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    page.keyboard.press("/")
    page.keyboard.type("usdt")
    page.get_by_role("button", name="2 symbols in binance").click()
    until_address(page, gateway, "feed=binance")
    until_rows(page, SYMBOLS[:8])
    assert page.locator("[data-cell=feed]").input_value() == "binance"


def test_columns_are_sorted_by_keyboard(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway, "AAPL,MSFT,IBM", shown=3)
    for symbol, price in (("AAPL", 190), ("MSFT", 428), ("IBM", 250)):
        gateway.call(gateway.trade(symbol, price))
        until(cell(page, symbol, "price"), str(price))
    heading = page.get_by_role("button", name="Last", exact=True)
    heading.focus()
    page.keyboard.press("Enter")
    until_rows(page, ["MSFT", "IBM", "AAPL"])
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    until_rows(page, ["AAPL", "IBM", "MSFT"])
    gateway.call(gateway.trade("IBM", 500))
    until_rows(page, ["AAPL", "MSFT", "IBM"])
    page.keyboard.press("Enter")
    until_rows(page, ["AAPL", "MSFT", "IBM"])
    assert page.locator("th[aria-sort]").count() == 0


def test_the_change_is_since_the_page_was_opened(page: Any, gateway: PageGateway) -> None:
    gateway.call(gateway.trade("AAPL", 200))
    opened(page, gateway)
    until(cell(page, "AAPL", "change"), "0.00 %")
    gateway.call(gateway.trade("AAPL", 199))
    until(cell(page, "AAPL", "change"), "−0.50 %")
    until(cell(page, "AAPL", "moved"), "−1.00")


def test_rows_out_of_sight_are_current_when_they_come_into_it(page: Any, gateway: PageGateway) -> None:
    gateway.symbols = [f"SIM{number:03}" for number in range(60)]
    opened(page, gateway, ",".join(gateway.symbols), shown=60)
    gateway.call(gateway.trade("SIM059", 10))
    gateway.call(gateway.trade("SIM059", 11))
    last = cell(page, "SIM059", "price")
    assert page.evaluate("scrollY") == 0
    page.wait_for_function("cell => cell.textContent === '11.00'", arg=last.element_handle())
    last.scroll_into_view_if_needed()
    gateway.call(gateway.trade("SIM059", 12))
    until(last, "12.00")


# Of every colour that text may have, on every ground that it may stand on: the contrast, as WCAG computes it.
CONTRASTS = """
() => {
  const probe = document.body.appendChild(document.createElement("i"));
  const light = (name) => {
    probe.style.color = `var(--${name})`;
    const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
    const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const pairs = [];
  for (const ink of ["text", "soft", "accent", "up", "down", "warn"]) {
    const own = {up: ["up-flash", "good-ground"], down: ["down-flash", "bad-ground"], warn: ["warn-ground"]}[ink] ?? [];
    for (const ground of ["card", "hover", ...own]) pairs.push([ink, ground]);
  }
  pairs.push(["soft", "ground"], ["soft", "track"], ["text", "chosen"]);
  return pairs.map(([ink, ground]) => {
    const [dark, bright] = [light(ink), light(ground)].sort((a, b) => a - b);
    return [`${ink} on ${ground}`, (bright + 0.05) / (dark + 0.05)];
  });
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page: Any, gateway: PageGateway, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, gateway)
    found = dict(page.evaluate(CONTRASTS))
    assert len(found) > 15
    assert {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 4.5} == {}
