"""The live page, the real gateway and real keys, from signing in to being shut out."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from feed.settings import Auth
from tests.access.issuer import SECRET, auth, live
from tests.browser.service import Service, service
from tests.browser.test_page import cell, until, until_rows
from tests.browser.test_signin import WHY, complaints
from tests.minted import Minted, heard, mint, revoke

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
SYMBOLS = ("BTC/EUR", "BTC/USDT", "ETH/USDT")


@pytest.fixture
def gate(redis_url: str) -> Iterator[Service]:
    with service(redis_url, auth=Auth(mode="keys")) as gate:
        for symbol in SYMBOLS:
            gate.trade(symbol, 100.25)
        yield gate


def minted(gate: Service, redis_url: str, *flags: str) -> Minted:
    """A key that the gateway has heard of."""
    key = mint(redis_url, "desk", *flags)
    gate.call(heard(gate.stage, key))
    return key


def signed_in(page: Any, port: int, key: str, secret: str) -> None:
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_selector("[data-cell=signin]:not([hidden])")
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_label("Secret", exact=True).fill(secret)
    page.keyboard.press("Enter")


def test_a_key_shows_what_it_includes_until_it_is_revoked(page: Any, gate: Service, redis_url: str) -> None:
    key = minted(gate, redis_url, "--symbols", "BTC/*", "--kinds", "trades,quotes")
    signed_in(page, gate.port, *key)
    until(page.locator("[data-cell=state]"), "Live")
    until_rows(page, ["BTC/EUR", "BTC/USDT"])
    until(page.locator("[data-cell=log]"), "Not included in your access: bars of BTC/EUR, BTC/USDT")
    until(page.locator("[data-cell=streams]"), "4")
    gate.trade("BTC/USDT", 101.5)
    until(cell(page, "BTC/USDT", "price"), "101.50")
    assert complaints(page) == []
    revoke(redis_url, "desk")
    until(page.locator(WHY), "This key is no longer good: it was withdrawn or replaced, or has ended.")
    until(page.locator("[data-cell=state]"), "Disconnected (4503)")


def test_a_wrong_secret_and_an_unknown_key_read_the_same(page: Any, gate: Service, redis_url: str) -> None:
    key = minted(gate, redis_url)
    for shown in ((key.id, "fs_wrong"), ("fk_aaaaaaaaaaaaaaaa", key.secret)):
        signed_in(page, gate.port, *shown)
        until(page.locator(WHY), "The gateway does not accept this key and secret.")


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--feeds", "quiet"), "This key does not include the feed sim."),
        (("--max-connections", "1"), "All connections that this key may have are in use."),
    ],
)
def test_why_a_key_is_not_enough(page: Any, gate: Service, redis_url: str, flags: tuple[str, ...], why: str) -> None:
    key = minted(gate, redis_url, *flags)
    other = page.context.new_page()
    signed_in(other, gate.port, *key)
    until(other.locator("[data-cell=state]"), "Disconnected" if "--feeds" in flags else "Live")
    signed_in(page, gate.port, *key)
    until(page.locator(WHY), why)


def test_a_token_that_ends_soon_is_replaced_and_ticks_go_on(page: Any, redis_url: str) -> None:
    tokens = auth(jwt_algorithms=("HS256",), jwt_secret=SECRET, expiring_s=3_000.0)
    with service(redis_url, auth=tokens) as gate:
        gate.trade("BTC/USDT", 100.25)
        page.goto(f"http://127.0.0.1:{gate.port}/")
        page.wait_for_selector("[data-cell=signin]:not([hidden])")
        page.get_by_role("radio", name="Token").check()
        page.locator("[data-cell=token]").fill(live("HS256"))
        page.keyboard.press("Enter")
        until(page.locator("[data-cell=state]"), "Live")
        until(page.locator(WHY), "The token that you signed in with ends soon.")
        page.locator("[data-cell=token]").fill(live("HS256", exp=time.time() + 6_000))
        page.get_by_role("button", name="Replace the token").click()
        until(page.locator("[data-cell=log]"), "The new token counts from now on")
        gate.trade("BTC/USDT", 101.5)
        until(cell(page, "BTC/USDT", "price"), "101.50")
        assert page.locator("[data-cell=holes]").inner_text() == "0 unexplained"
        assert page.locator("[data-cell=log] li").filter(has_text="Connected to").count() == 1
        assert complaints(page) == []
