"""REST beside the stream: symbols, last values, recent history, in the stream's own message shape."""

import time
from typing import Any, Final

import orjson
from aiohttp import web

from feed.bus.errors import BusDown
from feed.bus.store import Past, Store
from feed.core.sequence import route
from feed.core.streams import Position, Stream, parse_stream, valid_symbol
from feed.core.ticks import KINDS, NS_PER_S, Gap, Tick
from feed.gateway.forms import Message
from feed.wire import messages
from feed.wire.codec import JSON

MAX_SYMBOLS: Final = 1_000
DEFAULT_LIMIT: Final = 1_000
MAX_LIMIT: Final = 10_000


class BadRequest(Exception):
    """A query that can't be answered; its text says which part of it."""


class Rest:
    """Handlers of `/v2/{feed}/...`. They ask Redis, so that they answer for every stream, live here or not."""

    def __init__(self, feeds: list[str], store: Store) -> None:
        self._feeds = feeds
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/{feed}/symbols", self.symbols),
            web.get("/v2/{feed}/latest", self.latest),
            web.get("/v2/{feed}/history", self.history),
        ]

    async def symbols(self, request: web.Request) -> web.Response:
        feed = self._feed(request)
        streams = sorted(await self._store.directory(feed))
        now = time.time_ns()
        pasts = await self._store.latest(streams)
        return _json({
            "feed": feed,
            "symbols": sorted({stream.symbol for stream in streams}),
            "streams": {stream.key: _state(past, now) for stream, past in zip(streams, pasts, strict=True)},
        })  # fmt: skip

    async def latest(self, request: web.Request) -> web.Response:
        feed = self._feed(request)
        kind = request.query.get("kind", "")
        if kind not in KINDS:
            raise BadRequest(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
        symbols = [symbol for symbol in request.query.get("symbols", "").split(",") if symbol]
        if not 1 <= len(symbols) <= MAX_SYMBOLS:
            raise BadRequest(f"symbols: name 1 to {MAX_SYMBOLS}, separated by commas")
        wrong = next((symbol for symbol in symbols if not valid_symbol(symbol)), None)
        if wrong is not None:
            raise BadRequest(f"symbols: bad symbol {wrong!r}")
        streams = [Stream(feed, kind, symbol) for symbol in dict.fromkeys(symbols)]
        pasts = await self._store.latest(streams)
        found = [_last(past) for past in pasts]
        return _array([_message(past, *last) for past, last in zip(pasts, found, strict=True) if last is not None])

    async def history(self, request: web.Request) -> web.Response:
        feed = self._feed(request)
        try:
            stream = parse_stream(f"{feed}:{request.query.get('stream', '')}")
        except ValueError as error:
            raise BadRequest(str(error)) from error
        since = _position(request.query.get("since"))
        limit = _limit(request.query.get("limit"))
        past = await self._store.history(stream, since.seq + 1 if since else 0, limit)
        if past.record is None:
            return _array([])
        first, gap = since.seq + 1 if since else None, None
        if since is not None:
            way = route(since, past.record)
            first = way.first
            if way.cut:
                past = await self._store.history(stream, way.first, limit)
                start = Position(past.record.epoch if past.record else None, way.first)
                gap = messages.gap(stream.key, since.epoch, since.seq + 1, None, start, "history")
        return _array(_history(stream, past, first, gap))

    def _feed(self, request: web.Request) -> str:
        feed = request.match_info["feed"]
        if feed not in self._feeds:
            raise web.HTTPNotFound(text=f"no feed {feed!r}: this gateway carries {', '.join(self._feeds)}\n")
        return feed


@web.middleware
async def answer_faults(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turns what REST handlers raise into answers with a code and a sentence."""
    try:
        response: web.StreamResponse = await handler(request)
    except BadRequest as error:
        return _json({"code": 400, "msg": "invalid syntax", "detail": str(error)}, status=400)
    except BusDown as error:
        body = {"code": 503, "msg": "the bus did not answer", "detail": str(error)}
        return _json(body, status=503, headers={"Retry-After": "1"})
    return response


def _history(stream: Stream, past: Past, first: int | None, gap: dict[str, Any] | None) -> list[bytes]:
    """Messages of a stretch of log; what is missing before its first entry is named."""
    out = [orjson.dumps(gap)] if gap else []
    if past.record is None:
        return out
    if past.entries and first is not None and past.entries[0][0] > first:
        found = past.entries[0][0]
        epoch = past.record.epoch_of(first)
        after = Position(past.record.epoch_of(found), found)
        out.append(orjson.dumps(messages.gap(stream.key, epoch, first, found - 1, after, "history")))
    for seq, entry in past.entries:
        if isinstance(entry, Gap):
            at = Position(past.record.epoch_of(seq), seq + 1)
            fields = messages.gap(stream.key, at.epoch, seq, seq, at, entry.cause, seq=seq, ids=entry.ids)
            out.append(orjson.dumps(fields))
        else:
            out.append(_message(past, seq, entry))
    return out


def _message(past: Past, seq: int, tick: Tick) -> bytes:
    message = Message(tick, seq, 0, 0)
    epoch = past.record.epoch_of(seq) if past.record else None
    return JSON.depth_two(message.body(JSON, tick), tick, seq, {"epoch": epoch})


def _last(past: Past) -> tuple[int, Tick] | None:
    return next(((seq, entry) for seq, entry in past.entries if not isinstance(entry, Gap)), None)


def _state(past: Past, now_ns: int) -> dict[str, Any]:
    """A stream's position, and how long ago its last tick was received, in seconds."""
    last = _last(past)
    at = past.record.position if past.record else Position(None, 0)
    age_s = round((now_ns - last[1].ts_recv) / NS_PER_S, 3) if last else None
    return {"epoch": at.epoch, "seq": at.seq, "age_s": age_s}


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    epoch, _, seq = text.rpartition(":")
    if not epoch or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
        raise BadRequest(f"since: {text!r} is not EPOCH:SEQ")
    return Position(epoch, int(seq))


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MAX_LIMIT):
        raise BadRequest(f"limit: {text!r} is not a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def _array(parts: list[bytes]) -> web.Response:
    return web.Response(body=b"[%b]" % b",".join(parts), content_type="application/json")
