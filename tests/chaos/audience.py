"""The clients of a chaos run: the independent one and the project's own, eager, slow, conflated, on `*`."""

from collections.abc import Sequence
from typing import NamedTuple


class Audience(NamedTuple):
    """A client to start: which program, what it subscribes to, and what more it is told."""

    name: str
    program: str
    subscribe: dict[str, object]
    more: tuple[str, ...] = ()


RAW, OWN = "tests.chaos.raw_client", "tests.chaos.feed_client"
SMALL = ("--receive-bytes", "4096")


def audience_of(symbols: Sequence[str], *, quotes: bool = True) -> list[Audience]:
    """Clients of every sort. Without `quotes` all read trades only."""

    def streams(names: Sequence[str], **more: object) -> dict[str, object]:
        return {"trades": list(names), **({"quotes": list(names)} if quotes else {}), **more}

    return [
        Audience("raw", RAW, streams(symbols[:3], bars1s=[symbols[0]])),
        Audience("raw-all", RAW, streams(["*"], snapshot=True)),
        Audience("raw-rate", RAW, streams(symbols, rate=4)),
        Audience("raw-slow", RAW, streams(symbols), (*SMALL, "--slow-s", "0.05")),
        Audience("raw-stalls", RAW, streams(["*"], stamps=True), SMALL),
        Audience("own", OWN, streams(symbols[:3])),
        Audience("own-rate", OWN, streams(["*"], rate=10)),
        Audience("own-stalls", OWN, streams(symbols, stamps=True)),
    ]
