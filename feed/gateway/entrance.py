"""What every request passes first: by which name it calls, where it began, how many such there are."""

import time
from typing import Final

from aiohttp import web

from feed import metrics
from feed.gateway.address import Origination, Proxies, is_loopback
from feed.gateway.arrivals import Arrivals, Verdict
from feed.gateway.caller import caller_of
from feed.gateway.origin import Names, Origins
from feed.settings import Values
from feed.settings.types import LOOPBACK

# The burst that an address has is full again after five seconds; one second gives it its rate.
RETRY_AFTER_S: Final = 1


class Entrance:
    """The rules of the settings about addresses, names and pages.

    `exempt` are trusted proxies, whose clients are counted each by its own address; and where mode "none" relies on
    loopback, loopback: it is somebody's own machine.
    """

    def __init__(self, values: Values) -> None:
        knobs = values.gateway
        own = values.auth.mode == "none"
        relies = own and not values.auth.insecure_public and is_loopback(knobs.host)
        self.arrivals = Arrivals(knobs.handshakes_per_s, knobs.max_connections_per_address)
        self._spares_loopback = own
        self._origins = Origins(knobs.origins)
        self._proxies = Proxies(knobs.trusted_proxies)
        # without a proof of who one is, an address that only this machine reaches is what protects: a page from
        # anywhere whose name leads to 127.0.0.1 is of the same origin, and gives itself away by that name alone
        self._names = Names(knobs.hosts or ((*LOOPBACK, knobs.host) if relies else ()))
        self.every_page = self._origins.any

    def exempt(self, address: str) -> bool:
        return (self._spares_loopback and is_loopback(address)) or self._proxies.trusts(address)

    def origination(self, request: web.Request) -> Origination:
        """Where a request began."""
        chain, schemes = (request.headers.getall(name, ()) for name in ("X-Forwarded-For", "X-Forwarded-Proto"))
        # what aiohttp knows of it too, it keeps for as long as a WebSocket lives
        caller = caller_of(request)
        return self._proxies.origination(caller.address, caller.secure, tuple(chain), tuple(schemes))

    def allows_origin(self, request: web.Request) -> bool:
        """Whether the page that sends a request may; programs, which are no pages, always may."""
        origins, hosts = (request.headers.getall(name, ()) for name in ("Origin", "Host"))
        return self._origins.allow(tuple(origins), tuple(hosts), self.origination(request).secure)

    def check(self, request: web.Request) -> None:
        """What comes before all else. Raises HTTPMisdirectedRequest, and HTTPTooManyRequests for what a proxy passed
        on."""
        caller_of(request).understood()
        if not self._names.allow(tuple(request.headers.getall("Host", ()))):
            metrics.GATEWAY_HANDSHAKES.labels("host").inc()
            raise web.HTTPMisdirectedRequest(text="not served by this name: gateway.hosts has those that are\n")
        origination = self.origination(request)
        if not origination.forwarded:
            return
        verdict = self.arrivals.ask(origination.address, time.monotonic())
        if verdict is not Verdict.WELCOME:
            metrics.GATEWAY_HANDSHAKES.labels(verdict.value).inc()
            raise web.HTTPTooManyRequests(
                text="too much from this address\n", headers={"Retry-After": str(RETRY_AFTER_S)}
            )

    def enter(self, request: web.Request) -> str:
        """A WebSocket that came through a proxy counts against its own address, until `leave` is told what this
        returned."""
        origination = self.origination(request)
        if not origination.forwarded:
            return ""
        self.arrivals.enter(origination.address, time.monotonic())
        return origination.address

    def leave(self, entered: str) -> None:
        if entered:
            self.arrivals.leave(entered)
