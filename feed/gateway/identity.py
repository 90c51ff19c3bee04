"""Who one connection's client is: proven once, at depth two renewed, and until then hardly listened to."""

from typing import Any, Final, NamedTuple

import structlog

from feed import metrics
from feed.access.principal import Credentials, Principal, Refused, Why
from feed.core.grant import Grant
from feed.gateway.entitled import FEED
from feed.gateway.guests import CONNECTIONS, OTHER_SUBJECT, Guest, Guests
from feed.wire.closing import Close
from feed.wire.errors import Code, ProtocolError

# Messages of a client that has proved nothing: one is enough for credentials, and reading each costs us.
UNPROVEN_MESSAGES: Final = 5
UNPROVEN: Final = "unproven"  # who says more: a metric's label

log = structlog.get_logger(__name__)


class Peer(NamedTuple):
    """A client as those know it who run the service: its connection's id, its key's or token's ("" for none), its
    address."""

    connection: str
    key: str
    address: str


class Dismissed(ProtocolError):
    """An error that ends the connection, with a close code of its own."""

    def __init__(self, code: Code, close: Close, detail: str = "") -> None:
        super().__init__(code, detail)
        self.close = close


class Identity:
    """`principal` is None until the client has proved who it is; `connection` is its id, and `address` where it comes
    from."""

    __slots__ = ("_address", "_connection", "_depth", "_feed", "_guests", "_messages", "principal")

    def __init__(self, guests: Guests, feed: str, depth: int, connection: str, address: str) -> None:
        self.principal: Principal | None = None
        self._guests = guests
        self._feed = feed
        self._depth = depth
        self._connection = connection
        self._address = address
        self._messages = 0

    @property
    def peer(self) -> Peer:
        return Peer(self._connection, "" if self.principal is None else self.principal.id, self._address)

    @property
    def log(self) -> Any:
        """For a line that is about this connection: it says which, and whose key's where there is one."""
        return log.bind(feed=self._feed, **{name: text for name, text in self.peer._asdict().items() if text})

    @property
    def wanting(self) -> bool:
        """Whether the client has to prove who it is before anything else."""
        return self._guests.required and self.principal is None

    def spoke(self) -> None:
        """The client sent a message. Raises Dismissed where it talks on and on without saying who it is."""
        if self.wanting:
            self._messages += 1
            if self._messages > UNPROVEN_MESSAGES:
                metrics.GATEWAY_REFUSALS.labels(UNPROVEN).inc()
                raise Dismissed(Code.NOT_AUTHENTICATED, Close.NOT_AUTHENTICATED)

    async def prove(self, guest: Guest, credentials: Credentials) -> Grant:
        """What the client may have. Raises ProtocolError: it is not told why its credentials are no good.

        Ends with `guest` let in, where it was not let go meanwhile: whoever calls this sees to `leave`.
        """
        if self.principal is not None and self._depth == 1:
            raise ProtocolError(Code.ALREADY_AUTHENTICATED)
        try:
            principal = await self._guests.authenticate(credentials, self._address, self._connection)
        except Refused as refused:
            # one that can't be judged yet may well be good: it shall come again
            later = refused.why is Why.UNAVAILABLE
            raise Dismissed(Code.AUTH_FAILED, Close.OVERLOADED if later else Close.NOT_AUTHENTICATED) from refused
        if self.principal is not None and principal.id != self.principal.id:
            self._guests.turn_away(OTHER_SUBJECT, principal.id, self._address, self._connection)
            raise Dismissed(Code.AUTH_FAILED, Close.NOT_AUTHENTICATED)
        if not principal.grant.allows_feed(self._feed):
            self._guests.turn_away(FEED, principal.id, self._address, self._connection)
            raise Dismissed(Code.INSUFFICIENT_SUBSCRIPTION, Close.NOT_ALLOWED, f"the feed {self._feed} is not granted")
        if not await self._guests.admit(guest, principal):
            self._guests.turn_away(CONNECTIONS, principal.id, self._address, self._connection)
            limit = f"at most {principal.grant.max_connections} connections of this key or token"
            raise Dismissed(Code.CONNECTION_LIMIT, Close.CONNECTION_LIMIT, limit)
        self.principal = principal
        return principal.grant

    def leave(self, guest: Guest) -> None:
        self._guests.leave(guest)
