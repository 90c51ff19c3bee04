"""What an operator sees by HTTP, and who is one."""

from collections.abc import Callable
from typing import Final

import orjson
from aiohttp import web

from feed.access.principal import Refused
from feed.gateway.address import is_loopback
from feed.gateway.census import Census
from feed.gateway.entitled import NotGranted
from feed.gateway.guests import Guests
from feed.gateway.http import Visitor
from feed.settings import Values
from feed.settings.types import LOOPBACK
from feed.wire.errors import Code, ProtocolError

OPERATOR: Final = "operator"  # what is not granted, as a metric's label
# What a proxy puts into what it passes on. Behind one everyone looks as if he were here.
PASSED_ON: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


class Operator:
    """Handlers of `/operator...`. Without authentication whoever is on this machine is an operator, if the gateway
    listens there only; where everyone may connect nobody is, nor is whoever comes through a proxy that says so."""

    def __init__(
        self, values: Values, guests: Guests, visitor: Callable[[web.Request], Visitor], census: Census
    ) -> None:
        self._guests = guests
        self._visitor = visitor
        self._census = census
        # other names are those of a proxy, behind which everyone looks as if he were here
        self._trusts_loopback = (
            values.auth.mode == "none"
            and not values.auth.insecure_public
            and is_loopback(values.gateway.host)
            and set(values.gateway.hosts) <= set(LOOPBACK)
        )

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/operator", self.whether), web.get("/operator/metrics", self.metrics)]

    async def whether(self, request: web.Request) -> web.Response:
        """Tells whoever asks whether he is one, whatever he presents."""
        try:
            await self._admit(request)
        except ProtocolError:
            return _json(orjson.dumps({OPERATOR: False}))
        return _json(orjson.dumps({OPERATOR: True}))

    async def metrics(self, request: web.Request) -> web.Response:
        await self._admit(request)
        return _json(await self._census.body())

    async def _admit(self, request: web.Request) -> None:
        """Raises ProtocolError for everyone but operators."""
        credentials, address = self._visitor(request)
        if not self._guests.required:
            passed_on = any(name in request.headers for name in PASSED_ON)
            allowed = self._trusts_loopback and is_loopback(address) and not passed_on
        elif credentials is None:
            raise ProtocolError(Code.NOT_AUTHENTICATED)
        else:
            try:
                allowed = (await self._guests.authenticate(credentials, address)).grant.operator
            except Refused as refused:
                raise ProtocolError(Code.AUTH_FAILED) from refused
        if not allowed:
            raise NotGranted(OPERATOR, "only operators may see this")


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
