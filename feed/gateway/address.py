"""Whose address a request comes from, and whether it came by TLS: proxies are believed only where they are trusted."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Who has one address of IPv6 has as a rule a whole /64, and may use each of them once.
PLACE_BITS: Final = 64
# A chain of proxies is short; what is longer was written by whoever sends the request.
MOST_HOPS: Final = 16


class Origination(NamedTuple):
    """Where a request began: the client's address as text, whether by TLS, and whether a proxy of ours passed it on."""

    address: str
    secure: bool
    forwarded: bool


class Proxies:
    """The proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as addresses or networks."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks: list[Network] = [ipaddress.ip_network(text, strict=False) for text in trusted]

    def trusts(self, peer: str) -> bool:
        if not self._networks:
            return False
        address = parsed(peer)
        return address is not None and self._is_ours(address)

    def origination(self, peer: str, tls: bool, chain: Sequence[str], schemes: Sequence[str]) -> Origination:
        """Of a request that `peer` sent: `chain` are its X-Forwarded-For lines, `schemes` its X-Forwarded-Proto.

        The client is the rightmost of the chain that is no proxy of ours: what stands left of it anybody may have
        written. A chain that can't be read up to there names nobody, and the peer stands for itself.
        """
        if not self.trusts(peer):
            return Origination(plain(peer), tls, False)
        words = [word.strip() for line in schemes for word in line.split(",") if word.strip()]
        secure = words[-1].lower() == "https" if words else tls
        client = self._client(chain)
        return Origination(plain(peer) if client is None else str(client), secure, client is not None)

    def _client(self, chain: Sequence[str]) -> Address | None:
        hops = [hop for line in chain for hop in line.split(",")]
        found: Address | None = None
        for hop in reversed(hops[-MOST_HOPS:]):
            found = _hop(hop.strip())
            if found is None or not self._is_ours(found):
                return found
        return found  # proxies all of them: the first asks for itself

    def _is_ours(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def parsed(text: str) -> Address | None:
    """An address; IPv4 in IPv6's clothes is IPv4, and a zone (`%eth0`) is left out. None for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def plain(text: str) -> str:
    """An address as it is logged and compared; what is none stays what it is."""
    address = parsed(text)
    return text if address is None else str(address)


def place(address: str) -> str:
    """What limits of an address count: itself, or the /64 that an address of IPv6 is in."""
    if ":" not in address:
        return address  # at each accept: the common case costs nothing
    found = parsed(address)
    if not isinstance(found, ipaddress.IPv6Address):
        return address if found is None else str(found)
    return str(ipaddress.ip_network((int(found) >> PLACE_BITS << PLACE_BITS, PLACE_BITS)))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there, or is what is calling from there."""
    found = parsed(host)
    return host == "localhost" if found is None else found.is_loopback


def _hop(text: str) -> Address | None:
    """One hop of the chain; some proxies write the port too: `192.0.2.7:4711`, `[2001:db8::7]:4711`."""
    if text.startswith("["):
        inner, closed, rest = text[1:].partition("]")
        return parsed(inner) if closed and ":" in inner and (not rest or _is_port(rest)) else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return parsed(host) if _is_port(f":{port}") else None
    return parsed(text)


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6
