"""What is agreed on about compression, and compressed frames as an independent client reads them."""

import asyncio
import random
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from aiohttp import WSMsgType
from aiohttp.http import WebSocketWriter
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.headers import build_extension, parse_extension
from websockets.typing import ExtensionName

from feed.wire.deflate import MIN_BYTES, WINDOW_BITS, agreed, compressed
from feed.wire.frames import BINARY, TEXT, frame, payload
from tests.wire.reading import frames_of

PMD = "permessage-deflate"
SNCT = "server_no_context_takeover"
CNCT = "client_no_context_takeover"
SMWB = "server_max_window_bits"
CMWB = "client_max_window_bits"


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        # RFC 7692, the examples of sections 5 and 7
        (PMD, PMD),
        (f"{PMD}; {CMWB}; {SMWB}=10", ""),
        (f"{PMD}; {CMWB}; {SMWB}=10, {PMD}; {CMWB}", PMD),
        (f"{PMD}; {SNCT}", f"{PMD}; {SNCT}"),
        (f"{PMD}; {CMWB}=10", PMD),
        # what Chromium, websockets and Go's gorilla ask for
        (f"{PMD}; {CMWB}", PMD),
        (f"{PMD}; {SMWB}=12; {CMWB}=12", f"{PMD}; {SMWB}=12"),
        (f"{PMD}; {SNCT}; {CNCT}", f"{PMD}; {SNCT}; {CNCT}"),
        # windows: ours, the largest, smaller ones, and none at all
        (f"{PMD}; {SMWB}={WINDOW_BITS}", f"{PMD}; {SMWB}={WINDOW_BITS}"),
        (f"{PMD}; {SMWB}=15", f"{PMD}; {SMWB}=15"),
        *((f"{PMD}; {SMWB}={bits}", "") for bits in ("8", "9", "11", "7", "16", "010", "+12", "1 2", '""', "12.0")),
        *((f"{PMD}; {CMWB}={bits}", PMD) for bits in ("8", "9", "15", '"10"')),
        *((f"{PMD}; {CMWB}={bits}", "") for bits in ("7", "16", "09", "x", '"')),
        (f"{PMD}; {SMWB}", ""),
        # values quoted, and space wherever it may be
        (f'{PMD}; {SMWB}="13"', f"{PMD}; {SMWB}=13"),
        (f"\t{PMD} ;{SNCT}\t;  {SMWB} = 14 ", f"{PMD}; {SNCT}; {SMWB}=14"),
        # flags with a value, parameters twice, unknown ones, malformed ones
        (f"{PMD}; {SNCT}=1", ""),
        (f"{PMD}; {CNCT}=true", ""),
        (f"{PMD}; {CNCT}; {CNCT}", ""),
        (f"{PMD}; {SMWB}=12; {SMWB}=12", ""),
        (f"{PMD}; {CMWB}; {CMWB}=12", ""),
        (f"{PMD}; mux", ""),
        (f"{PMD}; {SNCT.upper()}", ""),
        (f"{PMD};", ""),
        (f"{PMD}; ; {SNCT}", ""),
        (f"{PMD}; ={SNCT}", ""),
        (f"{PMD} {SNCT}", ""),
        # the first offer that can be kept, whatever stands before and after it
        (f"foo, {PMD}", PMD),
        (f"x-webkit-deflate-frame; no_context_takeover, {PMD}; {SNCT}", f"{PMD}; {SNCT}"),
        (f"{PMD}; {SMWB}=8, {PMD}; nonsense, {PMD}; {CNCT}, {PMD}; {SNCT}", f"{PMD}; {CNCT}"),
        (f",, {PMD} ,", PMD),
        ("", ""),
        (",", ""),
        (";", ""),
        ("permessage-bzip2", ""),
        (f"{PMD}-2", ""),
    ],
)
def test_what_is_answered_to_an_offer(offered: str, answer: str) -> None:
    assert agreed([offered]) == answer


def test_offers_in_several_headers_are_one_list() -> None:
    assert agreed([]) == ""
    assert agreed(["foo", f"{PMD}; {SMWB}=9", f"{PMD}; {SNCT}, {PMD}"]) == f"{PMD}; {SNCT}"


@given(st.lists(st.text() | st.text(f'{PMD} ;="\\,_{SMWB}0123456789').map(f"{PMD}; ".__add__)))
def test_whatever_is_offered_the_answer_is_one_that_was_asked_for(headers: list[str]) -> None:
    answer = agreed(headers)
    assert answer == "" or answer.split(";")[0] == PMD
    assert all(part.strip().split("=")[0] in " ".join(headers) for part in answer.split(";") if answer)


