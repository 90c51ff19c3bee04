"""Credentials that come with a handshake or a REST request, wherever a client puts them."""

from typing import Final, Protocol

from feed.access.principal import Credentials

# A token and a key at once, which no authenticator takes.
CONFLICT: Final = Credentials(key="conflict", token="conflict")
KEY: Final = "APCA-API-KEY-ID"
SECRET: Final = "APCA-API-SECRET-KEY"


class Headers(Protocol):
    """Headers of a request, which may come more than once; names in any case."""

    def getall(self, key: str, default: list[str], /) -> list[str]: ...


def presented(headers: Headers, cookie_name: str = "", origin_ok: bool = False) -> Credentials | None:
    """`Authorization: Bearer`, the APCA headers, or the session cookie; None where there is none of them.

    The cookie counts where it has a name (`auth.cookie`) and one Origin header comes with it that is allowed
    (`origin_ok`), because browsers send cookies from every page. What the gateway's own page only reads comes without
    an Origin, and the browser says that it is of the same.

    Credentials in two ways, or twice in one, give what every authenticator refuses: whichever were chosen, somebody
    else on the way may choose the other.
    """
    found = [*_bearer(headers), *_key(headers)]
    if cookie_name and origin_ok and _of_a_page(headers):
        found += _cookie(headers, cookie_name)
    if not found:
        return None
    return found[0] if len(found) == 1 else CONFLICT


def _of_a_page(headers: Headers) -> bool:
    origins = headers.getall("Origin", [])
    # a page can't set headers of this name; only browsers do
    return len(origins) == 1 or (not origins and headers.getall("Sec-Fetch-Site", []) == ["same-origin"])


def _bearer(headers: Headers) -> list[Credentials]:
    """Tokens; other schemes are not ours, and may be meant for a proxy."""
    parted = (line.strip().partition(" ") for line in headers.getall("Authorization", []))
    tokens = [value.strip() for scheme, _, value in parted if scheme.lower() == "bearer"]
    return [Credentials(token=token) for token in tokens if token]


def _key(headers: Headers) -> list[Credentials]:
    keys, secrets = ([text for text in headers.getall(name, []) if text] for name in (KEY, SECRET))
    if len(keys) > 1 or len(secrets) > 1:
        return [CONFLICT]
    return [Credentials(key="".join(keys), secret="".join(secrets))] if keys or secrets else []


def _cookie(headers: Headers, name: str) -> list[Credentials]:
    """Tokens in cookies of this name: a second one may have been set by another site of the same domain."""
    pairs = (pair.partition("=") for line in headers.getall("Cookie", []) for pair in line.split(";"))
    values = [value.strip().strip('"') for found, _, value in pairs if found.strip() == name]
    return [Credentials(token=value) for value in values if value]
