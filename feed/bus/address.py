"""Where Redis is, by the URL of the settings: one process, a master that Sentinels know, or a cluster."""

from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from feed.bus.topology import Node

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
# What a URL may say of the Sentinels themselves, which have users and passwords of their own.
SENTINEL_USERNAME: Final = "sentinel_username"
SENTINEL_PASSWORD: Final = "sentinel_password"


class Kind(Enum):
    SINGLE = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


class Parts(NamedTuple):
    """An ordinary redis:// or rediss:// URL, but for its host and port."""

    scheme: str
    user: str
    database: str
    query: str

    def at(self, node: Node) -> str:
        host = f"[{node.host}]" if ":" in node.host else node.host
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.user}{host}:{node.port}/{self.database}{query}"


class Address(NamedTuple):
    """`seeds` are whom to ask where the masters are: Sentinels, which know them by the name of a `service`, or some
    nodes of the cluster. A single Redis has none, and its `url` is for redis-py to read."""

    kind: Kind
    url: str
    seeds: tuple[Node, ...] = ()
    service: str = ""
    redis: Parts = Parts("", "", "", "")
    sentinels: Parts = Parts("", "", "", "")


def address_of(url: str) -> Address:
    """Of `redis.url`. Raises ValueError with a text that has nothing of the URL, which may hold a password."""
    scheme, _, _ = url.partition("://")
    plain, _, kind = scheme.partition("+")
    if not kind:
        return Address(Kind.SINGLE, url)
    try:
        found = Kind(kind)
        parts = urlsplit(url)
        user, at, hosts = parts.netloc.rpartition("@")
        seeds = tuple(_node(each, SENTINEL_PORT if found is Kind.SENTINEL else REDIS_PORT) for each in _split(hosts))
    except ValueError:
        raise ValueError("not understood: redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST,HOST/SERVICE"
                         ) from None  # fmt: skip
    options = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([(key, value) for key, value in options if key not in (SENTINEL_USERNAME, SENTINEL_PASSWORD)])
    path = parts.path.strip("/").split("/")
    if found is Kind.CLUSTER:
        if path not in ([""], ["0"]):
            raise ValueError("a cluster has no databases: leave out what follows the hosts")
        return Address(found, url, seeds, "", Parts(plain, user + at, "0", query))
    service, *rest = path
    if not service or len(rest) > 1:
        raise ValueError("Sentinels know a master by its name: redis+sentinel://HOST,HOST/NAME, and /DATABASE after it")
    own = dict(options)
    credentials = ""
    if SENTINEL_PASSWORD in own:
        credentials = f"{quote(own.get(SENTINEL_USERNAME, ''), safe='')}:{quote(own[SENTINEL_PASSWORD], safe='')}@"
    return Address(
        found, url, seeds, service, Parts(plain, user + at, rest[0] if rest else "0", query),
        Parts(plain, credentials, "0", query),
    )  # fmt: skip


def _split(hosts: str) -> list[str]:
    found = [host for host in hosts.split(",") if host]
    if not found:
        raise ValueError("no host")
    return found


def _node(text: str, port: int) -> Node:
    """HOST, HOST:PORT or [ADDRESS]:PORT. Raises ValueError."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return Node(parts.hostname, port if parts.port is None else parts.port)
