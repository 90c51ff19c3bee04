"""Which pages may connect, and by which names: a browser sends cookies and tells the Origin, and keeps no other rule
for WebSockets."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

PORTS: Final = {"http": 80, "https": 443}
ANY: Final = "*"


class Place(NamedTuple):
    """What a browser calls an origin: scheme, host in lower case without brackets, port."""

    scheme: str
    host: str
    port: int


class Origins:
    """Pages that may connect beside the gateway's own: `https://desk.example.com`, or "*" for every page there is."""

    def __init__(self, listed: Iterable[str]) -> None:
        texts = list(listed)
        self.any = ANY in texts
        self._listed = {place for text in texts if (place := origin_of(text)) is not None}

    def allow(self, origins: Sequence[str], hosts: Sequence[str], secure: bool) -> bool:
        """Whether a request with these Origin and Host headers may be served, which came by TLS or not.

        Programs send no Origin. Two of them, or `null` (a sandboxed frame, a file), are nobody's that can be told.
        """
        if not origins:
            return True
        origin = origin_of(origins[0]) if len(origins) == 1 else None
        if origin is None:
            return False
        return self.any or origin in self._listed or _same(origin, hosts, secure)


class Names:
    """Names by which clients may call the gateway. None of them: any will do."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = frozenset(host for text in listed if (host := host_of(text)))

    def allow(self, hosts: Sequence[str]) -> bool:
        """Whether one of the names stands in the one Host header, with whatever port."""
        if len(hosts) > 1:
            return False
        return not self._listed or (bool(hosts) and host_of(hosts[0]) in self._listed)


def origin_of(text: str) -> Place | None:
    """An Origin header's page; None for `null` and what no browser writes."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # brackets without an address between them, a port that is none
        return None
    host = (parts.hostname or "").rstrip(".")
    written = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in PORTS or not host or "@" in parts.netloc or text.lower() != written.lower():
        return None
    return Place(parts.scheme, host, PORTS[parts.scheme] if port is None else port)


def host_of(text: str) -> str:
    """The host in a Host header or a list of names, in lower case, without brackets and port; empty where none is."""
    if text.count(":") > 1 and not text.startswith("["):
        return text.lower()  # an address of IPv6 as people write it into a list
    try:
        parts = urlsplit(f"//{text}")
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        return ""
    if parts.netloc != text or "@" in text:
        return ""
    return (parts.hostname or "").rstrip(".")


def _same(origin: Place, hosts: Sequence[str], secure: bool) -> bool:
    """Whether a page came from where its socket goes to.

    A page that came without TLS may have been written by anybody on the way, so it opens no socket that has TLS. The
    other way round is a proxy in front that has the certificate, and that nobody told us to trust.
    """
    if len(hosts) != 1 or (secure and origin.scheme == "http"):
        return False
    host = host_of(hosts[0])
    if not host:
        return False
    port = urlsplit(f"//{hosts[0]}").port
    return (host, PORTS[origin.scheme] if port is None else port) == (origin.host, origin.port)
