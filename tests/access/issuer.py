"""An issuer of tokens, with keys of every kind that tests want; what it publishes is up to the test."""

import json
import time
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from feed.settings import Auth

ISSUER: Final = "https://issuer.example.com"
AUDIENCE: Final = "feed"
SECRET: Final = "a secret of the issuer's that has more than 32 bytes"
NOW: Final = 1_800_000_000.0
ALGORITHMS: Final = {"RS256": RSAAlgorithm(RSAAlgorithm.SHA256), "ES256": ECAlgorithm(ECAlgorithm.SHA256)}


@cache
def rsa_key(number: int = 0, bits: int = 2_048) -> rsa.RSAPrivateKey:  # noqa: ARG001 - tells keys apart
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@cache
def ec_key(number: int = 0, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:  # noqa: ARG001
    return ec.generate_private_key(curve())


def signing_key(algorithm: str, number: int = 0) -> Any:
    return SECRET if algorithm == "HS256" else rsa_key(number) if algorithm == "RS256" else ec_key(number)


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def private_pem(key: PrivateKeyTypes) -> bytes:
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem


def jwk(algorithm: str, kid: str | None, number: int = 0, **fields: Any) -> dict[str, Any]:
    """A public key as an issuer publishes it; a field of None is left out."""
    found = ALGORITHMS[algorithm].to_jwk(signing_key(algorithm, number).public_key(), as_dict=True)
    found |= {"kid": kid, "use": "sig", "alg": algorithm, "key_ops": None} | fields
    return {name: value for name, value in found.items() if value is not None}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def claims(now: float = NOW, **others: Any) -> dict[str, Any]:
    """Good claims, and others in their place; a claim of None is left out."""
    found = {"iss": ISSUER, "aud": AUDIENCE, "sub": "desk7", "iat": now, "exp": now + 300, "feed": {}} | others
    return {name: value for name, value in found.items() if value is not None}


def token(
    algorithm: str = "ES256", number: int = 0, kid: str | None = None, now: float = NOW, **others: Any
) -> str:  # fmt: skip
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(now, **others), signing_key(algorithm, number), algorithm, headers)


def live(algorithm: str = "ES256", number: int = 0, kid: str | None = None, **others: Any) -> str:
    """A token that is good now."""
    return token(algorithm, number, kid, time.time(), **others)


def auth(**knobs: Any) -> Auth:
    found = {"mode": "jwt", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, **knobs}
    return Auth.model_validate(found)
