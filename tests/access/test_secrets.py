"""Nothing that is raised or logged about credentials has their text in it, whatever a client sends."""

import asyncio
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from feed.access.authenticator import KeysAndTokens, authenticator_of
from feed.access.keyring import Keyring
from feed.access.presented import presented
from feed.access.principal import Credentials, Refused
from feed.access.signers import of_secret
from feed.access.tokens import Tokens
from feed.log import configure
from feed.settings import Values
from tests.access.issuer import SECRET, auth, live, token

# long enough never to be found in a text by chance, and of what tokens and secrets are made of
TEXTS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=12, max_size=60)
ODD = st.text(min_size=12, max_size=60).filter(lambda text: text.strip() and len(set(text)) > 6)


@pytest.fixture(scope="module")
def authenticator(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found = auth(
        mode="keys+jwt", jwt_algorithms=["HS256"], jwt_secret=SECRET,
        key_file=str(tmp_path_factory.mktemp("keys") / "keys.json"),
    )  # fmt: skip
    made = authenticator_of(Values.model_validate({"auth": found}))
    assert isinstance(made, KeysAndTokens)
    return made


@pytest.fixture(scope="module")
def logged() -> Iterator[io.StringIO]:
    """All that is logged while the module runs, down to debug."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure("debug", "json")
    text = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(text)
    yield text
    root.handlers[:] = before
    root.setLevel(level)


def refusal_of(authenticator: Any, credentials: Credentials) -> str:
    """All the text that there is about a refusal: its words, its form, its traceback with all it is chained to."""
    try:
        asyncio.run(authenticator.authenticate(credentials))
    except Refused as refused:
        told = "".join(traceback.format_exception(refused))
        return f"{refused} {refused!r} {refused.who} {refused.__dict__} {told}"
    raise AssertionError("it was let in")


@given(TEXTS | ODD, TEXTS | ODD, st.sampled_from(["key", "jwt", "token", "both"]))
def test_no_text_of_credentials_shows(authenticator: Any, logged: io.StringIO, one: str, other: str, way: str) -> None:
    credentials = {
        "key": Credentials(key=one, secret=other),
        "jwt": Credentials(key="jwt", secret=other),
        "token": Credentials(token=other),
        "both": Credentials(one, other, one),
    }[way]
    told = refusal_of(authenticator, credentials) + f"{credentials} {credentials!r} {[credentials]}" + logged.getvalue()
    for text in (one, other):
        # a traceback has lines of the code, and what is tried may be a piece of them
        assume(text not in refusal_of(authenticator, Credentials("another", "another")) + f"{Credentials()}")
        assert text not in told
        assert repr(text)[1:-1] not in told


WRONG = [
    {"iss": "https://other.example.com"},
    {"aud": "other"},
    {"exp": 1},
    {"feed": {"misspelt": 1}},
    {"sub": "a\nb"},
]


@pytest.mark.parametrize("others", WRONG)
def test_no_part_of_a_signed_token_shows(authenticator: Any, logged: io.StringIO, others: dict[str, Any]) -> None:
    found = live("HS256", **{"private": "what the issuer says of its people"} | others)
    told = refusal_of(authenticator, Credentials(token=found)) + logged.getvalue()
    for part in (*found.split("."), "what the issuer says", SECRET):
        assert part not in told


def test_what_is_logged_is_seen_here(logged: io.StringIO) -> None:
    logging.getLogger("feed").debug("canary")
    assert "canary" in logged.getvalue()


@given(TEXTS)
def test_what_was_presented_does_not_show(secret: str) -> None:
    class Headers:
        def getall(self, key: str, default: list[str], /) -> list[str]:
            return {"Authorization": [f"Bearer {secret}"], "APCA-API-SECRET-KEY": [secret]}.get(key, default)

    assert secret not in f"{presented(Headers())!r}"


def test_objects_that_hold_secrets_do_not_show_them(tmp_path: Path) -> None:
    found = auth(mode="keys+jwt", jwt_algorithms=["HS256"], jwt_secret=SECRET, key_file=str(tmp_path / "k"))
    whole = Values.model_validate({"auth": found, "redis": {"password": "correct-horse"}})
    tokens = Tokens(found)
    for thing in (whole, found, of_secret(SECRET.encode()), tokens, authenticator_of(whole), Keyring):
        assert SECRET not in f"{thing} {thing!r}"
        assert "correct-horse" not in f"{thing} {thing!r}"
    assert token("HS256") not in f"{Credentials(token=token('HS256'))}"