FLAG = st.booleans()


@given(FLAG, FLAG, st.none() | st.integers(8, 15), st.none() | st.just(True) | st.integers(9, 15))
def test_an_independent_client_takes_the_answer(
    snct: bool, cnct: bool, server_bits: int | None, client_bits: int | None
) -> None:
    factory = ClientPerMessageDeflateFactory(snct, cnct, server_bits, client_bits)
    answer = agreed([build_extension([(ExtensionName(PMD), list(factory.get_request_params()))])])
    assert bool(answer) == (server_bits is None or server_bits >= WINDOW_BITS)
    if answer:
        ((name, parameters),) = parse_extension(answer)
        extension = factory.process_response_params(parameters, [])  # raises where it does not like it
        assert (name, extension.remote_no_context_takeover) == (PMD, snct)


# Frames


def read(frames: Iterable[bytes], window_bits: int = WINDOW_BITS, *, fresh: bool = False) -> list[bytes]:
    """The payloads, as a client reads them that keeps one inflater for the connection, or has a fresh one for each."""
    extension = PerMessageDeflate(fresh, True, window_bits, 15)
    return [bytes(found.data) for data in frames for found in frames_of(data, extension)]


def squeezed(texts: Iterable[bytes], opcode: int = TEXT) -> list[bytes]:
    return [compressed(frame(opcode, text)) for text in texts]


TEXTS = st.binary(max_size=300) | st.tuples(st.binary(min_size=1, max_size=60), st.integers(1, 3_000)).map(
    lambda times: times[0] * times[1]
)


@given(st.lists(TEXTS, max_size=12), FLAG, st.integers(WINDOW_BITS, 15), st.data())
def test_frames_are_read_whatever_came_before_them(
    texts: list[bytes], fresh: bool, bits: int, data: st.DataObject
) -> None:
    frames = squeezed(texts)
    # others get them too, from the middle on, or with frames of their own in between
    shown = data.draw(st.lists(st.integers(0, max(0, len(frames) - 1)), max_size=20)) if frames else []
    assert read([frames[index] for index in shown], bits, fresh=fresh) == [texts[index] for index in shown]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [MIN_BYTES, 1_000, 70_000, 200_000])
def test_a_frame_of_any_length_is_smaller_and_marked(size: int, opcode: int) -> None:
    text = (b'{"T":"q","S":"AAPL","bp":231.23}' * (size // 20))[:size]
    (data,) = squeezed([text], opcode)
    assert data[0] == opcode | 0x40  # RSV1
    assert len(data) < size / 4
    assert read([data]) == [text]


@pytest.mark.parametrize("text", [b"", b"a" * (MIN_BYTES - 5), random.Random(1).randbytes(5_000)])
def test_what_would_not_pay_stays_as_it_is(text: bytes) -> None:
    data = frame(TEXT, text)
    assert compressed(data) == data


def test_nothing_is_referred_to_beyond_the_window() -> None:
    far = random.Random(1).randbytes(6_000)
    (data,) = squeezed([bytes(3_000) + far + far])
    # byte by byte: what one call gives out, zlib may refer to beyond the window
    inflater = zlib.decompressobj(wbits=-WINDOW_BITS)
    assert b"".join(inflater.decompress(bytes((byte,))) for byte in payload(data)) == bytes(3_000) + far + far


# Never to be mixed with what a writer compresses that remembers


class Wire:
    """What aiohttp's writer writes to."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.write = self.frames.append
        self._paused = False

    def is_closing(self) -> bool:
        return False


def remembering(texts: Sequence[bytes]) -> list[bytes]:
    """Frames by aiohttp's own compressor."""

    async def main() -> list[bytes]:
        wire: Any = Wire()
        writer = WebSocketWriter(wire, wire, compress=15)
        for text in texts:
            await writer.send_frame(text, WSMsgType.TEXT)
        return list(wire.frames)

    return asyncio.run(main())


def test_these_tests_would_see_frames_of_aiohttps_compressor_among_ours() -> None:
    theirs = [b'[{"T":"q","S":"AAPL","bp":231.%02d,"ap":231.%02d}]' % (n, n + 1) * 5 for n in range(6)]
    ours = [b'[{"T":"t","S":"MSFT","p":417.%02d,"s":100}]' % n * (7 + n) for n in range(6)]
    alone = remembering(theirs)
    assert read(alone, 15) == theirs
    mixed = [data for pair in zip(alone, squeezed(ours), strict=True) for data in pair]
    try:
        seen = read(mixed, 15)
    except ProtocolError:
        return
    assert seen != [text for pair in zip(theirs, ours, strict=True) for text in pair]
