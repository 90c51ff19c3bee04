"""Signing in on the live page, and being turned away, in a real browser."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.guarded import GuardedGateway
from tests.browser.test_page import SYMBOLS, cell, until, until_rows

VIEW = "/#feed=sim&symbols=AAPL,MSFT"
WHY = "[data-cell=why]"


@pytest.fixture
def gateway() -> Iterator[GuardedGateway]:
    gateway = GuardedGateway(SYMBOLS)
    with gateway.in_thread():
        yield gateway


def asked(page: Any, gateway: GuardedGateway, view: str = VIEW) -> None:
    """Opens the page, which asks for credentials."""
    page.goto(gateway.url + view)
    page.wait_for_selector("[data-cell=signin]:not([hidden])")


def sign_in(page: Any, secret: str = "fs_b") -> None:
    page.get_by_label("Key", exact=True).fill("fk_a")
    page.get_by_label("Secret", exact=True).fill(secret)
    page.get_by_role("button", name="Sign in").click()


def sign_in_by_token(page: Any, token: str = "t1") -> None:
    page.get_by_role("radio", name="Token").check()
    page.locator("[data-cell=token]").fill(token)
    page.keyboard.press("Enter")


def live(page: Any) -> None:
    until(page.locator("[data-cell=state]"), "Live")
    page.wait_for_selector("[data-cell=signin]", state="hidden")


def complaints(page: Any) -> list[str]:
    """Of the console, but for what it says by itself of being turned away: the status, and what was let go."""
    expected = ("status of 401", "closed before the connection is established")
    return [line for line in page.complaints if not any(words in line for words in expected)]


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/signin-{name}.png", full_page=True)


def test_a_reader_signs_in_with_a_key_and_sees_prices(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    until(page.locator(WHY), "This gateway serves only those whom it knows.")
    until(page.locator("[data-cell=state]"), "Not signed in")
    assert page.locator("[data-cell=key]").evaluate("field => field === document.activeElement")
    assert not page.locator("[aria-label=Prices]").is_visible()
    shot(page, "asked")
    page.keyboard.type("fk_a")
    page.keyboard.press("Tab")
    page.keyboard.type(" fs_b ")  # as it is when pasted
    page.keyboard.press("Enter")
    live(page)
    gateway.call(gateway.trade("AAPL", 190.12))
    until(cell(page, "AAPL", "price"), "190.12")
    assert gateway.shown == [{"key": "fk_a", "secret": "fs_b"}]
    assert {"APCA-API-KEY-ID": "fk_a", "APCA-API-SECRET-KEY": "fs_b"}.items() <= gateway.asked[-1].items()
    assert page.get_by_role("button", name="Sign out").is_visible()
    shot(page, "in")
    assert complaints(page) == []


def test_the_first_symbols_are_shown_to_who_named_none(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway, "/")
    sign_in(page)
    live(page)
    until_rows(page, SYMBOLS[:8])


def test_what_was_entered_is_kept_nowhere(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    sign_in(page)
    live(page)
    kept = """() => JSON.stringify([location.href, {...localStorage}, {...sessionStorage}, document.cookie,
        history.state, window.name, document.documentElement.outerHTML,
        [...document.querySelectorAll("input")].map((input) => input.value)])"""
    assert "fs_b" not in page.evaluate(kept)
    assert page.evaluate("async () => (await indexedDB.databases()).length + (await caches.keys()).length") == 0
    page.reload()
    page.wait_for_selector("[data-cell=signin]:not([hidden])")


def test_a_wrong_secret_is_said_and_may_be_corrected(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    sign_in(page, "fs_wrong")
    until(page.locator(WHY), "The gateway does not accept this key and secret.")
    assert page.locator("[data-cell=secret]").input_value() == ""
    assert page.locator("[data-cell=key]").input_value() == "fk_a"
    shot(page, "wrong")
    sign_in(page)
    live(page)
    assert gateway.connections == 3  # without any, with the wrong one, with the right one: nothing was tried twice


@pytest.mark.parametrize(
    ("secret", "why"), [("", "The secret is missing."), ("a b", "The secret holds a space or a character that none")]
)
def test_what_can_be_no_secret_is_said_before_it_is_sent(
    page: Any, gateway: GuardedGateway, secret: str, why: str
) -> None:
    asked(page, gateway)
    sign_in(page, secret)
    until(page.locator(WHY), why)
    assert gateway.shown == []


def test_a_token_is_chosen_and_entered_by_keyboard(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("t1")
    page.keyboard.press("Enter")
    live(page)
    assert gateway.shown == [{"token": "t1"}]
    assert gateway.asked[-1]["Authorization"] == "Bearer t1"
    assert complaints(page) == []


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        ((402, 4501), "The gateway does not accept this token. It may have ended, or be meant for another service."),
        ((409, 4503), "This token does not include the feed sim. Choose another feed"),
        ((406, 4506), "All connections that this token may have are in use."),
    ],
)
def test_why_a_reader_is_turned_away(page: Any, gateway: GuardedGateway, refusal: tuple[int, int], why: str) -> None:
    gateway.refusal = refusal
    asked(page, gateway)
    sign_in_by_token(page, "t9")
    until(page.locator(WHY), why)
    assert len(gateway.shown) == 1


def test_a_feed_that_is_not_included_may_be_left_for_another(page: Any, gateway: GuardedGateway) -> None:
    gateway.refusal, gateway.good = (409, 4503), ()
    asked(page, gateway)
    sign_in_by_token(page)
    until(page.locator(WHY), "This token does not include the feed sim.")
    gateway.good = ({"token": "t1"},)
    page.locator("[data-cell=feed]").select_option("binance")
    live(page)
    assert gateway.shown == [{"token": "t1"}] * 2


def test_who_is_shut_out_while_connected_sees_that_and_no_old_prices(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    sign_in(page)
    live(page)
    gateway.call(gateway.close(4503))
    until(page.locator(WHY), "This key is no longer good: it was withdrawn or replaced, or has ended.")
    until(page.locator("[data-cell=state]"), "Disconnected (4503)")
    assert not page.locator("[aria-label=Prices]").is_visible()
    assert not page.get_by_role("button", name="Sign out").is_visible()
    shot(page, "withdrawn")


def test_a_token_that_ends_soon_is_replaced_and_nothing_is_missed(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    sign_in_by_token(page)
    live(page)
    gateway.call(gateway.trade("AAPL", 190))
    before = gateway.connections
    gateway.call(gateway.say({"T": "notice", "code": "expiring", "msg": "the token ends in 60 s"}))
    until(page.locator(WHY), "ends soon")
    assert page.locator("[aria-label=Prices]").is_visible()
    shot(page, "expiring")
    page.locator("[data-cell=token]").fill("t2")
    page.get_by_role("button", name="Replace the token").click()
    until(page.locator("[data-cell=log]"), "The new token counts from now on")
    page.wait_for_selector("[data-cell=signin]", state="hidden")
    gateway.call(gateway.trade("AAPL", 191))
    until(cell(page, "AAPL", "price"), "191.00")
    assert (gateway.connections, gateway.shown) == (before, [{"token": "t1"}, {"token": "t2"}])
    assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"


def test_a_replacement_may_wait_and_an_ended_token_is_not_tried_again(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    sign_in_by_token(page)
    live(page)
    gateway.call(gateway.say({"T": "notice", "code": "expiring", "msg": "soon"}))
    page.get_by_role("button", name="Not now").click()
    page.wait_for_selector("[data-cell=signin]", state="hidden")
    gateway.call(gateway.close(4005))
    until(page.locator(WHY), "This token has ended. Sign in with a new one.")
    assert gateway.shown == [{"token": "t1"}]


def test_signing_out_forgets(page: Any, gateway: GuardedGateway) -> None:
    asked(page, gateway)
    sign_in(page)
    live(page)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("[data-cell=signin]:not([hidden])")
    assert not page.get_by_role("button", name="Sign out").is_visible()
    assert not page.locator("[aria-label=Prices]").is_visible()
    assert "APCA-API-SECRET-KEY" not in gateway.asked[-1]
    assert gateway.shown == [{"key": "fk_a", "secret": "fs_b"}]


def test_what_is_not_included_is_left_out_and_named(page: Any, gateway: GuardedGateway) -> None:
    gateway.denied = {*(f"bars:{symbol}" for symbol in SYMBOLS), "trades:MSFT", "quotes:MSFT"}
    asked(page, gateway)
    sign_in(page)
    live(page)
    until(page.locator("[data-cell=streams]"), "2")
    until(cell(page, "MSFT", "badge"), "not included")
    assert cell(page, "AAPL", "badge").inner_text() == ""
    log = page.locator("[data-cell=log]")
    until(log, "Not included in your access: trades of MSFT")
    until(log, "Not included in your access: bars of AAPL, MSFT")
    assert "Error 409" not in log.inner_text()
    gateway.call(gateway.trade("AAPL", 190.12))
    until(cell(page, "AAPL", "price"), "190.12")
    gateway.call(gateway.close(1012))
    until(log, "Resumed 2 streams where they had stopped")
    assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"


def test_text_from_the_network_is_only_ever_text(page: Any, gateway: GuardedGateway) -> None:
    evil = "<img src=x onerror=document.title='owned'>"
    asked(page, gateway)
    sign_in(page)
    live(page)
    fields = {"i": 1, "x": evil, "p": 190.25, "s": 1, "c": [evil], "z": evil, "tks": evil}
    gateway.call(gateway.tick("t", "AAPL", **fields))
    gateway.call(gateway.tick("q", "AAPL", bx=evil, bp=1, bs=3, ax=evil, ap=2, **{"as": 4}, c=[evil], z=evil))
    until(cell(page, "AAPL", "price"), "190.25")
    here = {"stream": "trades:AAPL", "epoch": evil, "from": 1, "to": None, "next": {"epoch": evil, "seq": 5}}
    for message in (
        {"T": "error", "code": 409, "msg": evil, "detail": evil},
        {"T": "status", "S": "AAPL", "state": evil, "t": "2026-01-05T14:30:00Z"},
        {"T": "gap", "cause": evil, **here},
        {"T": "epoch", "stream": "trades:AAPL", "epoch": evil, "seq": 9},
        {"T": "notice", "code": evil, "msg": evil, "lag_ms": evil},
    ):
        gateway.call(gateway.say(message))
        until(page.locator("[data-cell=log] li").first, evil)
    gateway.call(gateway.close(4503, evil))
    until(page.locator("[data-cell=state]"), evil)
    assert page.locator("main img").count() == 0
    assert page.title() == "feed – live market data"
    assert complaints(page) == []


CONTRAST = """
(node) => {
  const light = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
    const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const {color, backgroundColor} = getComputedStyle(node);
  const [dark, bright] = [light(color), light(backgroundColor)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}
"""


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "dark"), (1280, "dark")])
def test_fits_the_width_of_the_screen(page: Any, gateway: GuardedGateway, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    asked(page, gateway)
    sign_in(page, "fs_wrong")
    until(page.locator(WHY), "does not accept")
    until(page.locator("[data-cell=state]"), "Disconnected (4501)")
    assert not page.get_by_role("button", name="Reconnect now").is_visible()
    shot(page, f"{width}-{scheme}")
    for painted in ("fieldset input:checked + span", "[data-cell=enter]", ".entry input >> nth=0"):
        assert page.locator(f".signin {painted}").evaluate(CONTRAST) >= 4.5
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sign_in_by_token(page)
    live(page)
    gateway.call(gateway.say({"T": "notice", "code": "expiring", "msg": "soon"}))
    until(page.locator(WHY), "ends soon")
    shot(page, f"{width}-{scheme}-expiring")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
