"""Attacks in well-formed frames: commands that are nearly right, too deep, too many, or from strangers who guess."""

import base64
import json
import random

from tests.fuzz.corpus import corpus
from tests.fuzz.frames import BINARY, FIN, TEXT, Door, Plan, frame, upgrade
from tests.fuzz.mutate import mutated
from tests.fuzz.parser import encoded
from tests.fuzz.shape import shaped

SPEECH = (b"", b"Content-Type: application/msgpack\r\n", b"Sec-WebSocket-Protocol: feed.v1.json\r\n",
          b"Sec-WebSocket-Protocol: feed.v1.msgpack\r\n")  # fmt: skip
DEEP = (
    b"[" * 60_000, b'{"a":' * 10_000, b'{"action":' + b"[" * 900 + b"]" * 900 + b"}", b'{"id":' + b"9" * 60_000 + b"}",
    b'{"action":"ping",' * 3_000, b'{"action":"ping","action":"subscribe","trades":["*"]}', b'{"action":"\\ud800"}',
    b'{"action":"echo","tw":-9223372036854775808}', b'{"action":"echo","tw":18446744073709551615}', b"\xef\xbb\xbf{}",
)  # fmt: skip
DEEP_PACKED = (
    b"\x91" * 60_000, b"\x81\xa1a" * 20_000, b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xdc\xff\xff" + b"\xc0" * 60_000, b"\x81\xa6action\xc1",
    b"\x82\xa6action\xa4echo\xa2tw\xcf" + b"\xff" * 8, b"\x81\xa6action\xd7\xff" + b"\xff" * 8,
)  # fmt: skip
FLOODS = (
    {"action": "ping"}, {"action": "subscribe", "trades": ["*", *map(str, range(3_000))]},
    {"action": "auth", "key": "fk_AAAAAAAAAAAAAAAA", "secret": "fs_"}, {"action": "unsubscribe", "quotes": ["*"]},
)  # fmt: skip
UNINVITED = (
    {"action": "subscribe", "trades": ["*"], "quotes": ["*"], "bars": ["*"]},
    {"action": "unsubscribe", "trades": ["*"]},
    {"action": "subscribe", "quotes": ["SIM1"], "snapshot": True, "since": {"quotes:SIM1": {"epoch": None, "seq": 0}}},
)


def spoken(chance: random.Random, door: Door, *messages: tuple[bool, bytes]) -> Plan:
    """A connection of one encoding and depth, and the messages that are of this encoding."""
    way = chance.randrange(4)
    packed = bool(way & 1)
    first = FIN | (BINARY if packed else TEXT)
    fits = [frame(first, data) for is_packed, data in messages if is_packed == packed]
    return Plan([upgrade(door, more=SPEECH[way]), *fits])


def mutated_commands(chance: random.Random, door: Door) -> Plan:
    changed = ((p, mutated(chance, corpus(packed=p), 60_000)) for p in (False, True) for _ in range(20))
    return spoken(chance, door, *changed)


def shaped_commands(chance: random.Random, door: Door) -> Plan:
    shapes = [shaped(chance.randbytes(chance.randint(1, 40))) for _ in range(20)]
    return spoken(chance, door, *((p, encoded(shape, packed=p)) for p in (False, True) for shape in shapes))


def deep_commands(chance: random.Random, door: Door) -> Plan:
    plain, packed = ((is_packed, chance.choice(some)) for is_packed, some in ((False, DEEP), (True, DEEP_PACKED)))
    return spoken(chance, door, plain, packed, plain, packed)


def command_floods(chance: random.Random, door: Door) -> Plan:
    command = chance.choice(FLOODS)
    writes = ((packed, encoded(command, packed=packed)) for packed in (False, True))
    upgrading, *flood = spoken(chance, door, *writes).writes
    return Plan([upgrading, *[flood[0] * 10] * 30], deaf=chance.random() < 0.3)


def uninvited(chance: random.Random, door: Door) -> Plan:  # noqa: ARG001 - whoever it is, comes without a key
    """A stranger's commands: everything but `auth`."""
    return spoken(chance, Door(), *((p, encoded(command, packed=p)) for command in UNINVITED for p in (False, True)))


def guessed(chance: random.Random, door: Door) -> Plan:
    """A stranger who guesses: keys that exist with secrets that don't, keys that don't, tokens that nobody signed."""
    made_up = "fk_" + base64.b32encode(chance.randbytes(10)).decode()
    key = chance.choice((known_key(door), made_up, "", "*", "jwt", "a" * 500))
    secret = chance.choice(("fs_" + text(chance.randbytes(32)), "", "*", known_key(door), token(chance)))
    if chance.random() < 0.4:
        line = b"APCA-API-KEY-ID: %s\r\nAPCA-API-SECRET-KEY: %s\r\n" % (key.encode(), secret.encode())
        line = chance.choice((line, b"Authorization: Bearer %s\r\n" % token(chance).encode()))
        way = chance.choice((upgrade(Door(line)), b"GET /v2/sim/symbols HTTP/1.1\r\nHost: a\r\n%s\r\n" % line))
        return Plan([way, frame(FIN | TEXT, b'{"action":"subscribe","trades":["*"]}')])
    auth = chance.choice(({"action": "auth", "key": key, "secret": secret}, {"action": "auth", "token": token(chance)}))
    return spoken(chance, Door(), *((p, encoded(c, packed=p)) for c in (auth, *UNINVITED) for p in (False, True)))


def token(chance: random.Random) -> str:
    """One that is signed by nobody, or by a guess."""
    kid = chance.choice(("a", "../../dev/null", None))
    head = {"alg": chance.choice(("none", "None", "HS256", "RS256", "ES256", "", None)), "typ": "JWT", "kid": kid}
    claims = {"sub": "a", "exp": chance.choice((2**40, 2**80, -1, "x")), "feeds": ["*"], "aud": "feed", "iss": "feed"}
    signature = chance.randbytes(chance.choice((0, 32)))
    return ".".join(map(text, (json.dumps(head).encode(), json.dumps(claims).encode(), signature)))


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def known_key(door: Door) -> str:
    """The id of a key that is in force: ids are no secrets."""
    words = door.headers.split()
    return words[1].decode() if len(words) > 1 else "fk_AAAAAAAAAAAAAAAA"


def is_in(said: bytes) -> bool:
    """Whether the gateway let someone in: it said so, answered a subscription, or gave ticks away."""
    return any(mark in said for mark in MARKS)


# What is said to those who are in and to nobody else, in both encodings and by REST.
MARKS = (
    b'"msg":"authenticated"', b'"T":"subscription"', b'"T":"t"', b'"T":"q"', b'"T":"b"', b'{"feed":"sim"',
    b"\xa3msg\xadauthenticated", b"\xa1T\xacsubscription", b"\xa1T\xa1t", b"\xa1T\xa1q", b"\xa1T\xa1b",
)  # fmt: skip
