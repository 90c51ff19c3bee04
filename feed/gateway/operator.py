"""What an operator sees by HTTP: the numbers of all processes as those of one service."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import orjson
from aiohttp import web

from feed import metrics
from feed.access.principal import Refused
from feed.bus.answer import METRICS, Answer
from feed.bus.errors import BusDown, BusRefused
from feed.bus.inquiries import SETTLED_S
from feed.exposition import Family, merged, of_plain
from feed.gateway.address import is_loopback
from feed.gateway.entitled import NotGranted
from feed.gateway.guests import Guests
from feed.gateway.http import Visitor
from feed.settings import Values
from feed.settings.types import LOOPBACK
from feed.wire.errors import Code, ProtocolError

OPERATOR: Final = "operator"  # what is not granted, as a metric's label
# All who ask within this get the same answer: what the processes say is as old as that anyway.
SHARED_S: Final = 1.0
POLL_S: Final = 0.1


class Asker(Protocol):
    """Asks all processes: an Inquirer."""

    async def ask(self, what: str) -> dict[str, Answer]: ...


class Census:
    """All processes' numbers, asked for only while somebody wants them. `own` are those of this process."""

    def __init__(self, asker: Asker, own: Callable[[], Answer]) -> None:
        self._asker = asker
        self._own = own
        self._turn = asyncio.Lock()
        self._body = b""
        self._made = self._asked = self._began = float("-inf")

    async def body(self) -> bytes:
        """JSON, made at most once in SHARED_S. Without the bus it has this process alone, and is not `complete`."""
        async with self._turn:
            if time.monotonic() - self._made >= SHARED_S:
                answers, complete = await self._answers()
                self._body = rendered(answers, complete=complete, now_s=time.time())
                self._made = time.monotonic()
            return self._body

    async def _answers(self) -> tuple[dict[str, Answer], bool]:
        now = time.monotonic()
        if now - self._asked > 2 * SHARED_S:
            self._began = now  # nobody has answered lately: each process needs its time to see the question
        try:
            answers = await self._asker.ask(METRICS)
            while time.monotonic() - self._began < SETTLED_S:
                await asyncio.sleep(POLL_S)
                answers = await self._asker.ask(METRICS)
        except (BusDown, BusRefused):
            return {"": self._own()}, False
        self._asked = time.monotonic()
        return answers, True


class Operator:
    """Handlers of `/operator...`. Without authentication whoever is on this machine is an operator, if the gateway
    listens there only; where everyone may connect nobody is."""

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
            allowed = self._trusts_loopback and is_loopback(address)
        elif credentials is None:
            raise ProtocolError(Code.NOT_AUTHENTICATED)
        else:
            try:
                allowed = (await self._guests.authenticate(credentials, address)).grant.operator
            except Refused as refused:
                raise ProtocolError(Code.AUTH_FAILED) from refused
        if not allowed:
            raise NotGranted(OPERATOR, "only operators may see this")


def rendered(answers: Mapping[str, Answer], *, complete: bool, now_s: float) -> bytes:
    """The answers of all processes as JSON: who they are, and their metrics joined."""
    told = {process: answer for process, answer in answers.items() if answer.data is not None}
    families = {
        process: [of_plain(*family) for family in answer.data.get("families", ())] for process, answer in told.items()
    }
    return orjson.dumps({
        "t": now_s,
        "complete": complete,
        "processes": [_process(answer) for answer in answers.values()],
        "families": [_plain(family) for family in merged(families, metrics.ACROSS_WORKERS)],
    })  # fmt: skip


def _process(answer: Answer) -> dict[str, Any]:
    name, role, version = answer.who
    data = answer.data or {}
    return {
        "name": name,
        "role": role,
        "version": version,
        "age_s": round(answer.age_s, 3),
        "ready": answer.fault == "" and not data.get("not_ready"),
        "not_ready": answer.fault or data.get("not_ready", ""),
        "connections": data.get("connections", 0),
    }


def _plain(family: Family) -> list[Any]:
    samples = [[name, dict(labels), value] for name, labels, value, _ in family.samples]
    return [family.name, family.kind, samples]


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
