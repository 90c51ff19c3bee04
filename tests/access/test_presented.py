"""Credentials, wherever a client puts them; in two places they are refused."""

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from feed.access.presented import CONFLICT, presented
from feed.access.principal import Credentials

TOKEN, KEY = Credentials(token="abc"), Credentials(key="k", secret="s")
APCA = [("APCA-API-KEY-ID", "k"), ("APCA-API-SECRET-KEY", "s")]
BEARER = ("Authorization", "Bearer abc")
ORIGIN = ("Origin", "https://desk.example.com")
COOKIE = ("Cookie", "theme=dark; session=abc; other=session=1")


def found(*headers: tuple[str, str], cookie: str = "", origin_ok: bool = False) -> Credentials | None:
    return presented(CIMultiDictProxy(CIMultiDict(headers)), cookie, origin_ok)


@pytest.mark.parametrize(
    ("headers", "credentials"),
    [
        ([], None),
        ([BEARER], TOKEN),
        ([("authorization", "bearer   abc ")], TOKEN),
        ([("Authorization", "Bearer")], None),
        ([("Authorization", "Bearer ")], None),
        ([("Authorization", "Basic abc")], None),
        ([("Authorization", "abc")], None),
        (APCA, KEY),
        (APCA[:1], Credentials(key="k")),
        (APCA[1:], Credentials(secret="s")),
        ([("Authorization", "Basic abc"), *APCA], KEY),
        ([BEARER, *APCA], CONFLICT),
        ([BEARER, APCA[1]], CONFLICT),
        ([BEARER, BEARER], CONFLICT),
        ([BEARER, ("Authorization", "Bearer other")], CONFLICT),
        ([*APCA, ("apca-api-key-id", "other")], CONFLICT),
        ([*APCA, *APCA], CONFLICT),
    ],
)
def test_headers(headers: list[tuple[str, str]], credentials: Credentials | None) -> None:
    assert found(*headers) == credentials


@pytest.mark.parametrize(
    ("headers", "credentials"),
    [
        ([COOKIE, ORIGIN], TOKEN),
        ([("Cookie", 'session="abc"'), ORIGIN], TOKEN),
        ([("Cookie", "a=b"), ("Cookie", "session=abc"), ORIGIN], TOKEN),
        ([("Cookie", "session="), ORIGIN], None),
        ([("Cookie", "session"), ORIGIN], None),
        ([("Cookie", "Session=abc"), ORIGIN], None),
        ([("Cookie", "xsession=abc"), ORIGIN], None),
        ([("Cookie", "session=abc; session=other"), ORIGIN], CONFLICT),
        ([("Cookie", "session=abc"), ("Cookie", "session=abc"), ORIGIN], CONFLICT),
        ([COOKIE, ORIGIN, BEARER], CONFLICT),
        ([COOKIE, ORIGIN, *APCA], CONFLICT),
        ([COOKIE], None),
        ([COOKIE, ORIGIN, ORIGIN], None),
    ],
)
def test_a_cookie(headers: list[tuple[str, str]], credentials: Credentials | None) -> None:
    assert found(*headers, cookie="session", origin_ok=True) == credentials


def test_a_cookie_means_nothing_unless_it_has_a_name_and_the_origin_is_allowed() -> None:
    assert found(COOKIE, ORIGIN, cookie="session", origin_ok=False) is None
    assert found(COOKIE, ORIGIN, cookie="", origin_ok=True) is None
    assert found(COOKIE, ORIGIN, BEARER, cookie="session", origin_ok=False) == TOKEN


def test_credentials_are_not_printed() -> None:
    credentials = Credentials("kkk", "sss", "ttt")
    assert not any(secret in f"{credentials!r} {credentials}" for secret in ("kkk", "sss", "ttt"))


@pytest.mark.parametrize(
    ("sites", "counts"),
    [
        (["same-origin"], True),
        (["same-site"], False),
        (["cross-site"], False),
        (["none"], False),
        (["same-origin", "same-origin"], False),
        ([], False),
    ],
)
def test_without_an_origin_a_cookie_counts_for_the_gateways_own_page(sites: list[str], counts: bool) -> None:
    headers = [COOKIE, *(("Sec-Fetch-Site", site) for site in sites)]
    assert (found(*headers, cookie="session", origin_ok=True) is not None) == counts
