"""REST beside the stream: symbols, last values, recent history, in the stream's own message shape."""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from feed import metrics
from feed.access.principal import Credentials, Refused
from feed.bus.entry import Entry
from feed.bus.errors import BusDown
from feed.bus.store import Past, Store
from feed.core.grant import EVERYTHING, Grant
from feed.core.sequence import Record, route
from feed.core.streams import Position, Stream, parse_stream, valid_symbol
from feed.core.ticks import KINDS, NS_PER_S, Gap, Tick
from feed.gateway.entitled import FEED, KIND, SYMBOL, NotGranted
from feed.gateway.guests import Guests
from feed.gateway.message import of_entry
from feed.wire import messages
from feed.wire.codec import JSON
from feed.wire.errors import TEXT, Code, ProtocolError
from feed.wire.messages import Fields

MAX_SYMBOLS: Final = 1_000
DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 1_000
STATUS: Final = {
    Code.INVALID_SYNTAX: 400,
    Code.NOT_AUTHENTICATED: 401,
    Code.AUTH_FAILED: 401,
    Code.INSUFFICIENT_SUBSCRIPTION: 403,
}


class Visitor(NamedTuple):
    """Who sends a request: what it presents, and the address that it comes from."""

    credentials: Credentials | None
    address: str


class Rest:
    """Handlers of `/v2/{feed}/...`. They ask Redis, so that they answer for every stream, live here or not."""

    def __init__(
        self, feeds: list[str], store: Store, guests: Guests, visitor: Callable[[web.Request], Visitor]
    ) -> None:
        self._feeds = feeds
        self._store = store
        self._guests = guests
        self._visitor = visitor

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/{feed}/symbols", self.symbols),
            web.get("/v2/{feed}/latest", self.latest),
            web.get("/v2/{feed}/history", self.history),
        ]

    async def symbols(self, request: web.Request) -> web.Response:
        feed, grant = await self._admit(request)
        streams = sorted(filter(grant.allows, await self._store.directory(feed)))
        now = time.time_ns()
        pasts = await self._store.latest(streams)
        return _json({
            "feed": feed,
            "symbols": sorted({stream.symbol for stream in streams}),
            "streams": {stream.key: _state(past, now) for stream, past in zip(streams, pasts, strict=True)},
        })  # fmt: skip

    async def latest(self, request: web.Request) -> web.Response:
        feed, grant = await self._admit(request)
        kind = request.query.get("kind", "")
        if kind not in KINDS:
            raise _bad(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
        symbols = [symbol for symbol in request.query.get("symbols", "").split(",") if symbol]
        if not 1 <= len(symbols) <= MAX_SYMBOLS:
            raise _bad(f"symbols: name 1 to {MAX_SYMBOLS}, separated by commas")
        wrong = next((symbol for symbol in symbols if not valid_symbol(symbol)), None)
        if wrong is not None:
            raise _bad(f"symbols: bad symbol {wrong!r}")
        streams = [Stream(feed, kind, symbol) for symbol in dict.fromkeys(symbols)]
        _check(grant, streams)
        pasts = await self._store.latest(streams)
        found = zip(streams, pasts, strict=True)
        return _array([_entry(stream, past, *last) for stream, past in found if (last := _last(past)) is not None])

    async def history(self, request: web.Request) -> web.Response:
        feed, grant = await self._admit(request)
        try:
            stream = parse_stream(f"{feed}:{request.query.get('stream', '')}")
        except ValueError as error:
            raise _bad(str(error)) from error
        _check(grant, [stream])
        since = _position(request.query.get("since"))
        limit = _limit(request.query.get("limit"))
        past = await (
            self._store.recent(stream, limit) if since is None else self._store.history(stream, since.seq + 1, limit)
        )
        if past.record is None:
            return _array([])
        expected, gap = None, None
        if since is not None:
            way = route(since, past.record)
            expected = Position(since.epoch, way.first)
            if way.cut:
                past, expected = await self._store.history(stream, way.first, limit), None
                gap = messages.gap(stream.key, since.epoch, since.seq + 1, None, _start(past), "history")
        return _array(_history(stream, past, expected, gap, limit))

    async def _admit(self, request: web.Request) -> tuple[str, Grant]:
        """The feed that is asked about, and what of it is granted. Raises HTTPNotFound; ProtocolError where the stream
        would want other credentials."""
        feed = request.match_info["feed"]
        if feed not in self._feeds:
            raise web.HTTPNotFound(text=f"no feed {feed!r}: this gateway carries {', '.join(self._feeds)}\n")
        if not self._guests.required:
            return feed, EVERYTHING
        credentials, address = self._visitor(request)
        if credentials is None:
            raise ProtocolError(Code.NOT_AUTHENTICATED)
        try:
            grant = (await self._guests.authenticate(credentials, address)).grant
        except Refused as refused:
            raise ProtocolError(Code.AUTH_FAILED) from refused
        if not grant.allows_feed(feed):
            raise NotGranted(FEED, f"the feed {feed} is not granted")
        return feed, grant


def faults_answered(check: Callable[[web.Request], None]) -> Middleware:
    """Turns what handlers raise into answers with a code and a sentence. `check` sees each request first: a middleware
    of its own would cost every WebSocket another frame for as long as it lives."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check(request)
            return await handler(request)
        except ProtocolError as fault:
            if isinstance(fault, NotGranted):
                metrics.GATEWAY_REFUSALS.labels(fault.what).inc()
            status = STATUS[fault.code]
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            return _json(_error(int(fault.code), TEXT[fault.code], fault.detail), status, headers)
        except BusDown as error:
            return _json(_error(503, "the bus did not answer", str(error)), 503, {"Retry-After": "1"})

    return answer


def _check(grant: Grant, streams: list[Stream]) -> None:
    """Raises NotGranted for the first stream that may not be had."""
    for stream in streams:
        if not grant.allows(stream):
            raise NotGranted(SYMBOL if grant.allows_kind(stream.kind) else KIND, f"{stream.key} is not granted")


def _history(stream: Stream, past: Past, expected: Position | None, gap: Fields | None, limit: int) -> list[bytes]:
    """Messages of a stretch of log. What is missing before, between or behind its entries is named."""
    out = [orjson.dumps(gap)] if gap else []
    record = past.record
    if record is None:
        return out
    cause = "history"
    for seq, entry in past.entries:
        if expected is not None and seq > expected.seq:
            out.append(_hole(stream, record, expected, seq, cause))
        out.append(_entry(stream, past, seq, entry))
        expected, cause = Position(record.epoch_of(seq), seq + 1), "bus"
    if expected is not None and len(past.entries) < limit and record.seq >= expected.seq:
        out.append(_hole(stream, record, expected, record.seq + 1, cause))
    return out


def _hole(stream: Stream, record: Record, first: Position, found: int, cause: str) -> bytes:
    after = Position(record.epoch_of(found), found)
    return orjson.dumps(messages.gap(stream.key, first.epoch, first.seq, found - 1, after, cause))


def _entry(stream: Stream, past: Past, seq: int, entry: Entry) -> bytes:
    epoch = past.record.epoch_of(seq) if past.record else None
    message = of_entry(stream.key, epoch, seq, entry, 0, 0)
    if message.tick is None:
        return orjson.dumps(message.fields)
    return JSON.depth_two(message.body(JSON, message.tick), message.tick, seq, {"epoch": epoch})


def _last(past: Past) -> tuple[int, Tick] | None:
    return next(((seq, entry) for seq, entry in past.entries if not isinstance(entry, Gap)), None)


def _state(past: Past, now_ns: int) -> dict[str, Any]:
    """A stream's position, and how long ago its last tick was received, in seconds."""
    last = _last(past)
    at = past.record.position if past.record else Position(None, 0)
    age_s = round((now_ns - last[1].ts_recv) / NS_PER_S, 3) if last else None
    return {"epoch": at.epoch, "seq": at.seq, "age_s": age_s}


def _start(past: Past) -> Position:
    """Where a stretch of log begins; its end where it is empty."""
    if past.record is None:
        return Position(None, 0)
    first = past.entries[0][0] if past.entries else past.record.seq + 1
    return Position(past.record.epoch_of(first), first)


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    epoch, _, seq = text.rpartition(":")
    if not epoch or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
        raise _bad(f"since: {text!r} is not EPOCH:SEQ")
    return Position(epoch, int(seq))


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise _bad(f"limit: {text!r} is not a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _bad(detail: str) -> ProtocolError:
    return ProtocolError(Code.INVALID_SYNTAX, detail)


def _error(code: int, text: str, detail: str) -> Fields:
    return {"code": code, "msg": text, "detail": detail} if detail else {"code": code, "msg": text}


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def _array(parts: list[bytes]) -> web.Response:
    return web.Response(body=b"[%b]" % b",".join(parts), content_type="application/json")
