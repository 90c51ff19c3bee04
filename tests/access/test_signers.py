"""Keys are taken for what they are: of one algorithm, long enough, public, and for signatures."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from feed.access.signers import MAX_KEYS, of_jwks, of_pem, of_secret
from tests.access.issuer import SECRET, ec_key, jwk, jwks, private_pem, public_pem, rsa_key


def test_a_public_key_of_a_file() -> None:
    assert of_pem(public_pem(rsa_key())).algorithm == "RS256"
    assert of_pem(public_pem(ec_key())).algorithm == "ES256"


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"", "no public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key"),
        (private_pem(ec_key()), "a private key"),
        (private_pem(rsa_key()), "a private key"),
        (public_pem(rsa_key(bits=1_024)), "1024 bits"),
        (public_pem(ec_key(curve=ec.SECP384R1)), "P-256"),
        (public_pem(ed25519.Ed25519PrivateKey.generate()), "neither"),
    ],
)
def test_a_file_that_is_refused(pem: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        of_pem(pem)


@pytest.mark.parametrize(
    "secret", [public_pem(rsa_key()), public_pem(ec_key()), json.dumps(jwk("RS256", "a")).encode()]
)
def test_a_public_key_is_no_secret(secret: bytes) -> None:
    with pytest.raises(ValueError, match="wants a secret"):
        of_secret(secret)
    assert of_secret(SECRET.encode()).algorithm == "HS256"


def test_a_set() -> None:
    published = of_jwks(jwks(jwk("RS256", "a"), jwk("ES256", "a"), jwk("ES256", "b", 1, alg=None, use=None)))
    assert published.left_out == ()
    assert set(published.signers) == {("a", "RS256"), ("a", "ES256"), ("b", "ES256")}
    assert published.find("RS256", "a") == published.signers["a", "RS256"]
    assert published.find("RS256", "b") is None
    assert published.find("HS256", "a") is None


def test_a_token_without_a_key_id_is_good_where_there_is_no_choice() -> None:
    published = of_jwks(jwks(jwk("RS256", "a"), jwk("ES256", "b"), jwk("ES256", None, 1)))
    assert published.find("RS256", None) == published.signers["a", "RS256"]
    assert published.find("ES256", None) is None


OCT = {"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA", "kid": "a", "alg": "HS256"}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (OCT, "neither RSA nor EC"),
        (OCT | {"alg": "RS256"}, "neither RSA nor EC"),
        (jwk("RS256", "a", alg="HS256"), "not for RS256"),
        (jwk("RS256", "a", alg="ES256"), "not for RS256"),
        (jwk("RS256", "a", alg="PS256"), "not for RS256"),
        (jwk("RS256", "a", alg=["RS256"]), "not for RS256"),
        (jwk("ES256", "a", alg="ES384", crv="P-384"), "not for ES256"),
        (jwk("ES256", "a", alg=None, crv="P-384"), "not a key of ES256"),
        (jwk("ES256", "a", crv="P-521"), "not a key of ES256"),
        (jwk("ES256", "a", x="AAAA"), "not a key of ES256"),
        (jwk("RS256", "a", use="enc"), "not for signatures"),
        (jwk("RS256", "a", key_ops=["encrypt"]), "not for signatures"),
        (jwk("RS256", "a", key_ops="verify"), "not for signatures"),
        (jwk("RS256", "a", d="AQAB"), "a private key"),
        (jwk("RS256", "a", n="AQAB"), "24 bits|not a key"),
        (jwk("RS256", "a", n=5), "not a key of RS256"),
        (jwk("RS256", "a", e="!!"), "not a key of RS256"),
        (jwk("RS256", "a", e="AQ"), "not a key of RS256"),
        (jwk("RS256", "a", n="_" * 4_000), "bits"),
        (jwk("RS256", "a") | {"kid": 5}, "no text"),
        (jwk("RS256", "a") | {"kty": None}, "neither RSA nor EC"),
        (jwk("RS256", "good"), "another's"),
        ("a", "not an object"),
        (None, "not an object"),
    ],
)
def test_a_key_that_is_left_out_leaves_the_others(key: Any, why: str) -> None:
    published = of_jwks(jwks(jwk("RS256", "good"), key, jwk("ES256", "other")))
    assert set(published.signers) == {("good", "RS256"), ("other", "ES256")}
    (words,) = published.left_out
    assert words.startswith("key 2: ")
    assert any(part in words for part in why.split("|")), words


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"keys":{}}', b"\xff", jwks(*[{}] * (MAX_KEYS + 1)), b"[" * 99_999]
)
def test_what_is_no_set(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        of_jwks(data)


FIELDS = st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "n", "e", "x", "y", "crv", "d", "k", "x5c"])
VALUES = (
    st.none() | st.integers() | st.text(max_size=50) | st.sampled_from(["RSA", "EC", "oct", "P-256", "AQAB", "RS256"])
)


@given(st.lists(st.dictionaries(FIELDS, VALUES | st.lists(VALUES, max_size=2)), max_size=5), st.booleans())
def test_any_set_is_read(keys: list[Any], rsa: bool) -> None:
    base = jwk("RS256", "a") if rsa else jwk("ES256", "a")
    for found in (keys, [base | key for key in keys]):
        published = of_jwks(json.dumps({"keys": found}).encode())
        assert len(published.signers) + len(published.left_out) == len(found)
        assert {algorithm for _, algorithm in published.signers} <= {"RS256", "ES256"}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_set_or_none(data: bytes) -> None:
    for read in (of_jwks, of_pem):
        try:
            read(data)
        except ValueError:
            continue
