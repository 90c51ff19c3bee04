"""Tokens of every algorithm are verified with their issuer's keys, and nothing else is."""

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.access.principal import Principal, Refused, Why
from feed.access.tokens import MAX_TOKEN_BYTES, Tokens
from feed.core.grant import Grant
from tests.access.issuer import NOW, SECRET, auth, claims, ec_key, private_pem, public_pem, rsa_key, signing_key, token

ALGORITHMS = ["HS256", "RS256", "ES256"]


def tokens_for(folder: Path, algorithm: str, **knobs: Any) -> Tokens:
    """What a gateway has whose issuer signs with one algorithm, and whose clock stands at NOW."""
    if algorithm == "HS256":
        knobs = {"jwt_secret": SECRET} | knobs
    else:
        (folder / "public.pem").write_bytes(public_pem(signing_key(algorithm)))
        knobs = {"jwt_public_key": str(folder / "public.pem")} | knobs
    return Tokens(auth(**{"jwt_algorithms": [algorithm]} | knobs), clock=lambda: NOW)


def judged(tokens: Tokens, text: str) -> Principal | Why:
    try:
        return asyncio.run(tokens.authenticate(text))
    except Refused as refused:
        return refused.why


def part(found: Any) -> str:
    data = found if isinstance(found, bytes) else json.dumps(found).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hmac_with(secret: bytes, header: dict[str, Any]) -> str:
    """A token whose signature is the HMAC with any bytes: PyJWT itself would not sign with a public key."""
    signed = f"{part(header)}.{part(claims())}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token(algorithm: str, tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, algorithm)
    found = judged(tokens, token(algorithm, feed={"feeds": ["sim"], "max_rate": 5}, nbf=NOW))
    assert found == Principal("jwt:desk7", Grant(frozenset({"sim"}), max_rate=5.0), NOW + 300)
    assert isinstance(judged(tokens, token(algorithm, aud=["other", "feed"])), Principal)
    assert isinstance(judged(tokens, token(algorithm, kid="whatever")), Principal)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"iss": "https://other.example.com"}, Why.BAD_TOKEN),
        ({"iss": None}, Why.BAD_TOKEN),
        ({"aud": "other"}, Why.BAD_TOKEN),
        ({"aud": ["other", "Feed"]}, Why.BAD_TOKEN),
        ({"aud": []}, Why.BAD_TOKEN),
        ({"aud": None}, Why.BAD_TOKEN),
        ({"aud": {"feed": 1}}, Why.BAD_TOKEN),
        ({"sub": None}, Why.BAD_TOKEN),
        ({"exp": None}, Why.BAD_TOKEN),
        ({"exp": NOW - 31}, Why.EXPIRED),
        ({"nbf": NOW + 31}, Why.NOT_YET),
        ({"iat": NOW + 31}, Why.NOT_YET),
        ({"feed": None}, Why.BAD_TOKEN),
        ({"feed": {"symbol": ["BTC/*"]}}, Why.BAD_TOKEN),
    ],
)
def test_a_token_that_is_refused(algorithm: str, others: dict[str, Any], why: Why, tmp_path: Path) -> None:
    assert judged(tokens_for(tmp_path, algorithm), token(algorithm, **others)) is why


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_of_somebody_else(algorithm: str, tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, algorithm)
    good = token(algorithm)
    header, payload, signature = good.split(".")
    wider = part(claims(sub="root"))
    assert judged(tokens, f"{header}.{wider}.{signature}") is Why.BAD_TOKEN
    assert judged(tokens, f"{header}.{payload}.") is Why.BAD_TOKEN
    assert judged(tokens, f"{header}.{payload}") is Why.BAD_TOKEN
    assert judged(tokens, f"{good}.{signature}") is Why.BAD_TOKEN
    key = SECRET + "x" if algorithm == "HS256" else signing_key(algorithm, 1)
    assert judged(tokens, jwt.encode(claims(), key, algorithm)) is Why.BAD_TOKEN


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("also", [[], ["HS256"]])
def test_a_public_key_is_nobodys_secret(algorithm: str, also: list[str], tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, algorithm, jwt_algorithms=[algorithm, *also], jwt_secret=SECRET)
    pem = public_pem(signing_key(algorithm))
    for secret in (pem, pem.strip(), pem.replace(b"\n", b""), b"", b"None"):
        assert judged(tokens, hmac_with(secret, {"alg": "HS256", "typ": "JWT"})) is Why.BAD_TOKEN
        # the header says one thing, the signature is another
        assert judged(tokens, hmac_with(secret, {"alg": algorithm})) is Why.BAD_TOKEN
    assert isinstance(judged(tokens, hmac_with(SECRET.encode(), {"alg": "HS256"})), Principal) is bool(also)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "name", ["none", "None", "NONE", "", "HS384", "HS512", "RS512", "PS256", "ES384", "EdDSA", "hs256"]
)
def test_an_algorithm_that_is_not_named(algorithm: str, name: str, tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, algorithm)
    for signature in ("", part(b"x" * 64), token(algorithm).split(".")[2]):
        assert judged(tokens, f"{part({'alg': name})}.{part(claims())}.{signature}") is Why.BAD_TOKEN


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("named", ALGORITHMS)
def test_only_the_algorithms_of_the_settings(algorithm: str, named: str, tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, named)
    assert isinstance(judged(tokens, token(algorithm)), Principal) is (algorithm == named)


