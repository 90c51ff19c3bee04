"""Who was let in: the credentials that a client presents, and what they come to."""

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from feed.core.grant import EVERYTHING, Grant


class Credentials(NamedTuple):
    """What a client presented. Never logged."""

    key: str = ""
    secret: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(hidden)"


class Why(StrEnum):
    """Why credentials were refused, or are no longer good. For logs and metrics; a client is told none of it."""

    NO_KEY = "no_key"  # nobody has this key
    BAD_SECRET = "bad_secret"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NOT_YET = "not_yet"  # a token before its time
    BAD_TOKEN = "bad_token"  # malformed, of another issuer or audience, badly signed
    NO_SIGNER = "no_signer"  # signed with a key that the issuer does not publish
    NOT_ACCEPTED = "not_accepted"  # a token where only keys are taken, or the other way round
    UNAVAILABLE = "unavailable"  # what would tell could not be reached yet


class Refused(Exception):
    """Credentials that let nobody in. `who` is a key's or token's id as far as it is known, for the log."""

    def __init__(self, why: Why, who: str = "") -> None:
        super().__init__(why.value)
        self.why = why
        self.who = who


class Principal(NamedTuple):
    """Who a connection belongs to. `id` is a key's id or a token's subject, and is safe to log.

    `expires` is the end of a token in Unix seconds, None where there is none. `proof` tells a key's secret from the one
    that it replaced: a fingerprint, not the secret.
    """

    id: str
    grant: Grant = EVERYTHING
    expires: float | None = None
    proof: str = ""


ANYONE: Final = Principal("")


class Authenticator(Protocol):
    """Decides on credentials. `required` False lets clients subscribe without presenting any."""

    required: bool

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Raises Refused."""
        ...

    def standing(self, principal: Principal, now: float) -> Why | None:
        """Why somebody who was let in may not stay, at Unix time `now`; None where all is well. Returns at once."""
        ...

    def not_ready(self) -> str:
        """Why nobody can be judged yet; empty where all is well."""
        ...

    async def prepare(self) -> None:
        """Reads keys and signers once, so that the first client is judged; what can't be read is left to `run`."""
        ...

    async def run(self) -> None:
        """Follows keys and signers as they change, until cancelled."""
        ...


class Anyone:
    """`auth.mode = "none"`: everyone is let in, which is why such a gateway binds to loopback unless told otherwise."""

    required = False

    async def authenticate(self, credentials: Credentials) -> Principal:  # noqa: ARG002 - whatever they are
        return ANYONE

    def standing(self, principal: Principal, now: float) -> Why | None:  # noqa: ARG002 - for ever
        return None

    def not_ready(self) -> str:
        return ""

    async def prepare(self) -> None:
        return

    async def run(self) -> None:
        return
