"""Credentials, wherever a client puts them."""

import pytest

from feed.gateway.auth import Credentials, from_headers


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        ({"Authorization": "Bearer abc"}, Credentials(token="abc")),
        ({"Authorization": "bearer   abc "}, Credentials(token="abc")),
        ({"Authorization": "Bearer"}, None),
        ({"Authorization": "Bearer "}, None),
        ({"Authorization": "Basic abc"}, None),
        ({"Authorization": "abc"}, None),
        ({"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}, Credentials(key="k", secret="s")),
        ({"APCA-API-KEY-ID": "k"}, Credentials(key="k")),
        ({"APCA-API-SECRET-KEY": "s"}, None),
        ({"Authorization": "Bearer abc", "APCA-API-KEY-ID": "k"}, Credentials(token="abc")),
    ],
)
def test_headers(headers: dict[str, str], found: Credentials | None) -> None:
    assert from_headers(headers) == found


def test_credentials_are_not_printed() -> None:
    credentials = Credentials("kkk", "sss", "ttt")
    assert not any(secret in f"{credentials!r} {credentials}" for secret in ("kkk", "sss", "ttt"))
