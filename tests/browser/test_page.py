"""The live page in a real browser, against a gateway that the test steers."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.page_gateway import PageGateway

SYMBOLS = ["AAPL", "AMD", "BTC/USDT", "ETH/USDT", "GOOG", "IBM", "INTC", "MSFT", "NVDA", "TSLA"]


@pytest.fixture
def gateway() -> Iterator[PageGateway]:
    with PageGateway(SYMBOLS).in_thread() as gateway:
        yield gateway


def cell(page: Any, symbol: str, name: str) -> Any:
    return page.locator(f"tr[data-symbol='{symbol}'] [data-cell={name}]")


def subscriptions(gateway: PageGateway) -> list[tuple[str, list[str]]]:
    return [(command["action"], command["trades"]) for command in gateway.commands]


def until(locator: Any, text: str) -> None:
    """Waits for a text to be shown: Playwright's own expect() polls with a deadline."""
    from playwright.sync_api import expect

    expect(locator).to_contain_text(text, timeout=15_000)


def until_rows(page: Any, symbols: list[str]) -> None:
    """Waits for the table to have just these symbols, in this order."""
    from playwright.sync_api import expect

    shown = page.locator("tbody tr")
    expect(shown).to_have_count(len(symbols), timeout=15_000)
    for place, symbol in enumerate(symbols):
        expect(shown.nth(place)).to_have_attribute("data-symbol", symbol, timeout=15_000)


def until_options(page: Any, count: int) -> None:
    """Waits for the picker to offer so many symbols."""
    from playwright.sync_api import expect

    expect(page.locator("#options [role=option]")).to_have_count(count, timeout=15_000)


def until_address(page: Any, gateway: PageGateway, view: str) -> None:
    """Waits for the address to say what is shown."""
    from playwright.sync_api import expect

    expect(page).to_have_url(f"{gateway.url}/#{view}", timeout=15_000)


def opened(page: Any, gateway: PageGateway, symbols: str = "AAPL,MSFT", shown: int = 2) -> None:
    page.goto(f"{gateway.url}/#feed=sim&symbols={symbols}")
    until(page.locator("[data-cell=state]"), "Live")
    until(page.locator("[data-cell=streams]"), str(3 * shown))


def test_shows_the_first_symbols_of_the_first_feed(page: Any, gateway: PageGateway) -> None:
    page.goto(gateway.url)
    page.wait_for_selector("tr[data-symbol=AAPL]")
    until(page.locator("[data-cell=streams]"), "24")
    until_rows(page, SYMBOLS[:8])
    command = gateway.commands[0]
    assert command["action"] == "subscribe"
    assert command["trades"] == command["quotes"] == command["bars"] == SYMBOLS[:8]
    assert (command["snapshot"], command["stamps"]) == (True, True)
    assert page.locator("[data-cell=feed] option").all_inner_texts() == ["sim", "binance"]
    assert page.complaints == []


