"""Who a client is: credentials in, a principal or a refusal out."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Credentials(NamedTuple):
    """What a client presented. Never logged."""

    key: str = ""
    secret: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(hidden)"


class Authenticator(Protocol):
    """Decides on credentials. `required` False lets clients subscribe without presenting any."""

    required: bool

    async def accepts(self, credentials: Credentials) -> bool: ...


class Anyone:
    """`auth.mode = "none"`: everyone is let in, which is why such a gateway binds to loopback unless told otherwise."""

    required = False

    async def accepts(self, credentials: Credentials) -> bool:  # noqa: ARG002 - whatever they are
        return True


def from_headers(headers: Mapping[str, str]) -> Credentials | None:
    """Credentials of the handshake or of a REST request; None where it carries none."""
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return Credentials(token=value)
    key = headers.get("APCA-API-KEY-ID", "")
    if key:
        return Credentials(key=key, secret=headers.get("APCA-API-SECRET-KEY", ""))
    return None
