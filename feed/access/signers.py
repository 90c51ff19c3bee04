"""Keys that tokens are verified with, each good for one algorithm, whatever a token says of itself."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

MIN_RSA_BITS: Final = 2_048  # shorter ones can be factored, or will be (NIST SP 800-131A)
MAX_RSA_BITS: Final = 8_192  # longer ones take long to verify with, and nobody signs with them
MAX_KEYS: Final = 100
OF_TYPE: Final = {"RSA": "RS256", "EC": "ES256"}
# What a key's own type makes of it cannot be turned by a token: no public key is ever the secret of an HMAC.
SECRET: Final = "HS256"


class Signer(NamedTuple):
    """A key and the one algorithm that it verifies. Not printed: HS256's key is a secret."""

    algorithm: str
    key: bytes | RSAPublicKey | EllipticCurvePublicKey

    def __repr__(self) -> str:
        return f"Signer({self.algorithm})"


class Published(NamedTuple):
    """What a JWKS has: signers by key id and algorithm, and why which of its keys were left out."""

    signers: Mapping[tuple[str, str], Signer]
    left_out: tuple[str, ...] = ()

    def find(self, algorithm: str, kid: str | None) -> Signer | None:
        """The signer of a token. One that names no key id is good if there is no choice."""
        if kid is not None:
            return self.signers.get((kid, algorithm))
        fitting = [signer for signer in self.signers.values() if signer.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None


def of_secret(secret: bytes) -> Signer:
    """HS256's signer. Raises ValueError for a secret that is somebody's public key: everyone has that."""
    try:
        return Signer(SECRET, jwt.get_algorithm_by_name(SECRET).prepare_key(secret))
    except jwt.InvalidKeyError:
        raise ValueError("it is a key or a certificate, which others have: HS256 wants a secret") from None


def of_pem(pem: bytes) -> Signer:
    """The signer of a public key in PEM. Raises ValueError."""
    if b"PRIVATE KEY" in pem:
        raise ValueError("it is a private key: only the issuer may have that, its public key is enough here")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it has no public key in PEM") from None
    return _signer(key)


def of_jwks(data: bytes) -> Published:
    """The signers of a JWK set (RFC 7517). Raises ValueError for what is none.

    A key that is not for RS256 or ES256 signatures is left out and the others are used: issuers publish such too. So is
    a symmetric or a private key, which is no secret any more once it is published.
    """
    found = orjson.loads(data)
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise ValueError("not a JWK set: it has no list `keys`")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"{len(keys)} keys are more than {MAX_KEYS}")
    signers: dict[tuple[str, str], Signer] = {}
    left_out = []
    for number, jwk in enumerate(keys, start=1):
        try:
            kid, signer = _of_jwk(jwk)
            if (kid, signer.algorithm) in signers:
                raise ValueError("its kid is another's")
        except ValueError as error:
            left_out.append(f"key {number}: {error}")
        else:
            signers[kid, signer.algorithm] = signer
    return Published(signers, tuple(left_out))


def _of_jwk(jwk: Any) -> tuple[str, Signer]:
    if not isinstance(jwk, dict):
        raise ValueError("not an object")
    kid, operations = jwk.get("kid", ""), jwk.get("key_ops", ["verify"])
    algorithm = OF_TYPE.get(str(jwk.get("kty")))
    if algorithm is None:
        raise ValueError("neither RSA nor EC")
    if "d" in jwk:
        raise ValueError("a private key")
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("not for signatures")
    if jwk.get("alg", algorithm) != algorithm:
        raise ValueError(f"not for {algorithm}")
    if not isinstance(kid, str):
        raise ValueError("its kid is no text")
    try:
        key = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"not a key of {algorithm}") from None
    return kid, _signer(key)


def _signer(key: Any) -> Signer:
    if isinstance(key, RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits: {MIN_RSA_BITS} to {MAX_RSA_BITS} are taken")
        return Signer("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Signer("ES256", key)
    raise ValueError("neither an RSA key nor one of the curve P-256")
