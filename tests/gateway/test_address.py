"""Whose address a request comes from."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.gateway.address import Origination, Proxies, is_loopback, parsed, place, plain

OURS = Proxies(["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.1"])
STRANGER, PROXY = "203.0.113.9", "10.1.2.3"


@pytest.mark.parametrize(
    ("peer", "chain", "expected"),
    [
        (PROXY, ["198.51.100.7"], "198.51.100.7"),
        (PROXY, ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        (PROXY, ["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
        (PROXY, ["198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        (PROXY, ["198.51.100.7,10.9.9.9 , 192.0.2.1"], "198.51.100.7"),
        (PROXY, ["garbage, 198.51.100.7"], "198.51.100.7"),
        (PROXY, ["10.4.4.4, 10.5.5.5"], "10.4.4.4"),
        (PROXY, ["198.51.100.7:4711"], "198.51.100.7"),
        (PROXY, ["[2001:db8:2::7]:4711"], "2001:db8:2::7"),
        (PROXY, ["2001:db8:2::7"], "2001:db8:2::7"),
        (PROXY, ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("::ffff:10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("2001:db8:1::1", ["198.51.100.7"], "198.51.100.7"),
        # garbage where the client should stand names nobody
        (PROXY, ["198.51.100.7, unknown"], PROXY),
        (PROXY, ["198.51.100.7, "], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, [], PROXY),
        (PROXY, ["198.51.100.7:port"], PROXY),
        (PROXY, ["[198.51.100.7"], PROXY),
        (PROXY, ["[198.51.100.7]"], PROXY),
        # nobody else is believed
        (STRANGER, ["198.51.100.7"], STRANGER),
        ("192.0.2.2", ["198.51.100.7"], "192.0.2.2"),
        ("", ["198.51.100.7"], ""),
        ("nonsense", ["198.51.100.7"], "nonsense"),
    ],
)
def test_the_rightmost_that_is_no_proxy_of_ours(peer: str, chain: list[str], expected: str) -> None:
    found = OURS.origination(peer, False, chain, [])
    assert found.address == expected
    assert found.forwarded == (expected not in (peer, plain(peer)))


@pytest.mark.parametrize(
    ("peer", "tls", "schemes", "secure"),
    [
        (PROXY, False, ["https"], True),
        (PROXY, False, ["HTTPS"], True),
        (PROXY, False, ["http, https"], True),
        (PROXY, True, ["http"], False),
        (PROXY, False, ["https, http"], False),
        (PROXY, False, ["https", "http"], False),
        (PROXY, False, [], False),
        (PROXY, True, [" , "], True),
        (STRANGER, False, ["https"], False),
        (STRANGER, True, ["http"], True),
    ],
)
def test_only_proxies_of_ours_say_whether_it_was_tls(peer: str, tls: bool, schemes: list[str], secure: bool) -> None:
    assert OURS.origination(peer, tls, ["198.51.100.7"], schemes).secure is secure


@given(st.lists(st.text(max_size=60), max_size=4), st.lists(st.text(max_size=20), max_size=3), st.booleans())
def test_a_stranger_changes_nothing_by_what_he_writes(chain: list[str], schemes: list[str], tls: bool) -> None:
    assert OURS.origination(STRANGER, tls, chain, schemes) == Origination(STRANGER, tls, False)


@given(st.lists(st.text(max_size=60), max_size=3), st.ip_addresses())
def test_what_a_client_writes_itself_never_wins_over_what_the_proxy_adds(chain: list[str], client: object) -> None:
    found = OURS.origination(PROXY, False, [*chain, str(client)], [])
    if not OURS.trusts(str(client)):
        assert found.address == plain(str(client))
        assert found.forwarded
    else:
        assert parsed(found.address) is not None


@given(st.lists(st.text(max_size=60) | st.just("10.0.0.1"), max_size=5))
def test_an_address_is_all_that_ever_comes_out(chain: list[str]) -> None:
    assert parsed(OURS.origination(PROXY, False, chain, []).address) is not None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:2:3:4:5:6:7", "2001:db8:2:3::/64"),
        ("2001:db8:2:3::", "2001:db8:2:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a:b", "a:b"),
    ],
)
def test_limits_count_a_64_of_ipv6(address: str, expected: str) -> None:
    assert place(address) == expected


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_all_of_a_64_are_one(address: ipaddress.IPv6Address, last: int) -> None:
    other = ipaddress.IPv6Address(int(address) >> 64 << 64 | last)
    if parsed(str(address)) == address and parsed(str(other)) == other:  # none of them is IPv4 in disguise
        assert place(str(address)) == place(str(other))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "localhost.evil.example", ""])
def test_no_loopback(host: str) -> None:
    assert not is_loopback(host)
