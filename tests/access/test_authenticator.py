"""Each way to present credentials is judged by who can, in each mode, and refused where nobody does."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from feed.access.authenticator import KeysAndTokens, authenticator_of
from feed.access.presented import CONFLICT
from feed.access.principal import ANYONE, Credentials, Principal, Refused, Why
from feed.access.tokens import Tokens
from feed.settings import Values
from tests.access.issuer import SECRET, auth, live

KEY = "fk_abcdefghijklmnop"
HAS_KEY = Principal(KEY, proof="p")
GOOD = Credentials(key=KEY, secret="right")
MODES = ["keys", "jwt", "keys+jwt"]


class Keys:
    """One key, which may be revoked."""

    def __init__(self) -> None:
        self.revoked = False
        self.runs = self.looks = 0
        self.ready = True

    async def authenticate(self, credentials: Credentials) -> Principal:
        assert not credentials.token
        if not credentials.key:
            raise Refused(Why.NOT_ACCEPTED)
        if credentials.key != KEY:
            raise Refused(Why.NO_KEY)
        if credentials.secret != "right":
            raise Refused(Why.BAD_SECRET, KEY)
        return HAS_KEY

    def standing(self, principal: Principal, now: float) -> Why | None:  # noqa: ARG002 - it has no end
        assert principal.id == KEY
        return Why.REVOKED if self.revoked else None

    async def look(self) -> None:
        self.looks += 1

    async def run(self) -> None:
        self.runs += 1
        await asyncio.Event().wait()


def of(mode: str, keys: Keys | None = None) -> KeysAndTokens:
    tokens = Tokens(auth(jwt_algorithms=["HS256"], jwt_secret=SECRET))
    return KeysAndTokens((keys or Keys()) if "keys" in mode else None, tokens if "jwt" in mode else None)


def judged(authenticator: Any, credentials: Credentials) -> str:
    """The id of who is let in, or why nobody is."""
    try:
        principal: Principal = asyncio.run(authenticator.authenticate(credentials))
    except Refused as refused:
        return refused.why
    return principal.id


NA, IN_BY_KEY, IN_BY_TOKEN = "not_accepted", KEY, "jwt:desk7"
CASES = {
    "a key": (GOOD, IN_BY_KEY, NA, IN_BY_KEY),
    "a wrong secret": (GOOD._replace(secret="wrong"), "bad_secret", NA, "bad_secret"),
    "no secret": (GOOD._replace(secret=""), "bad_secret", NA, "bad_secret"),
    "an unknown key": (GOOD._replace(key="fk_q"), "no_key", NA, "no_key"),
    "a token": (Credentials(token=live("HS256")), NA, IN_BY_TOKEN, IN_BY_TOKEN),
    "a token as Alpaca's clients can": (Credentials("jwt", live("HS256")), NA, IN_BY_TOKEN, IN_BY_TOKEN),
    "a bad token": (Credentials(token="abc"), NA, "bad_token", "bad_token"),
    "a bad token as Alpaca's clients can": (Credentials("jwt", "abc"), NA, "bad_token", "bad_token"),
    "jwt without a token": (Credentials("jwt"), NA, NA, NA),
    "a key's secret as a token": (Credentials("jwt", "right"), NA, "bad_token", "bad_token"),
    "a token as a key's secret": (Credentials(KEY, live("HS256")), "bad_secret", NA, "bad_secret"),
    "both": (GOOD._replace(token=live("HS256")), NA, NA, NA),
    "both, as jwt": (Credentials("jwt", live("HS256"), live("HS256")), NA, NA, NA),
    "in two ways": (CONFLICT, NA, NA, NA),
    "nothing": (Credentials(), NA, NA, NA),
    "a secret alone": (Credentials(secret="right"), NA, NA, NA),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_every_way_in_every_mode(mode: str, case: str) -> None:
    credentials, *expected = CASES[case]
    assert judged(of(mode), credentials) == expected[MODES.index(mode)]


def test_who_let_somebody_in_says_whether_he_may_stay() -> None:
    keys = Keys()
    authenticator = of("keys+jwt", keys)
    token = asyncio.run(authenticator.authenticate(Credentials(token=live("HS256"))))
    assert token.expires is not None
    assert authenticator.standing(HAS_KEY, 0.0) is None
    assert authenticator.standing(token, token.expires - 1) is None
    assert authenticator.standing(token, token.expires) is Why.EXPIRED
    keys.revoked = True
    assert authenticator.standing(HAS_KEY, 0.0) is Why.REVOKED
    assert of("jwt").standing(HAS_KEY, 0.0) is Why.NOT_ACCEPTED
    assert of("keys").standing(token, 0.0) is Why.NOT_ACCEPTED


@pytest.mark.parametrize("mode", MODES)
def test_it_runs_until_it_is_cancelled(mode: str) -> None:
    async def main() -> None:
        keys = Keys()
        task = asyncio.create_task(of(mode, keys).run())
        for _ in range(5):
            await asyncio.sleep(0)
        assert keys.runs == ("keys" in mode)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(main())


def values(**knobs: Any) -> Values:
    return Values.model_validate({"auth": auth(jwt_algorithms=["HS256"], jwt_secret=SECRET, **knobs)})


@pytest.mark.parametrize("mode", MODES)
def test_the_settings_choose(mode: str, tmp_path: Any) -> None:
    authenticator = authenticator_of(values(mode=mode, key_file=str(tmp_path / "keys.json")))
    assert authenticator.required
    # keys that were never read let nobody in
    assert judged(authenticator, GOOD) == ("unavailable" if "keys" in mode else NA)
    assert judged(authenticator, Credentials(token=live("HS256"))) == (IN_BY_TOKEN if "jwt" in mode else NA)


def test_nobody_is_asked_where_the_mode_is_none() -> None:
    authenticator = authenticator_of(values(mode="none"))
    assert not authenticator.required
    assert judged(authenticator, GOOD) == ANYONE.id


def test_nobody_is_sent_here_before_keys_and_signers_were_read() -> None:
    keys = Keys()
    both = of("keys+jwt", keys)
    assert both.not_ready() == ""
    keys.ready = False
    assert both.not_ready() == "the keys were not read yet"
    unread = KeysAndTokens(None, Tokens(auth(jwt_jwks="/nowhere/jwks.json")))
    assert unread.not_ready() == "the issuer's keys were not read yet"


def test_keys_and_signers_are_read_before_the_first_client_comes(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text('{"keys": []}')
    keys = Keys()
    both = KeysAndTokens(keys, Tokens(auth(jwt_jwks=str(path))))
    assert both.not_ready() == "the issuer's keys were not read yet"
    asyncio.run(both.prepare())
    assert keys.looks == 1
    assert both.not_ready() == ""
