"""What a client may not do on a WebSocket, and that it is told so: aiohttp's own would let it pass, or call it ours."""

import asyncio
import struct

import pytest

from tests.fuzz.frames import CLOSE, FIN, PING, RSV1, TEXT, Door, frame, upgrade
from tests.gateway.gateway_stage import PATIENCE_S, play, serving

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
GOOD = frame(FIN | PING, b"a")
PROTOCOL_ERROR = b"\x88\x02" + struct.pack(">H", 1002)


def answer(redis_url: str, *writes: bytes) -> bytes:
    """All that the gateway says until it ends the connection."""
    said = b""

    async def scene() -> None:
        nonlocal said
        async with serving(redis_url, compression=True) as stage:
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port)
            for data in writes:
                writer.write(data)
                await writer.drain()
            async with asyncio.timeout(PATIENCE_S):
                said = await reader.read()
            writer.transport.abort()
            await stage.gone()

    play(scene)
    return said


@pytest.mark.parametrize(
    "bad",
    [
        frame(FIN | TEXT, b"{}", masked=False),
        GOOD + frame(FIN | PING, masked=False),
        frame(FIN | CLOSE, struct.pack(">H", 1006)),
        frame(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff"),
    ],
    ids=["no-mask", "no-mask-later", "close-1006", "bad-deflate"],
)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "with-the-handshake"])
def test_a_breach_of_the_standard_is_answered_1002(redis_url: str, bad: bytes, together: bool) -> None:
    head = upgrade(Door(), more=DEFLATE)
    assert answer(redis_url, *([head + bad] if together else [head, bad])).endswith(PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: \xff"), (b"Version: 13", b"Version: \xff")],
    ids=["key", "version"],
)
def test_a_handshake_that_is_no_text_is_400(redis_url: str, right: bytes, wrong: bytes) -> None:
    head = upgrade(Door(), more=b"Connection: close\r\n").replace(right, wrong)
    assert answer(redis_url, head).startswith(b"HTTP/1.1 400 ")
