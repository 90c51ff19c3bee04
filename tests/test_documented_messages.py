"""The messages in feed/PROTOCOL.md are, to the letter, those that the code writes."""

import asyncio
import re
from typing import Any
from unittest import mock

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from feed.access.principal import Anyone
from feed.bus.answer import Answer, Who
from feed.bus.store import Past
from feed.core.conflation import Totals
from feed.core.sequence import Epoch, Record
from feed.core.streams import Position, Stream
from feed.core.ticks import Bar, Quote, Trade
from feed.gateway.census import rendered
from feed.gateway.drain import NOTICE, farewell
from feed.gateway.forms import form_of
from feed.gateway.guests import NOTICE as EXPIRING
from feed.gateway.guests import Guests, ending
from feed.gateway.http import Rest, Visitor, faults_answered
from feed.gateway.message import Message
from feed.gateway.operator import Operator
from feed.gateway.session import SLOW
from feed.gateway.status import STALE
from feed.settings import Auth, Drain, Values
from feed.wire import messages
from feed.wire.codec import JSON
from feed.wire.errors import Code, ProtocolError
from tests.test_documents import PROTOCOL, spans

AT, RECV = 1795338308_256600000, 1795338308_257011000
TRADE = Trade("BTC/USDT", 3765012, 60001.5, 0.25, "B", AT, RECV)
QUOTE = Quote("AAPL", None, 231.23, 100.0, 231.25, 300.0, AT, RECV, "Q", "P", ("R",), "C")
BAR = Bar("AAPL", 0, "bars", 231.25, 231.5, 231.0, 231.25, 87153.0, 516, 231.3, AT // 10**9 // 60 * 60 * 10**9, RECV)
SECOND = Bar("BTC/USDT", 0, "bars1s", 60001.0, 60002.5, 60000.5, 60001.5, 1.5, 12, 60001.25, 1795338307 * 10**9, RECV)
EPOCH, KEY = "k3J9x0Lm", "trades:BTC/USDT"
PUBLISHED, ARRIVED, WRITTEN = 1795338308_258020000, 1795338308_259500000, 1795338308259900


def controls() -> list[dict[str, Any]]:
    answer = messages.subscription({"trades": ["BTC/USDT"], "bars1s": ["BTC/USDT"]}, 2) | {"id": 7}
    answer["streams"] = {
        "bars1s:BTC/USDT": messages.stream_state(Position(None, 0), 5.0),
        KEY: messages.stream_state(Position(EPOCH, 131), 5.0, True),
    }
    fault = ProtocolError(Code.INVALID_SYNTAX, "trades: bad symbol 'a b'", 7)
    return [
        messages.CONNECTED,
        messages.AUTHENTICATED,
        messages.subscription({"trades": ["BTC/USDT"], "quotes": ["*"]}, 1),
        answer,
        messages.error(fault, 1),
        messages.error(fault, 2),
        messages.pong(9, JSON.time(AT)),
        messages.heartbeat(JSON.time(AT), {KEY: 131}),
        messages.heartbeat(JSON.time(AT), None),
        messages.status("BTC/USDT", STALE, JSON.time(AT)),
        messages.notice("slow", SLOW, 2150),
        messages.notice(NOTICE, farewell(Drain().window_s)),
        messages.notice(EXPIRING, ending(Auth().expiring_s)),
    ]


def among_data() -> list[bytes]:
    depth_one, plain, stamped = form_of(JSON, 1, False), form_of(JSON, 2, False), form_of(JSON, 2, True)
    return [
        *(depth_one.encode(Message(EPOCH, 132, tick, PUBLISHED, ARRIVED)) for tick in (TRADE, QUOTE, BAR)),
        stamped.encode(Message(EPOCH, 132, TRADE, PUBLISHED, ARRIVED), JSON.stamp(WRITTEN)),
        stamped.encode(Message(EPOCH, 57, SECOND, 0, ARRIVED), snapshot=True),
        plain.encode(Message(EPOCH, 132, TRADE, 0, ARRIVED, totals=Totals(12, 121, 3.5, 60002.5, 60001.0))),
        plain.encode(Message(EPOCH, 57, QUOTE, 0, ARRIVED, totals=Totals(3, 55))),
        *map(
            JSON.message,
            (
                messages.gap(KEY, EPOCH, 121, 130, Position(EPOCH, 131), "bus"),
                messages.gap(KEY, EPOCH, 131, 131, Position(EPOCH, 132), "venue", seq=131, ids=(3765000, 3765011)),
                messages.epoch(KEY, Position("x0LmQ-2a", 140)),
            ),
        ),
    ]


class Shelf:
    """Stands for the store: one stream with one trade."""

    past = Past(Record(132, (Epoch(EPOCH, 1),)), [(132, TRADE)])

    async def directory(self, feed: str) -> frozenset[Stream]:
        return frozenset([Stream(feed, "trades", "BTC/USDT")])

    async def latest(self, streams: list[Stream]) -> list[Past]:
        return [self.past for _ in streams]

    async def history(self, *_: object) -> Past:
        return self.past


def rest(query: str) -> bytes:
    path, _, _ = query.partition("?")
    request = make_mocked_request("GET", f"/v2/binance/{query}", match_info={"feed": "binance"})
    asked = getattr(Rest(["binance"], Shelf(), Guests(Anyone()), lambda _: Visitor(None, "")), path)  # type: ignore[arg-type]
    with mock.patch("time.time_ns", return_value=RECV + 12_000_000):
        response = asyncio.run(faults_answered(lambda _: None)(request, asked))
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    return response.body


def operators() -> list[bytes]:
    """What `/operator` and `/operator/metrics` answer."""
    operator = Operator(Values(), Guests(Anyone()), lambda _: Visitor(None, "127.0.0.1"), mock.Mock())
    whether = asyncio.run(operator.whether(make_mocked_request("GET", "/operator")))
    assert isinstance(whether.body, bytes)
    family = ("feed_gateway_connections", "", "gauge", (("feed_gateway_connections", (("feed", "sim"),), 12.0, None),))
    data = {"families": (family,), "not_ready": "", "connections": 12}
    answer = Answer(Who("host-4711", "gateway", "0.1.0"), 0.4, "", data)
    metrics = asyncio.run(rendered({"host-4711-a1": answer}, complete=True, now_s=1795338308.26))
    return [whether.body, metrics]


def test_every_message_is_one_that_the_code_writes() -> None:
    lines = {line.strip() for line in PROTOCOL.splitlines() if re.match(r"    [\[{]", line)}
    documented = {text for text in lines | {*spans(PROTOCOL)} if re.match(r'\[?\{"', text) and '"action"' not in text}
    written = [JSON.control(control) for control in controls()]
    frames = [data[4 if data[1] == 126 else 2 :] for data in written]
    asked = ["symbols", "latest?kind=trades&symbols=BTC/USDT", f"history?stream={KEY}&since={EPOCH}:120"]
    answers = [rest(query) for query in (*asked, f"history?stream={KEY}&since=x")]
    assert documented == {data.decode() for data in (*frames, *among_data(), *answers, *operators())}
