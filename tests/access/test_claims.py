"""What a token says of times, subject and entitlements: anything odd refuses, nothing odd widens."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.access.claims import grant_of, principal_of
from feed.access.principal import Principal, Refused, Why
from feed.core.grant import EVERYTHING, Grant
from tests.access.issuer import NOW, claims

LEEWAY_S = 30.0


def judged(now: float = NOW, **others: Any) -> Principal | Why:
    try:
        return principal_of(claims(NOW, **others), "feed", now, LEEWAY_S)
    except Refused as refused:
        return refused.why


def test_a_good_token() -> None:
    assert judged() == Principal("jwt:desk7", EVERYTHING, NOW + 300)


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"exp": None}, Why.BAD_TOKEN),
        ({"exp": "1900000000"}, Why.BAD_TOKEN),
        ({"exp": True}, Why.BAD_TOKEN),
        ({"exp": math.inf}, Why.BAD_TOKEN),
        ({"exp": math.nan}, Why.BAD_TOKEN),
        ({"exp": 10**400}, Why.BAD_TOKEN),
        ({"exp": [1]}, Why.BAD_TOKEN),
        ({"nbf": "0"}, Why.BAD_TOKEN),
        ({"iat": {}}, Why.BAD_TOKEN),
        ({"exp": NOW - LEEWAY_S}, Why.EXPIRED),
        ({"exp": 0}, Why.EXPIRED),
        ({"nbf": NOW + LEEWAY_S + 1}, Why.NOT_YET),
        ({"iat": NOW + LEEWAY_S + 1}, Why.NOT_YET),
        ({"sub": None}, Why.BAD_TOKEN),
        ({"sub": ""}, Why.BAD_TOKEN),
        ({"sub": 7}, Why.BAD_TOKEN),
        ({"sub": "x" * 129}, Why.BAD_TOKEN),
        ({"sub": "a\nb"}, Why.BAD_TOKEN),
        ({"sub": "a\x1b[2Jb"}, Why.BAD_TOKEN),
        ({"sub": "a\u202eb"}, Why.BAD_TOKEN),
        ({"feed": None}, Why.BAD_TOKEN),
        ({"feed": []}, Why.BAD_TOKEN),
        ({"feed": "everything"}, Why.BAD_TOKEN),
    ],
)
def test_what_is_refused(others: dict[str, Any], why: Why) -> None:
    assert judged(**others) is why


@pytest.mark.parametrize(
    "others",
    [
        {"nbf": NOW + LEEWAY_S},
        {"iat": NOW + LEEWAY_S},
        {"iat": None},
        {"exp": NOW + 0.5},
        {"sub": "x" * 128},
        {"sub": "Jürgen Müller"},
    ],
)
def test_what_is_let_in(others: dict[str, Any]) -> None:
    assert isinstance(judged(**others), Principal)


def test_the_leeway_is_for_tokens_that_come_late_and_does_not_prolong_others() -> None:
    in_time, late = judged(NOW + 299), judged(NOW + 301)
    assert isinstance(in_time, Principal)
    assert in_time.expires == NOW + 300
    assert isinstance(late, Principal)
    assert late.expires == NOW + 300 + LEEWAY_S
    assert judged(NOW + 300 + LEEWAY_S) is Why.EXPIRED


def test_the_subject_is_named_to_the_log_only_if_it_is_fit_for_one() -> None:
    for subject, who in (("desk7", "jwt:desk7"), ("a\nb", "")):
        with pytest.raises(Refused) as caught:
            principal_of(claims(sub=subject, exp=0), "feed", NOW, LEEWAY_S)
        assert caught.value.who == who


def test_entitlements() -> None:
    found = {
        "feeds": ["sim"], "kinds": ["trades"], "symbols": ["BTC/*"],
        "max_rate": 5, "max_connections": 2, "max_symbols": 10,
    }  # fmt: skip
    wanted = Grant(frozenset({"sim"}), frozenset({"trades"}), frozenset({"BTC/*"}), 5.0, 2, 10)
    assert grant_of(found) == wanted
    assert grant_of({}) == EVERYTHING
    assert [grant_of(each).operator for each in ({}, {"operator": False}, {"operator": True})] == [False, False, True]
    assert not grant_of({"feeds": []}).allows_feed("sim")
    assert not grant_of({"symbols": []}).allows_symbol("BTC/USDT")


@pytest.mark.parametrize(
    "entitlements",
    [
        {"feed": ["sim"]},
        {"symbol": ["BTC/*"]},
        {"Feeds": ["sim"]},
        {"feeds": "sim"},
        {"feeds": None},
        {"feeds": [7]},
        {"feeds": ["no such thing"]},
        {"kinds": ["candles"]},
        {"symbols": [["BTC"]]},
        {"symbols": {"BTC": 1}},
        {"symbols": ["BTC.*+"]},
        {"max_rate": "5"},
        {"max_rate": -1},
        {"max_rate": True},
        {"max_rate": math.nan},
        {"max_rate": None},
        {"max_connections": 0},
        {"max_connections": 2.5},
        {"max_connections": True},
        {"max_symbols": None},
        {"operator": 1},
        {"operator": "true"},
        {"operator": None},
    ],
)
def test_entitlements_that_are_none(entitlements: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        grant_of(entitlements)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "feed"])


@given(st.dictionaries(NAMES, JSON), st.dictionaries(st.sampled_from(Grant._fields), JSON))
def test_anything_is_judged(others: dict[str, Any], entitlements: dict[str, Any]) -> None:
    for found in (others, claims() | others, claims(feed=entitlements)):
        try:
            principal = principal_of(found, "feed", NOW, LEEWAY_S)
        except Refused:
            continue
        assert principal.id.startswith("jwt:")
        assert principal.expires is not None
        assert principal.expires > NOW
