"""What Autobahn's groups 12 and 13 try, with the `websockets` package for a client: each of their offers of
compression, each of their message sizes, whole and in fragments; and what comes back is what was sent.

Where an offer wants a smaller window than the gateway's, the gateway declines it, and all goes uncompressed: Autobahn
calls such cases UNIMPLEMENTED, which is no failure.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from tests.conformance.echo import echoing
from tests.gateway.gateway_stage import play

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)

# Payload and fragment in bytes; 0 is whole.
SIZES = (
    (0, 0), (16, 0), (64, 0), (256, 0), (1024, 0), (4096, 0), (8192, 0), (16384, 0), (32768, 0), (65536, 0),
    (131072, 0), (8192, 256), (16384, 256), (32768, 256), (65536, 256), (131072, 256), (131072, 1024), (131072, 4096),
    (131072, 32768),
)  # fmt: skip
# 12 and 13.1 make the default offer, 13.2 to 13.7 the next six. With each, whether the gateway can keep it.
NO_TAKEOVER: dict[str, Any] = {"server_no_context_takeover": True}
OFFERS: dict[str, tuple[Sequence[dict[str, Any]], bool]] = {
    "default": ([{}], True),
    "no-takeover": ([NO_TAKEOVER], True),
    "window-9": ([{"server_max_window_bits": 9}], False),
    "window-15": ([{"server_max_window_bits": 15}], True),
    "no-takeover-window-9": ([NO_TAKEOVER | {"server_max_window_bits": 9}], False),
    "no-takeover-window-15": ([NO_TAKEOVER | {"server_max_window_bits": 15}], True),
    "several": ([NO_TAKEOVER | {"server_max_window_bits": 9}, NO_TAKEOVER, {}], True),
    "client-keeps-no-window": ([{"client_no_context_takeover": True, "client_max_window_bits": 9}], True),
}
WORDS = ["trade", "quote", "bar", "BTC/USDT", "65123.45", "feed.v1", "Ääh", "€uro"]


def payload(chance: random.Random, size: int, text: bool) -> str | bytes:
    """Of `size` bytes: words, or bytes of which half repeat."""
    if text:
        words = " ".join(chance.choices(WORDS, k=size // 3 + 1)).encode()[:size]
        return words.decode(errors="ignore")
    return (chance.randbytes(size // 2) * 3)[:size]


@pytest.mark.parametrize("text", [True, False], ids=["text", "binary"])
@pytest.mark.parametrize("offer", OFFERS)
def test_what_is_echoed_is_what_was_sent(redis_url: str, offer: str, text: bool) -> None:
    offers, agreed = OFFERS[offer]
    extensions = [ClientPerMessageDeflateFactory(**parameters) for parameters in offers]

    async def scene() -> None:
        chance = random.Random(1)
        async with (
            echoing(redis_url, compression=True) as stage,
            stage.open(extensions=extensions, max_size=None) as ws,
        ):
            assert bool(ws.protocol.extensions) is agreed
            for size, fragment in SIZES * 3:
                sent = payload(chance, size, text)
                if fragment:
                    await ws.send([sent[at : at + fragment] for at in range(0, len(sent), fragment)])
                else:
                    await ws.send(sent)
                assert await ws.recv() == sent

    play(scene)
