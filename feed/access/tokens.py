"""Tokens: verified with the keys of their issuer, and good for what they claim until they end."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt
import orjson

from feed.access.claims import principal_of
from feed.access.jwks import Jwks
from feed.access.principal import Principal, Refused, Why
from feed.access.signers import Signer, of_pem, of_secret
from feed.settings import Auth

# Before anything of it is parsed. Issuers' tokens take 1 to 2 kB, and this bounds what an unknown client's cost us.
MAX_TOKEN_BYTES: Final = 8_192
HS256: Final = "HS256"


class Header(NamedTuple):
    """What a token says of how it was signed; not to be believed, only looked up."""

    algorithm: str
    kid: str | None


class Tokens:
    """Decides on tokens. Only what `auth.jwt_algorithms` names is looked at, each with keys of its own type."""

    def __init__(self, auth: Auth, jwks: Jwks | None = None, clock: Callable[[], float] = time.time) -> None:
        """`jwks` if not the one of `auth.jwt_jwks`; `clock` gives Unix seconds. Raises ValueError, naming the knob,
        where a key can't be used.
        """
        self._auth = auth
        self._clock = clock
        self._secret = _secret(auth)
        self._public = _public(auth)
        self._jwks = jwks or (Jwks(auth.jwt_jwks, auth.jwks_refresh_s) if auth.jwt_jwks else None)

    @property
    def ready(self) -> bool:
        """Whether there is something to judge tokens with."""
        return self._jwks is None or self._jwks.read

    async def authenticate(self, token: str) -> Principal:
        """The token's principal. Raises Refused."""
        header = _header(token)
        if header.algorithm not in self._auth.jwt_algorithms:
            raise Refused(Why.BAD_TOKEN)
        signer = await self._signer(header)
        if signer is None:
            raise Refused(Why.NO_SIGNER)
        return principal_of(
            self._claims(token, signer), self._auth.jwt_claim, self._clock(), self._auth.jwt_leeway_s
        )  # fmt: skip

    def standing(self, principal: Principal, now: float) -> Why | None:
        """Why a connection that a token let in may not stay, at Unix time `now`. A signer that vanished ends nothing:
        keys are replaced as a matter of course, and the token was good when it came.
        """
        return Why.EXPIRED if principal.expires is None or now >= principal.expires else None

    async def look(self) -> None:
        """Reads the issuer's keys once."""
        if self._jwks is not None:
            await self._jwks.look()

    async def run(self) -> None:
        """Follows the issuer's keys, until cancelled."""
        if self._jwks is None:
            await asyncio.Event().wait()  # a secret or a key in a file is for good
        else:
            await self._jwks.run()

    async def _signer(self, header: Header) -> Signer | None:
        if header.algorithm == HS256:
            return self._secret
        fallback = self._public if self._public and self._public.algorithm == header.algorithm else None
        if self._jwks is None:
            return fallback
        return await self._jwks.signer(header.algorithm, header.kid) or fallback

    def _claims(self, token: str, signer: Signer) -> dict[str, Any]:
        """What a token says, if it was signed by `signer` and made by our issuer for us. Raises Refused."""
        try:
            return jwt.decode(
                token,
                signer.key,
                algorithms=[signer.algorithm],
                issuer=self._auth.jwt_issuer,
                audience=self._auth.jwt_audience,
                options={
                    "require": ["iss", "aud", "exp", "sub"],
                    "enforce_minimum_key_length": True,
                    # times are judged in feed.access.claims, by the clock that is given
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.PyJWTError:
            raise Refused(Why.BAD_TOKEN) from None  # its text may quote the token


def _header(token: str) -> Header:
    if len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise Refused(Why.BAD_TOKEN)
    try:
        header = orjson.loads(jwt.utils.base64url_decode(token.partition(".")[0]))
    except ValueError:
        raise Refused(Why.BAD_TOKEN) from None
    fields = header if isinstance(header, dict) else {}
    algorithm, kid = fields.get("alg"), fields.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise Refused(Why.BAD_TOKEN)
    return Header(algorithm, kid)


def _secret(auth: Auth) -> Signer | None:
    if HS256 not in auth.jwt_algorithms:
        return None
    try:
        return of_secret(auth.jwt_secret.get_secret_value().encode())
    except ValueError as error:
        raise ValueError(f"auth.jwt_secret: {error}") from None


def _public(auth: Auth) -> Signer | None:
    if not auth.jwt_public_key:
        return None
    try:
        signer = of_pem(Path(auth.jwt_public_key).read_bytes())
    except OSError as error:
        raise ValueError(f"auth.jwt_public_key: {auth.jwt_public_key}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"auth.jwt_public_key: {auth.jwt_public_key}: {error}") from None
    if signer.algorithm not in auth.jwt_algorithms:
        raise ValueError(f"auth.jwt_public_key: it is for {signer.algorithm}, which auth.jwt_algorithms does not name")
    return signer
