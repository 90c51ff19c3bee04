"""The chart's tab: bars and ticks from history and live, what is missing, and what the reader points at."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.page_gateway import PageGateway
from tests.browser.test_page import SYMBOLS, opened, until

PLOT = "[data-cell=plot]"
READOUT = "[data-cell=readout]"
SAID = "[data-cell=chartSummary]"
# Of one colour of the style sheet, how many pixels the canvas has.
PAINTED = """
(name) => {
  const canvas = document.querySelector("[data-cell=canvas]");
  const colour = getComputedStyle(document.documentElement).getPropertyValue(name).match(/[0-9]+/g).map(Number);
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] === 255 && colour.every((part, j) => Math.abs(data[i + j] - part) < 3)) count += 1;
  }
  return count;
}
"""
# How often the canvas was drawn by the time that twenty more frames had been made.
FRAMES = """
() => new Promise((resolve) => {
  let left = 20;
  const frame = () => (left-- > 0 ? requestAnimationFrame(frame) : resolve(window.drawn));
  frame();
})
"""


@pytest.fixture
def gateway() -> Iterator[PageGateway]:
    gateway = PageGateway(SYMBOLS)
    with gateway.in_thread():
        yield gateway


def second(gateway: PageGateway, number: int, symbol: str = "AAPL", **values: Any) -> None:
    gateway.call(gateway.bar(symbol, "bars1s", f"2026-01-05T14:30:{number:02}Z", **values))


def charted(page: Any, gateway: PageGateway, symbols: str = "AAPL,MSFT") -> None:
    page.goto(f"{gateway.url}/#feed=sim&symbols={symbols}&tab=chart")
    until(page.locator("[data-cell=state]"), "Live")


def wide(page: Any) -> float:
    return float(page.locator(PLOT).bounding_box()["width"])


def test_bars_come_from_history_and_then_live(page: Any, gateway: PageGateway) -> None:
    for number in range(1, 11):
        second(gateway, number, c=10 + number / 4, h=14, v=7)
    charted(page, gateway)
    until(page.locator(SAID), "10 one-second bars from")
    second(gateway, 11, c=9.5, o=13, h=13.5)
    until(page.locator(SAID), "11 one-second bars from")
    until(page.locator(SAID), "volume 170. Nothing is missing.")
    until(page.locator(READOUT), "O 13.00  H 13.50  L 9.00  C 9.50  V 100  5 trades")
    assert sorted(gateway.histories) == ["bars1s:AAPL", "bars:AAPL", "quotes:AAPL", "trades:AAPL"]
    assert page.complaints == []
    assert page.evaluate(PAINTED, "--up") > 100
    assert page.evaluate(PAINTED, "--down") > 20


def test_seconds_are_subscribed_while_somebody_looks(page: Any, gateway: PageGateway) -> None:
    opened(page, gateway)
    assert all("bars1s" not in command for command in gateway.commands)
    page.keyboard.press("2")
    until(page.locator("[data-cell=streams]"), "7")
    assert gateway.commands[-1]["bars1s"] == ["AAPL"]
    page.locator("[data-cell=charted]").select_option("MSFT")
    page.wait_for_function("() => location.hash.endsWith('chart=MSFT')")
    page.keyboard.press("Escape")
    page.locator(PLOT).focus()
    page.keyboard.press("1")
    until(page.locator("[data-cell=streams]"), "6")
    asked = [(command["action"], command["bars1s"]) for command in gateway.commands if command.get("bars1s")]
    assert asked == [
        ("subscribe", ["AAPL"]),
        ("unsubscribe", ["AAPL"]),
        ("subscribe", ["MSFT"]),
        ("unsubscribe", ["MSFT"]),
    ]
    assert page.locator("[data-cell=gaps]").inner_text() == "0"


def test_what_is_missing_is_hatched_and_counted(page: Any, gateway: PageGateway) -> None:
    charted(page, gateway)
    until(page.locator("[data-cell=streams]"), "7")
    second(gateway, 1)
    until(page.locator(SAID), "1 one-second bar from")
    before = page.evaluate(PAINTED, "--up")
    gap = {"T": "gap", "stream": "bars1s:AAPL", "epoch": "e1", "from": 2, "to": 4, "cause": "bus"}
    gateway.call(gateway.say({**gap, "next": {"epoch": "e1", "seq": 5}}))
    gateway.log["bars1s:AAPL"] += [{}, {}, {}]  # the numbers that nobody has
    second(gateway, 5)
    until(page.locator(SAID), "2 one-second bars from")
    until(page.locator(SAID), "3 are missing, where it is hatched.")
    until(page.locator("[data-cell=missing]"), "3 are missing")
    assert page.evaluate(PAINTED, "--up") > before
    assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"


def test_ticks_are_drawn_with_the_band_of_the_quotes(page: Any, gateway: PageGateway) -> None:
    gateway.call(gateway.quote("AAPL", 190, 191))
    gateway.call(gateway.trade("AAPL", 190.5, size=4, side="S"))
    charted(page, gateway)
    page.get_by_role("radio", name="Ticks").focus()
    page.keyboard.press("Space")
    until(page.locator(SAID), "1 trade from")
    gateway.call(gateway.quote("AAPL", 190.25, 191))
    gateway.call(gateway.trade("AAPL", 191, size=400, side="B"))
    until(page.locator(SAID), "2 trades from")
    until(page.locator(READOUT), "buy 400 at 191.00")
    until(page.locator("[data-cell=chartBid]"), "190.25")


def test_the_open_minute_is_made_of_its_seconds(page: Any, gateway: PageGateway) -> None:
    gateway.call(gateway.bar("AAPL", "bars", "2026-01-05T14:29:00Z", o=10, h=20, l=5, c=15))
    second(gateway, 1, o=15, h=16, c=15.5)
    second(gateway, 2, o=15.5, h=18, c=17)
    charted(page, gateway)
    page.get_by_role("radio", name="1 min bars").check(force=True)
    until(page.locator(SAID), "2 minute bars from")
    until(page.locator(READOUT), "still open  O 15.00  H 18.00  L 9.00  C 17.00")


def test_arrows_and_the_pointer_read_values(page: Any, gateway: PageGateway) -> None:
    for number in range(1, 6):
        second(gateway, number, c=9 + number / 2)
    charted(page, gateway)
    until(page.locator(SAID), "5 one-second bars from")
    plot = page.locator(PLOT)
    plot.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    until(page.locator(READOUT), "C 11.00")
    assert "C 11.00" in plot.get_attribute("aria-valuetext")
    assert plot.get_attribute("aria-valuenow") == "3"
    page.keyboard.press("Escape")
    until(page.locator(READOUT), "C 11.50")
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 100)
    until(page.locator(READOUT), "C 9.50")
    page.mouse.move(box["x"] + 5, box["y"] - 60)
    until(page.locator(READOUT), "C 11.50")


def test_the_reader_moves_away_and_returns_to_the_newest(page: Any, gateway: PageGateway) -> None:
    for number in range(1, 50):
        second(gateway, number)
    charted(page, gateway)
    until(page.locator(SAID), "49 one-second bars from")
    newest = page.get_by_role("button", name="Newest")
    page.locator(PLOT).focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowLeft")
    page.wait_for_function("button => button.dataset.idle === 'no'", arg=newest.element_handle())
    newest.click()
    page.wait_for_function("button => button.dataset.idle === 'yes'", arg=newest.element_handle())


def test_a_chart_whose_history_fails_begins_now(page: Any, gateway: PageGateway) -> None:
    gateway.history_fails = True
    charted(page, gateway)
    until(
        page.locator("[data-cell=log]"),
        "The history of bars1s:AAPL could not be read: status 503",
    )
    second(gateway, 1)
    until(page.locator(SAID), "1 one-second bar from")


def test_it_is_drawn_only_when_something_changed(page: Any, gateway: PageGateway) -> None:
    count = "CanvasRenderingContext2D.prototype.clearRect = function () { window.drawn = (window.drawn ?? 0) + 1; }"
    page.add_init_script(count)
    second(gateway, 1)
    charted(page, gateway)
    until(page.locator(SAID), "1 one-second bar from")
    settled = page.evaluate(FRAMES)
    assert page.evaluate(FRAMES) == settled
    second(gateway, 2)
    until(page.locator(SAID), "2 one-second bars from")
    assert page.evaluate(FRAMES) > settled


@pytest.mark.parametrize("width", [360, 390, 768, 1024])
def test_fits_the_width_of_the_screen(page: Any, gateway: PageGateway, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    gateway.call(gateway.trade("AAPL", 123456.789))
    second(gateway, 1, o=123456, h=123459, l=123450, c=123457)
    charted(page, gateway)
    until(page.locator(SAID), "1 one-second bar from")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert wide(page) > 0.8 * width
