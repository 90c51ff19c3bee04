"""The address of a feed as people write it: `ws://host:port/v2/sim`, the same with http, or without a scheme."""

import ipaddress
import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from feed.core.streams import valid_feed

SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
HUSHED: Final = re.compile(r"^(\w+://)?.*@", re.DOTALL)
WANTED: Final = "an address looks like ws://127.0.0.1:8080/v2/sim"


class Address(NamedTuple):
    """`origin` is scheme, host and port."""

    origin: str
    feed: str

    @property
    def url(self) -> str:
        return f"{self.origin}/v2/{self.feed}"

    @property
    def host(self) -> str:
        return self.origin.split("://", 1)[1]

    @property
    def encrypted(self) -> bool:
        return self.origin.startswith("wss://")

    @property
    def loopback(self) -> bool:
        """Whether nothing leaves this machine on the way there."""
        name = urlsplit(self.origin).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"


def parse_address(text: str) -> Address:
    """Reads an address. Raises ValueError, saying what is wrong with it, and no password that is in it."""
    shown = _shown(text)
    try:
        parts = urlsplit(text if "://" in text else f"ws://{text}")
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{shown}: {str(error).partition(' as ')[0]}; {WANTED}") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"{shown}: the scheme {parts.scheme!r} is not ws, wss, http or https; {WANTED}")
    if not parts.hostname:
        raise ValueError(f"{shown} names no host; {WANTED}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{shown} has parts that an address of a feed lacks; {WANTED}")
    room, _, feed = parts.path.strip("/").partition("/")
    if room != "v2" or not valid_feed(feed):
        raise ValueError(f"{shown}: the path is not /v2/FEED; {WANTED}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(f"{SCHEMES[parts.scheme]}://{host}{'' if port is None else f':{port}'}", feed)


def _shown(text: str) -> str:
    """An address for an error's text: people write passwords before the host, and tokens behind the path."""
    return repr(HUSHED.sub(r"\1…@", text).partition("?")[0].partition("#")[0])
