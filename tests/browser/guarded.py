"""A gateway that a test steers, and that serves only those whom it knows."""

from typing import Any

from aiohttp import web

from tests.browser.page_gateway import PageGateway
from tests.fakes.gateway import Client, Message

GOOD = ({"key": "fk_a", "secret": "fs_b"}, {"token": "t1"}, {"token": "t2"})
HEADERS = (("APCA-API-KEY-ID", "fk_a"), ("Authorization", "Bearer t1"), ("Authorization", "Bearer t2"))


class GuardedGateway(PageGateway):
    """`denied` streams are not granted to anybody; `refusal` is the error and the close for who is not let in."""

    def __init__(self, symbols: list[str]) -> None:
        super().__init__(symbols)
        self.known: set[Client] = set()
        self.shown: list[Message] = []
        self.denied: set[str] = set()
        self.refusal = (402, 4501)
        self.good: tuple[Message, ...] = GOOD
        self.asked: list[dict[str, str]] = []  # headers of REST

    async def _symbols(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.headers))
        if not any(request.headers.get(name) == value for name, value in HEADERS):
            return web.json_response({"code": 401, "msg": "not authenticated"}, status=401)
        return await super()._symbols(request)

    async def _command(self, client: Client, command: Message) -> None:
        if command["action"] == "auth":
            await self._judge(client, {name: value for name, value in command.items() if name != "action"})
        elif client not in self.known and command["action"] != "ping":
            await client.send({"T": "error", "code": 401, "msg": "not authenticated", "id": command["id"]})
        elif command["action"] == "subscribe" and (refused := self._refused(command)):
            error: Message = {"T": "error", "code": 409, "msg": "insufficient subscription", "id": command["id"]}
            await client.send({**error, "detail": refused})
        else:
            await super()._command(client, command)

    async def _judge(self, client: Client, shown: Message) -> None:
        self.shown.append(shown)
        if shown in self.good:
            self.known.add(client)
            await client.send({"T": "success", "msg": "authenticated"})
            return
        error, close = self.refusal
        await client.send({"T": "error", "code": error, "msg": "no"})
        await client.ws.close(code=close)

    def _refused(self, command: dict[str, Any]) -> str:
        named = (f"{kind}:{symbol}" for kind in ("trades", "quotes", "bars") for symbol in command.get(kind, []))
        return next((stream for stream in named if stream in self.denied), "")
