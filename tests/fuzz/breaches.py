"""Attacks with frames: against the standard, against memory, and against whoever has to answer them."""

import random
import struct
from functools import cache

from tests.fuzz.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    Door,
    Plan,
    bomb,
    cut,
    deflated,
    frame,
    upgrade,
)  # fmt: skip
from tests.fuzz.mutate import mutated

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
SUBSCRIBE = b'{"action":"subscribe","trades":["*"]}'
BAD_TEXT = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok \xe2\x82", b"\xf8\x88\x80\x80\x80")
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)
# Lengths that lie: in the short form for the long ones, too long for the gateway, or for anybody.
LENGTHS = (
    b"\x7f" + struct.pack(">Q", 2**63), b"\x7f" + struct.pack(">Q", 2**64 - 1), b"\x7f" + struct.pack(">Q", 2**63 - 1),
    b"\x7f" + struct.pack(">Q", 2**40), b"\x7f" + struct.pack(">Q", 65_537), b"\x7f" + struct.pack(">Q", 2**31),
)  # fmt: skip


@cache
def the_bomb() -> bytes:
    return bomb()


def opened(door: Door, *frames: bytes, deflate: bool = False, **plan: bool) -> Plan:
    return Plan([upgrade(door, more=DEFLATE if deflate else b""), *frames], **plan)


def unmasked(chance: random.Random, door: Door) -> Plan:
    before = frame(FIN | PING) * chance.randint(0, 3)
    bad = frame(
        FIN | chance.choice((TEXT, PING, CLOSE, BINARY)), chance.randbytes(chance.choice((2, 60))), masked=False
    )
    together = upgrade(door) + before + bad
    return Plan([together], must_end=True) if chance.random() < 0.3 else opened(door, before + bad, must_end=True)


def bad_first_bytes(chance: random.Random, door: Door) -> Plan:
    """Opcodes that are none, and bits that nobody agreed on."""
    opcode = chance.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
    bits = chance.choice((RSV2, RSV3, RSV2 | RSV3, RSV1))
    first = chance.choice((FIN | opcode, FIN | TEXT | bits, FIN | PING | (bits & ~RSV1 or RSV2), FIN | CONTINUATION))
    return opened(door, frame(first, b"x"), must_end=True)


def bad_lengths(chance: random.Random, door: Door) -> Plan:
    return opened(
        door, frame(FIN | chance.choice((TEXT, BINARY)), b"x" * 99, length=chance.choice(LENGTHS)), must_end=True
    )


def short_lengths(chance: random.Random, door: Door) -> Plan:
    """Lengths in a longer form than they need, and frames that stop short of theirs."""
    size = chance.randint(0, 125)
    length = chance.choice((b"\x7e" + struct.pack(">H", size), b"\x7f" + struct.pack(">Q", size)))
    return opened(door, frame(FIN | TEXT, b"x" * chance.choice((size, size // 2)), length=length))


def endless_fragments(chance: random.Random, door: Door) -> Plan:
    piece = frame(CONTINUATION, b"x" * chance.choice((1, 100, 1_000)))
    many = 90_000 // (len(piece) - 6) + 2
    return opened(door, frame(TEXT, b"x"), *[piece * 50] * (many // 50 + 1), must_end=True)


def empty_fragments(chance: random.Random, door: Door) -> Plan:
    pieces = [frame(CONTINUATION) * 2_000, frame(FIN | PING, b"p") + frame(CONTINUATION)]
    return opened(door, frame(TEXT), *chance.choices(pieces, k=20))


def bad_controls(chance: random.Random, door: Door) -> Plan:
    """Control frames that are too long, or in fragments."""
    opcode = chance.choice((PING, PONG, CLOSE))
    bad = frame(FIN | opcode, b"x" * chance.choice((126, 65_536))) if chance.random() < 0.5 else frame(opcode, b"xx")
    return opened(door, bad, must_end=True)


def bombs(chance: random.Random, door: Door) -> Plan:
    """60 kB that inflate to 60 MB, whole, in fragments, or many in one read."""
    whole = the_bomb()
    if chance.random() < 0.3:
        small = frame(FIN | RSV1 | TEXT, deflated(b" " * 60_000)) * 2_000
        return opened(door, small, deflate=True, must_end=False)
    if chance.random() < 0.5:
        first, rest = frame(RSV1 | TEXT, whole[:9_000]), frame(FIN | CONTINUATION, whole[9_000:])
        return opened(door, first + rest, deflate=True, must_end=True)
    return opened(door, frame(FIN | RSV1 | TEXT, whole), deflate=True, must_end=True)


def bad_deflate(chance: random.Random, door: Door) -> Plan:
    payload = mutated(chance, [deflated(SUBSCRIBE), deflated(b"x" * 5_000), b"\x07", chance.randbytes(50)], 9_000)
    return opened(door, *cut(chance, frame(FIN | RSV1 | TEXT, payload) * chance.randint(1, 3)), deflate=True)


def bad_texts(chance: random.Random, door: Door) -> Plan:
    bad = frame(FIN | TEXT, SUBSCRIBE + chance.choice(BAD_TEXT))
    if chance.random() < 0.3:
        bad = frame(FIN | CLOSE, struct.pack(">H", 1000) + chance.choice(BAD_TEXT))
    return opened(door, bad, must_end=True)


def bad_closes(chance: random.Random, door: Door) -> Plan:
    payload = struct.pack(">H", chance.choice(BAD_CODES)) if chance.random() < 0.8 else b"\x03"
    return opened(door, frame(FIN | CLOSE, payload), must_end=True)


def data_after_close(chance: random.Random, door: Door) -> Plan:
    after = frame(FIN | TEXT, SUBSCRIBE) * chance.randint(1, 500)
    return opened(door, frame(FIN | CLOSE, struct.pack(">H", 1000)) + after, must_end=True)


def ping_floods(chance: random.Random, door: Door) -> Plan:
    return opened(door, *[frame(FIN | PING, b"x" * chance.choice((0, 125))) * 1_000] * 20, deaf=chance.random() < 0.7)


def mutated_frames(chance: random.Random, door: Door) -> Plan:
    good = [
        frame(FIN | TEXT, SUBSCRIBE) + frame(FIN | PING, b"a"),
        frame(TEXT, SUBSCRIBE[:9]) + frame(FIN | CONTINUATION, SUBSCRIBE[9:]),
        frame(FIN | RSV1 | TEXT, deflated(SUBSCRIBE)) + frame(FIN | CLOSE, struct.pack(">H", 1000)),
        frame(FIN | BINARY, b"\x81\xa6action\xa4ping") * 3,
    ]
    return opened(door, *cut(chance, mutated(chance, good, 70_000)), deflate=chance.random() < 0.5)