def test_two_algorithms(tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, "RS256", jwt_algorithms=ALGORITHMS, jwt_secret=SECRET)
    assert isinstance(judged(tokens, token("HS256")), Principal)
    assert isinstance(judged(tokens, token("RS256")), Principal)
    assert judged(tokens, token("ES256")) is Why.NO_SIGNER


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        {"alg": None},
        {"alg": ["ES256"]},
        {"alg": "ES256", "kid": 5},
        {"alg": "ES256", "crit": ["b64"], "b64": False},
    ],
)
def test_headers_that_are_odd(header: Any, tmp_path: Path) -> None:
    signed = f"{part(header)}.{part(claims())}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signed.encode(), ec_key())
    assert judged(tokens_for(tmp_path, "ES256"), f"{signed}.{part(signature)}") is Why.BAD_TOKEN


@pytest.mark.parametrize("payload", [[], 5, "text", None, b"{", b"\xff", b"[" * 5_000])
def test_a_signed_payload_that_is_no_object(payload: Any, tmp_path: Path) -> None:
    signed = f"{part({'alg': 'ES256'})}.{part(payload)}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signed.encode(), ec_key())
    assert judged(tokens_for(tmp_path, "ES256"), f"{signed}.{part(signature)}") is Why.BAD_TOKEN


def test_the_size_is_looked_at_first(tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, "ES256")
    room = MAX_TOKEN_BYTES - len(token(x="")) - 8
    assert isinstance(judged(tokens, token(x="x" * (room * 3 // 4))), Principal)
    too_big = token(x="x" * MAX_TOKEN_BYTES)
    assert judged(tokens, too_big) is Why.BAD_TOKEN


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "\ud800.a.b", "é.a.b", "\0", " ", "e30.e30.e30"])
def test_what_is_no_token(text: str, tmp_path: Path) -> None:
    assert judged(tokens_for(tmp_path, "ES256"), text) is Why.BAD_TOKEN


SIGNED = {algorithm: token(algorithm) for algorithm in ALGORITHMS}


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tokens]:
    return {name: tokens_for(tmp_path_factory.mktemp(name), name) for name in ALGORITHMS}


@given(
    st.sampled_from(ALGORITHMS),
    st.integers(0, 10_000),
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ \n\0"),
)
def test_no_character_of_a_token_can_be_changed(
    all_kinds: dict[str, Tokens], algorithm: str, at: int, character: str
) -> None:
    good = SIGNED[algorithm]
    at %= len(good)
    changed = good[:at] + character + good[at + 1 :]
    if changed != good:
        assert isinstance(judged(all_kinds[algorithm], changed), Why)


@given(st.sampled_from(ALGORITHMS), st.text(max_size=300) | st.binary(max_size=300).map(part))
def test_any_text_is_refused(all_kinds: dict[str, Tokens], algorithm: str, text: str) -> None:
    header, payload, signature = SIGNED[algorithm].split(".")
    for found in (text, f"{text}.{payload}.{signature}", f"{header}.{text}.{signature}", f"{header}.{payload}.{text}"):
        assert isinstance(judged(all_kinds[algorithm], found), Why)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (private_pem(rsa_key()), "a private key"),
        (public_pem(rsa_key(bits=1_024)), "1024 bits"),
        (public_pem(ec_key()), "ES256, which auth.jwt_algorithms does not name"),
        (None, "No such file"),
    ],
)
def test_a_key_file_that_can_not_be_used_is_told_at_the_start(pem: bytes | None, words: str, tmp_path: Path) -> None:
    if pem is not None:
        (tmp_path / "k.pem").write_bytes(pem)
    with pytest.raises(ValueError, match=rf"auth\.jwt_public_key: .*{words}"):
        Tokens(auth(jwt_algorithms=["RS256"], jwt_public_key=str(tmp_path / "k.pem")))


def test_a_secret_that_is_a_public_key_is_told_at_the_start() -> None:
    pem = public_pem(ec_key()).decode()
    with pytest.raises(ValueError, match=r"auth\.jwt_secret") as caught:
        Tokens(auth(jwt_algorithms=["HS256"], jwt_secret=pem))
    assert pem not in str(caught.value)


def test_a_connection_stays_until_its_tokens_end(tmp_path: Path) -> None:
    tokens = tokens_for(tmp_path, "ES256")
    principal = judged(tokens, token())
    assert isinstance(principal, Principal)
    assert tokens.standing(principal, NOW + 299.9) is None
    assert tokens.standing(principal, NOW + 300) is Why.EXPIRED