def test_prices_move(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gateway.call(gateway.trade("AAPL", 190.12, size=300))
    until(cell(page, "AAPL", "price"), "190.12")
    gateway.call(gateway.trade("AAPL", 190.5, size=25, side="S"))
    until(cell(page, "AAPL", "price"), "190.50")
    assert cell(page, "AAPL", "last").get_attribute("data-direction") == "up"
    assert cell(page, "AAPL", "traded").inner_text() == "25"
    assert cell(page, "AAPL", "side").inner_text() == "sell"
    gateway.call(gateway.trade("AAPL", 190.4))
    until(cell(page, "AAPL", "price"), "190.40")
    assert cell(page, "AAPL", "last").get_attribute("data-direction") == "down"
    gateway.call(gateway.quote("MSFT", 428.5, 428.75))
    until(cell(page, "MSFT", "bid"), "428.50")
    until(cell(page, "MSFT", "spread"), "0.25")
    assert cell(page, "MSFT", "points").inner_text() == "5.8 bp"
    until(cell(page, "MSFT", "p50"), "ms")
    until(page.locator("[data-cell=bus50]"), "0.30 ms")
    gateway.call(gateway.tick("b", "MSFT", o=428, h=430.25, l=427, c=429, v=1200, n=31, vw=428.9))
    until(cell(page, "MSFT", "h"), "430.25")
    assert page.complaints == []


def test_an_absent_side_is_no_price(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gateway.call(gateway.quote("AAPL", 0, 190.25))
    until(cell(page, "AAPL", "ask"), "190.25")
    assert [cell(page, "AAPL", name).inner_text() for name in ("bid", "bidSize", "spread")] == ["–", "", "–"]


def test_adding_and_removing_a_symbol_changes_the_subscription(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gateway.call(gateway.trade("NVDA", 131.25))
    page.keyboard.press("/")
    page.keyboard.type("nv")
    page.wait_for_selector("#options [role=option]")
    page.keyboard.press("Enter")
    until(cell(page, "NVDA", "price"), "131.25")  # its snapshot
    until(page.locator("[data-cell=streams]"), "9")
    until_address(page, gateway, "feed=sim&symbols=AAPL,MSFT,NVDA")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove AAPL").click()
    until(page.locator("[data-cell=streams]"), "6")
    until_rows(page, ["MSFT", "NVDA"])
    assert subscriptions(gateway) == [
        ("subscribe", ["AAPL", "MSFT"]),
        ("subscribe", ["NVDA"]),
        ("unsubscribe", ["AAPL"]),
    ]
    assert page.complaints == []


def test_symbols_are_chosen_by_arrows_and_by_pointer(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway, "MSFT", shown=1)
    page.keyboard.press("/")
    page.keyboard.type("us")
    until_options(page, 2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until_rows(page, ["MSFT", "ETH/USDT"])
    page.keyboard.type("us")
    until_options(page, 2)
    page.locator("#options [role=option]").first.click()
    until_rows(page, ["MSFT", "ETH/USDT", "BTC/USDT"])
    page.keyboard.press("Enter")  # with nothing typed: nothing is taken off
    page.keyboard.type("ib")
    until_options(page, 1)
    page.keyboard.press("Enter")  # what follows shows that the page was done with what came before
    until_rows(page, ["MSFT", "ETH/USDT", "BTC/USDT", "IBM"])


def test_an_answer_that_comes_late_leaves_the_arrow_where_it_stands(page: Any, gateway: PageGateway) -> None:
    asked: list[Any] = []

    def answer(route: Any) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.continue_()

    # before the page is there: a request on its way while routing begins is lost to both
    page.route("**/sim/symbols", answer)
    opened(page, gateway, "MSFT", shown=1)
    with page.expect_request("**/sim/symbols"):
        page.keyboard.press("/")
    page.keyboard.type("us")
    until_options(page, 2)
    page.keyboard.press("ArrowDown")
    _, late = asked
    late.fulfill(json={"symbols": ["ADA/USDT", *SYMBOLS]})
    until_options(page, 3)
    page.keyboard.press("Enter")
    until_rows(page, ["MSFT", "ETH/USDT"])


def test_the_address_is_the_view(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway, "BTC/USDT,<b>,AAPL,AAPL")
    until_rows(page, ["BTC/USDT", "AAPL"])
    page.evaluate("location.hash = '#feed=sim&symbols=IBM'")
    until_rows(page, ["IBM"])
    page.locator("[data-cell=feed]").select_option("binance")
    page.wait_for_selector("tr[data-symbol=AAPL]")
    until_address(page, gateway, "feed=binance")


def test_a_gap_is_shown(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gap = {"T": "gap", "stream": "trades:AAPL", "epoch": "e1", "from": 1, "to": 9, "cause": "history"}
    gateway.call(gateway.say({**gap, "next": {"epoch": "e1", "seq": 10}}))
    until(page.locator("[data-cell=log]"), "Gap in trades:AAPL: ticks 1 to 9 missing (9) (history)")
    until(cell(page, "AAPL", "badge"), "gap")
    assert page.locator("[data-cell=gaps]").inner_text() == "1"
    assert cell(page, "MSFT", "badge").inner_text() == ""


def test_a_loss_that_nobody_named_is_noticed(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gateway.call(gateway.trade("AAPL", 190))
    gateway.call(gateway.trade("AAPL", 191))
    until(cell(page, "AAPL", "price"), "191.00")
    assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"
    gateway.call(gateway.skip("AAPL"))
    gateway.call(gateway.trade("AAPL", 192))
    until(page.locator("[data-cell=holes]"), "1 unexplained")


def test_comes_back_and_resumes_after_a_close(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway, "AAPL", shown=1)
    gateway.call(gateway.trade("AAPL", 190))
    until(cell(page, "AAPL", "price"), "190.00")
    gateway.refuse = True
    gateway.call(gateway.close(1012, "drain"))
    until(page.locator("[data-cell=log]"), "Connection lost (1012 drain): reconnecting in")
    gateway.call(gateway.trade("AAPL", 195))
    gateway.refuse = False
    until(page.locator("[data-cell=state]"), "Live")
    until(cell(page, "AAPL", "price"), "195.00")
    until(page.locator("[data-cell=log]"), "Resumed 3 streams")
    assert gateway.commands[-1]["since"]["trades:AAPL"] == {"epoch": "e1", "seq": 1}
    assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"


def test_a_gateway_that_cannot_resume_is_asked_for_the_present(page: Any, gateway: PageGateway) -> None:
    gateway.resumes = False
    opened(page, gateway, "AAPL", shown=1)
    gateway.call(gateway.trade("AAPL", 190))
    until(cell(page, "AAPL", "price"), "190.00")
    gateway.refuse = True
    gateway.call(gateway.close(1012, "drain"))
    gateway.call(gateway.trade("AAPL", 194))
    gateway.call(gateway.trade("AAPL", 195))
    gateway.refuse = False
    until(cell(page, "AAPL", "price"), "195.00")
    until(page.locator("[data-cell=log]"), "Missed 2 ticks of trades:AAPL while disconnected")
    assert page.locator("[data-cell=gaps]").inner_text() == "1"
    assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"


def test_a_final_close_is_obeyed_until_asked(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gateway.call(gateway.close(4503, "not allowed"))
    until(page.locator("[data-cell=state]"), "Disconnected (4503 not allowed)")
    assert gateway.connections == 1
    page.get_by_role("button", name="Reconnect now").click()
    until(page.locator("[data-cell=state]"), "Live")


def test_text_from_the_network_is_only_ever_text(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    evil = "<img src=x onerror=document.title='owned'>"
    gateway.call(gateway.say({"T": "notice", "code": "slow", "msg": evil, "lag_ms": 7}))
    until(page.locator("[data-cell=log]"), evil)
    gateway.call(gateway.say({"T": "error", "code": 400, "msg": evil}))
    until(page.locator("[data-cell=log]"), f"Error 400: {evil}")
    assert page.locator("main img").count() == 0
    assert page.title() == "feed – live market data"
    assert page.complaints == []


def test_says_that_the_gateway_lost_the_bus(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    gateway.call(gateway.say({"T": "heartbeat", "t": "2026-01-05T14:30:00Z"}))
    until(page.locator("[data-cell=state]"), "Bus lost")
    gateway.call(gateway.say({"T": "heartbeat", "t": "2026-01-05T14:30:01Z", "seq": {}}))
    until(page.locator("[data-cell=state]"), "Live")


@pytest.mark.parametrize("width", [360, 390, 768, 1024, 1280, 1920])
def test_fits_the_width_of_the_screen(page: Any, gateway: PageGateway, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, gateway, "AAPL,BTC/USDT")
    gateway.call(gateway.trade("BTC/USDT", 123456.78))
    gateway.call(gateway.quote("BTC/USDT", 123456.78, 123457.89))
    until(cell(page, "BTC/USDT", "ask"), "123,457.89")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/page-{width}.png", full_page=True)
