"""Attacks on the handshake and on HTTP: heads too large, too slow, too many, twice, or nearly right."""

import random

from tests.fuzz.frames import Door, Plan, cut, upgrade
from tests.fuzz.mutate import mutated

KEY = b"Sec-WebSocket-Key: "
PATHS = (
    b"http://127.0.0.1/v2/sim", b"http://evil.example/v2/sim", b"//evil.example/v2/sim", b"*", b"evil.example:443",
    b"/v2/sim%00", b"/v2/%73im", b"/v2/sim%2f..%2f", b"/v2/../v2/sim", b"/v2/sim\x00", b"/v2/%ff%fe",
    b"/v2/%c0%ae%c0%ae", b"/v2/" + b"a" * 9_000, b"/v2/sim?" + b"a=b&" * 2_000, b"/v2/sim#x", b"/v2/sim;x", b"/%",
    b"/v2/%", b"", b"\\v2\\sim", b"/v2/sim/latest?kind=%00&symbols=%2a", b"/v2/sim/history?stream=trades:*&limit=-1",
    b"/v2/sim/symbols/%2e%2e", b"/v2/{feed}", b"/v2/sim/history?since=" + b"9" * 400, b"/../../etc/passwd",
    b"/%2e%2e/%2e%2e/etc/passwd", b"/v2/sim/symbols", b"/v2/sim/latest?kind=trades&symbols=AAPL",
)  # fmt: skip
# In place of a body's one length: nothing here takes a body, and two who read the same must not differ on its end.
BODIES = (
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/sim/symbols HTTP/1.1\r\nHost: a\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", b"Content-Length: -1\r\n\r\n",
    b"Content-Length: +5\r\n\r\nhello", b"Content-Length: 99999999999999999999\r\n\r\n",
    b"Content-Length: 0x5\r\n\r\nhello", b"Content-Length: 5 \x0b\r\n\r\nhello",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 9_000 + b"\r\n", b"X: a\r\n b\r\n\r\n", b"X\r\n\r\n",
    b": x\r\n\r\n", b"X\x00: a\r\n\r\n", b"X: a\x00b\r\n\r\n", b"X: a\rb\r\n\r\n",
    b"Content-Length: 3\n\nabcGET / HTTP/1.1\n\n",
    b"Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n" + b"x" * 200_000,
)  # fmt: skip
WRONG = (
    (b"Version: 13", b"Version: 12"), (b"Version: 13", b"Version: 999999999999"), (b"Version: 13", b"Version: "),
    (KEY, KEY + b"!!!!"), (KEY, b"X: "), (KEY, KEY + b"\r\n" + KEY), (b"Upgrade: websocket", b"Upgrade: h2c"),
    (b"Connection: Upgrade", b"Connection: close"), (b"GET", b"POST"), (b"GET", b"CONNECT"),
    (b"GET", b"\x16\x03\x01"), (b"HTTP/1.1", b"HTTP/1.0"), (b"HTTP/1.1", b"HTTP/2.0"), (b"HTTP/1.1", b"HTTP/9.9"),
    (b"HTTP/1.1", b"HTTP/1.1 x"), (b"Host: 127.0.0.1", b"Host: a\r\nHost: b"), (b"Host: 127.0.0.1", b"Host: [::1"),
    (b"Host: 127.0.0.1", b"X: y"),
)  # fmt: skip
OFFERS = (
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99\r\n",
    b"Sec-WebSocket-Extensions: " + b"permessage-deflate; a=b, " * 300 + b"\r\n",
    b"Sec-WebSocket-Extensions: " + b"permessage-deflate" + b"; x" * 2_000 + b"\r\n",
    b'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="\xff"\r\n',
    b"Sec-WebSocket-Protocol: " + b"feed.v1.json, " * 500 + b"\r\n", b"Sec-WebSocket-Protocol: \xff\xfe,,;\r\n",
    b"Sec-WebSocket-Protocol: feed.v1.msgpack, feed.v1.json\r\nContent-Type: application/msgpack\r\n",
    b"Origin: null\r\n", b"Origin: http://evil.example\r\n", b"Origin: http://[\r\n", b"Origin: \xff\r\n",
    b"X-Forwarded-For: " + b"1.2.3.4, " * 800 + b"\r\n", b"X-Forwarded-For: \xff, ::, 999.1.1.1\r\n",
    b"Cookie: a=\xff; " + b"b" * 7_000 + b"\r\n",
)  # fmt: skip


def mutated_heads(chance: random.Random, door: Door) -> Plan:
    return Plan(cut(chance, mutated(chance, [upgrade(door), upgrade(door, b"/v2/sim/symbols")], 4_096)))


def wrong_heads(chance: random.Random, door: Door) -> Plan:
    return Plan([upgrade(door, more=chance.choice((b"", b"", *OFFERS))).replace(*chance.choice(WRONG), 1)])


def odd_offers(chance: random.Random, door: Door) -> Plan:
    return Plan([upgrade(door, more=b"".join(chance.sample(OFFERS, 2)))])


def paths(chance: random.Random, door: Door) -> Plan:
    path = chance.choice(PATHS)
    if chance.random() < 0.4:
        path = mutated(chance, PATHS, 9_000).translate(None, b" \r\n")
    return Plan([b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n" % (path, door.headers)])


def bodies(chance: random.Random, door: Door) -> Plan:
    head = chance.choice((b"POST", b"GET", b"GET")) + b" /v2/sim/symbols HTTP/1.1\r\nHost: 127.0.0.1\r\n" + door.headers
    return Plan(cut(chance, head + chance.choice(BODIES)))


def huge_heads(chance: random.Random, door: Door) -> Plan:
    """Lines too long, or too many of them."""
    many = chance.choice((b"X: %s\r\n" % (b"y" * 1_000_000), b"".join(b"X-%d: y\r\n" % n for n in range(50_000))))
    return Plan([upgrade(door, more=many)], must_end=True)


def endless_heads(chance: random.Random, door: Door) -> Plan:
    """Slow loris: a head that goes on for as long as it is listened to."""
    head = upgrade(door)[: chance.choice((1, 20, -2))]
    return Plan([head, *([b"X-%d: y\r\n" % chance.randrange(99)] * 40)], must_end=True, pace_s=0.2)


def pipelined(chance: random.Random, door: Door) -> Plan:
    path = chance.choice((b"/", b"/v2/sim/symbols", b"/nothing"))
    many = b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, door.headers) * chance.randint(2, 500)
    return Plan([many + chance.choice((b"", upgrade(door), b"GET"))], deaf=chance.random() < 0.3)
