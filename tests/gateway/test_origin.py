"""Which pages may connect, and by which names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.gateway.origin import Names, Origins, host_of, origin_of
from feed.settings.types import LOOPBACK

OURS = "feed.example:8080"


@pytest.mark.parametrize(
    ("origins", "hosts", "allowed"),
    [
        ([], [OURS], True),
        ([], [], True),
        (["http://feed.example:8080"], [OURS], True),
        (["https://feed.EXAMPLE"], ["Feed.Example"], True),
        (["https://feed.example"], ["feed.example:443"], True),
        (["http://feed.example:80"], ["feed.example"], True),
        (["http://[::1]:8080"], ["[::1]:8080"], True),
        (["https://feed.example."], ["feed.example"], True),
        (["https://feed.example"], ["feed.example:80"], False),
        (["http://feed.example"], [OURS], False),
        (["http://feed.example:8081"], [OURS], False),
        (["https://evil.example"], ["feed.example"], False),
        (["https://feed.example.evil.example"], ["feed.example"], False),
        (["https://evil.example/feed.example"], ["feed.example"], False),
        (["https://feed.example/"], ["feed.example"], False),
        (["https://evil@feed.example"], ["feed.example"], False),
        (["https://feed.example?x"], ["feed.example"], False),
        (["ftp://feed.example"], ["feed.example"], False),
        (["file://"], ["feed.example"], False),
        (["null"], ["feed.example"], False),
        (["null"], [], False),
        ([""], [""], False),
        (["http://"], [""], False),
        (["http://[feed.example"], ["feed.example"], False),
        (["http://feed.example:x"], ["feed.example:x"], False),
        (["http://feed.example:8080", "http://feed.example:8080"], [OURS], False),
        (["http://feed.example:8080"], [OURS, OURS], False),
        (["http://feed.example:8080"], [], False),
        (["http://feed.example:8080"], ["feed.example:x"], False),
    ],
)
def test_only_pages_of_this_gateway_and_programs(origins: list[str], hosts: list[str], allowed: bool) -> None:
    assert Origins(()).allow(origins, hosts, False) is allowed


def test_a_page_without_tls_opens_no_socket_with_it() -> None:
    origins = Origins(())
    assert not origins.allow(["http://feed.example:8443"], ["feed.example:8443"], True)
    assert origins.allow(["https://feed.example:8443"], ["feed.example:8443"], True)
    assert origins.allow(["https://feed.example"], ["feed.example"], False), "a proxy in front has the certificate"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://desk.example.com", True),
        ("https://DESK.example.com:443", True),
        ("https://other:8443", True),
        ("http://desk.example.com", False),
        ("https://desk.example.com:8443", False),
        ("https://other", False),
        ("https://a.desk.example.com", False),
        ("null", False),
    ],
)
def test_pages_that_are_listed_may_connect_too(origin: str, allowed: bool) -> None:
    origins = Origins(["https://desk.example.com", "https://other:8443"])
    assert origins.allow([origin], ["feed.example"], True) is allowed
    assert not origins.any


def test_a_star_is_every_page_but_those_that_are_nobodys() -> None:
    origins = Origins(["*"])
    assert origins.any
    assert origins.allow(["http://evil.example"], ["feed.example"], True)
    assert not origins.allow(["null"], ["feed.example"], True)
    assert not origins.allow(["http://a.example", "http://b.example"], ["feed.example"], True)


@pytest.mark.parametrize(
    ("hosts", "allowed"),
    [
        (["localhost"], True),
        (["localhost:8080"], True),
        (["LOCALHOST.:8080"], True),
        (["127.0.0.1:8080"], True),
        (["[::1]:8080"], True),
        (["[::1]"], True),
        (["evil.example:8080"], False),
        (["127.0.0.1.evil.example"], False),
        (["localhost@evil.example"], False),
        (["localhost/"], False),
        (["localhost:x"], False),
        ([""], False),
        ([], False),
        (["localhost", "localhost"], False),
        (["localhost", "evil.example"], False),
    ],
)
def test_a_name_bent_to_loopback_is_not_served(hosts: list[str], allowed: bool) -> None:
    assert Names(LOOPBACK).allow(hosts) is allowed


def test_without_a_list_any_name_is_good_but_not_two() -> None:
    names = Names(())
    assert names.allow([])
    assert names.allow(["whatever"])
    assert not names.allow(["one", "two"])


@given(st.text(max_size=40), st.text(max_size=40), st.booleans())
def test_nothing_that_is_sent_raises_nor_gets_in_by_chance(origin: str, host: str, secure: bool) -> None:
    place = origin_of(origin)
    allowed = Origins(()).allow([origin], [host], secure)
    assert not allowed or (place is not None and place.host == host_of(host))
    Names(["desk.example"]).allow([host])
