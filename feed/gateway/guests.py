"""Who is connected, by what they proved: let in while there is room for them, and sent away when that is no good any
more."""

import asyncio
import time
from typing import Final, Protocol

import structlog

from feed import metrics
from feed.access.principal import Authenticator, Credentials, Principal, Refused, Why
from feed.gateway.strangers import shown
from feed.wire.closing import Close

NOTICE: Final = "expiring"
# With the second in which keys are read and the two in which a socket closes: gone within 5 s of being revoked.
LOOK_S: Final = 1.0
# Principals asked about in one turn of the loop: a millisecond or so.
LOOKED_AT_ONCE: Final = 500
# Why somebody who is known is turned away: a metric's label.
OTHER_SUBJECT: Final = "other_subject"
CONNECTIONS: Final = "connections"

log = structlog.get_logger(__name__)


class Leases(Protocol):
    """Counts a principal's connections over all gateways."""

    async def take(self, principal_id: str, limit: int) -> bool: ...
    def give(self, principal_id: str) -> None: ...


class Guest(Protocol):
    """A connection, as far as it can be told something."""

    def end(self, code: Close) -> None: ...
    def notice(self, code: str, text: str) -> None: ...


class _Place:
    """What one connection proved. `leased` where it counts against a limit, `told` that its token is about to end."""

    __slots__ = ("leased", "principal", "sent_away", "told")

    def __init__(self, principal: Principal, leased: bool) -> None:
        self.principal = principal
        self.leased = leased
        self.told = False
        self.sent_away = False


class Guests:
    """All connections of this process that were let in. `leases` None counts those of this process alone."""

    def __init__(self, authenticator: Authenticator, leases: Leases | None = None, expiring_s: float = 60.0) -> None:
        self.required = authenticator.required
        self._authenticator = authenticator
        self._leases = leases or _Own()
        self._expiring_s = expiring_s
        self._places: dict[Guest, _Place] = {}
        self._by_principal: dict[Principal, dict[Guest, _Place]] = {}

    async def authenticate(self, credentials: Credentials, address: str, connection: str = "") -> Principal:
        """Who presents these, on a connection where there is one that stays. Raises Refused, which is logged and
        counted."""
        try:
            principal = await self._authenticator.authenticate(credentials)
        except Refused as refused:
            metrics.AUTH_ATTEMPTS.labels("refused", refused.why.value).inc()
            _refused(refused.why.value, refused.who, address, connection)
            raise
        metrics.AUTH_ATTEMPTS.labels("accepted", "").inc()
        return principal

    def turn_away(self, reason: str, who: str, address: str, connection: str) -> None:
        """Counts and logs somebody who is known, and all the same not let in."""
        metrics.GATEWAY_REFUSALS.labels(reason).inc()
        _refused(reason, who, address, connection)

    async def admit(self, guest: Guest, principal: Principal) -> bool:
        """Lets a connection in, or gives one that is in what it proved anew; False where the principal has too many."""
        before = self._places.get(guest)
        limit, leased = principal.grant.max_connections, before is not None and before.leased
        if limit is not None and not leased:
            if not await self._leases.take(principal.id, limit):
                return False
            leased = True
        if before is not None:
            self._drop(guest, before)
        place = self._places[guest] = _Place(principal, leased)
        self._by_principal.setdefault(principal, {})[guest] = place
        metrics.GATEWAY_GUESTS.labels(_kind(principal)).inc()
        return True

    def leave(self, guest: Guest) -> None:
        """A connection has ended, whether it was let in or not."""
        place = self._places.pop(guest, None)
        if place is not None:
            self._drop(guest, place)
            if place.leased:
                self._leases.give(place.principal.id)

    async def run(self) -> None:
        """Sends away those who may not stay, until cancelled."""
        while self.required:
            await asyncio.sleep(LOOK_S)
            await self.look(time.time())

    async def look(self, now: float) -> None:
        """Asks about everyone at Unix time `now`: once for all connections of a principal that proved the same."""
        for number, (principal, guests) in enumerate(list(self._by_principal.items()), 1):
            why = self._authenticator.standing(principal, now)
            if why is not None:
                self._send_away(principal, guests, why)
            elif principal.expires is not None and principal.expires - now <= self._expiring_s:
                _tell(guests, principal.expires - now)
            if number % LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _send_away(self, principal: Principal, guests: dict[Guest, _Place], why: Why) -> None:
        over = why is Why.EXPIRED and principal.expires is not None
        staying = [guest for guest, place in guests.items() if not place.sent_away]
        if staying and not over:
            log.info("guests_sent_away", key=shown(principal.id), reason=why.value, connections=len(staying))
        for guest in staying:
            guests[guest].sent_away = True
            guest.end(Close.TOKEN_EXPIRED if over else Close.NOT_ALLOWED)

    def _drop(self, guest: Guest, place: _Place) -> None:
        same = self._by_principal[place.principal]
        del same[guest]
        if not same:
            del self._by_principal[place.principal]
        metrics.GATEWAY_GUESTS.labels(_kind(place.principal)).dec()


class _Own:
    """Counts the connections of this process."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    async def take(self, principal_id: str, limit: int) -> bool:
        count = self._counts.get(principal_id, 0)
        if count >= limit:
            return False
        self._counts[principal_id] = count + 1
        return True

    def give(self, principal_id: str) -> None:
        self._counts[principal_id] -= 1
        if not self._counts[principal_id]:
            del self._counts[principal_id]


def ending(left_s: float) -> str:
    """What a client is told whose token is about to end."""
    return f"this token ends in {max(0.0, left_s):.0f} s: send auth with a new one"


def _tell(guests: dict[Guest, _Place], left_s: float) -> None:
    for guest, place in list(guests.items()):
        if not place.told:
            place.told = True
            guest.notice(NOTICE, ending(left_s))


def _refused(reason: str, who: str, address: str, connection: str) -> None:
    known = {"key": shown(who), "connection": connection}
    log.warning("auth_refused", reason=reason, address=address, **{name: text for name, text in known.items() if text})


def _kind(principal: Principal) -> str:
    if not principal.id:
        return "none"
    return "key" if principal.expires is None else "token"
