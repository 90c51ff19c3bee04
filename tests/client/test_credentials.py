import asyncio
from typing import Any

import pytest

from feed.client.address import parse_address
from feed.client.credentials import Credentials, check_road


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"key": "k"}, "belong together"),
        ({"secret": "s"}, "belong together"),
        ({"key": "k", "secret": "s", "token": "t"}, "not both"),
        ({"token": "a\r\nX-Admin: yes"}, "the token is not"),
        ({"key": "k", "secret": "s s"}, "the secret is not"),
        ({"key": "schlüssel", "secret": "s"}, "the key is not"),
        ({"token": "x" * 8193}, "the token is not"),
    ],
)
def test_says_what_is_no_credential_and_not_what_it_was(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        Credentials(**given)
    assert not any(value in str(caught.value) for value in given.values() if len(value) > 1)


@pytest.mark.parametrize(
    ("given", "headers", "what"),
    [
        ({}, {}, ""),
        ({"key": "k", "secret": "s"}, {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}, "key"),
        ({"token": "t"}, {"Authorization": "Bearer t"}, "token"),
        ({"token": lambda: "t"}, {"Authorization": "Bearer t"}, "token"),
    ],
)
def test_what_the_handshake_carries(given: dict[str, Any], headers: dict[str, str], what: str) -> None:
    credentials = Credentials(**given)
    assert asyncio.run(credentials.headers()) == headers
    assert (credentials.what, bool(credentials)) == (what, bool(given))


def test_a_source_of_tokens_is_asked_each_time_and_may_be_awaited() -> None:
    given = iter(("t1", "t2"))

    async def source() -> str:
        return next(given)

    credentials = Credentials(token=source)
    assert credentials.renewable
    assert not Credentials(token="t").renewable

    async def main() -> list[str]:
        return [await credentials.token(), await credentials.token()]

    assert asyncio.run(main()) == ["t1", "t2"]


@pytest.mark.parametrize("given", ["", "a b", None, 7])
def test_a_source_that_gives_no_token_is_told_of(given: Any) -> None:
    with pytest.raises(ValueError, match="the token is not"):
        asyncio.run(Credentials(token=lambda: given).token())


def test_shows_nothing() -> None:
    assert repr(Credentials(key="k", secret="fs_x")) == "Credentials(hidden)"


KEY = Credentials(key="k", secret="s")
TOKEN = Credentials(token=lambda: "t")
NONE = Credentials()


@pytest.mark.parametrize(
    ("url", "credentials", "headers", "goes"),
    [
        ("wss://feed.example/v2/sim", KEY, {}, True),
        ("ws://127.0.0.1:8080/v2/sim", KEY, {}, True),
        ("ws://127.8.8.8/v2/sim", TOKEN, {}, True),
        ("ws://[::1]:8080/v2/sim", KEY, {}, True),
        ("ws://localhost:8080/v2/sim", KEY, {}, True),
        ("ws://feed.example/v2/sim", NONE, {"X-Trace": "1"}, True),
        ("ws://feed.example/v2/sim", KEY, {}, False),
        ("ws://feed.example/v2/sim", TOKEN, {}, False),
        ("http://10.0.0.7:8080/v2/sim", KEY, {}, False),
        ("ws://localhost.feed.example/v2/sim", KEY, {}, False),
        ("ws://0.0.0.0:8080/v2/sim", KEY, {}, False),
        ("ws://feed.example/v2/sim", NONE, {"authorization": "Bearer t"}, False),
        ("ws://feed.example/v2/sim", NONE, {"Cookie": "session=t"}, False),
        ("ws://feed.example/v2/sim", NONE, {"APCA-API-SECRET-KEY": "s"}, False),
    ],
)
def test_nobody_on_the_way_is_to_read_them(
    url: str, credentials: Credentials, headers: dict[str, str], goes: bool
) -> None:
    if goes:
        check_road(parse_address(url), headers, credentials)
        return
    with pytest.raises(ValueError, match="in plain text"):
        check_road(parse_address(url), headers, credentials)
