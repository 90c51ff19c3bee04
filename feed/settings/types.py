"""What a knob may be: types with their bounds, and with words for people."""

import ipaddress
import re
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from feed.core.streams import FEED, SYMBOL

# The names by which a machine calls itself.
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Unit(NamedTuple):
    """What a knob counts in, for people who read a table of settings."""

    name: str


class Allowed(NamedTuple):
    """What a knob may be, in words, where its type and bounds don't say it."""

    words: str


def _reachable(url: str) -> str:
    """The URL as it is. Raises ValueError where it names no host, or a port that nobody can have."""
    parts = urlsplit(url)  # raises for brackets that hold no IPv6 address
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.port == 0 or re.search(r"\s", url):
        raise ValueError("not a URL of a WebSocket")
    return url


def _network(text: str) -> str:
    """The addresses as they are. Raises ValueError where they are none."""
    ipaddress.ip_network(text, strict=False)
    return text


def _trustworthy(text: str) -> str:
    """The path or URL as it is. Raises ValueError for a URL over which anybody on the way could answer."""
    parts = urlsplit(text)
    if "://" in text and not (
        parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))
    ):
        raise ValueError("not an https URL")
    return text


Seconds = Annotated[float, Field(gt=0, le=86_400), Unit("s")]
Bytes = Annotated[int, Field(ge=65_536, le=1 << 40), Unit("bytes")]
Port = Annotated[int, Field(ge=0, le=65_535)]
Host = Annotated[str, Field(min_length=1), Allowed("a host name or address")]
FeedName = Annotated[str, Field(pattern=rf"^(?:{FEED.pattern})$"), Allowed("feeds, each 1 to 32 of a-z 0-9 _ -")]
Symbol = Annotated[
    str, Field(pattern=rf"^(?:{SYMBOL.pattern})$"), Allowed("symbols, each 1 to 64 of A-Z a-z 0-9 . _ / : ^ -")
]
RedisUrl = Annotated[
    str,
    Field(pattern=r"^(?:rediss?(?:\+sentinel|\+cluster)?|unix)://."),
    Allowed("a redis://, rediss:// or unix:// URL, or redis+sentinel:// or redis+cluster://"),
]
WebSocketUrl = Annotated[
    str,
    AfterValidator(_reachable),
    Allowed("ws://HOST or wss://HOST, with a :PORT from 1 to 65535 or none"),
]
File = Annotated[str, Field(max_length=4_096), Allowed("the path of a file")]
Network = Annotated[str, AfterValidator(_network), Allowed("addresses or networks such as 10.0.0.0/8")]
Origin = Annotated[
    str,
    Field(pattern=r"^(?:\*|https?://[A-Za-z0-9.-]+(?::\d{1,5})?|https?://\[[0-9a-fA-F:.]+\](?::\d{1,5})?)$"),
    Allowed('origins such as https://desk.example.com, or "*"'),
]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$"), Allowed("host names or addresses")]
Claim = Annotated[str, Field(min_length=1, max_length=256), Allowed("the name of a claim")]
Algorithm = Annotated[
    str, Field(pattern=r"^(?:HS256|RS256|ES256)$"), Allowed("algorithms of HS256, RS256 and ES256")
]  # fmt: skip
FileOrUrl = Annotated[
    str, AfterValidator(_trustworthy), Allowed("the path of a file, or an https:// URL (http:// on this machine)")
]
CookieName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{0,128}$"), Allowed("the name of a cookie, or empty")]
WorkerId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$"), Allowed("at most 64 of A-Z a-z 0-9 . _ -")]
