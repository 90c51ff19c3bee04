"""How a gateway lets its clients go: told first, then closed one after the other, so that they come back spread."""

import asyncio
import random
from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

from feed.wire.closing import Close

NOTICE: Final = "drain"
# A turn of the loop that tells more clients than this would hold up the ticks of those told before.
TOLD_AT_ONCE: Final = 200


class Client(Protocol):
    """A connected client, as far as draining goes. Both calls do nothing for one that is gone."""

    def notice(self, code: str, text: str, lag_ms: int | None = None) -> None: ...

    def end(self, code: Close) -> None: ...


def farewell(window_s: float) -> str:
    """What clients are told."""
    return f"this server stops, and closes this connection with {int(Close.DRAIN)} within {window_s:g} s"


def due(clients: int, elapsed_s: float, window_s: float) -> int:
    """How many of so many clients must have been closed by now: the first at once, the last when the window ends."""
    if elapsed_s >= window_s or clients < 2:
        return clients
    return 1 + int((clients - 1) * elapsed_s / window_s)


def due_at_s(closed: int, clients: int, window_s: float) -> float:
    """When the next client is due, in seconds from the first, where `closed` of them are closed already."""
    return window_s * closed / (clients - 1) if clients > 1 else 0.0


async def close_all(
    clients: Collection[Client], window_s: float, shuffle: Callable[[list[Any]], None] = random.shuffle
) -> None:
    """Tells all clients, then closes them evenly over the window, in an order that says nothing about them."""
    waiting = list(clients)
    shuffle(waiting)
    text = farewell(window_s)
    for told, client in enumerate(waiting, 1):
        client.notice(NOTICE, text)
        if told % TOLD_AT_ONCE == 0:
            await asyncio.sleep(0)
    now = asyncio.get_running_loop().time
    began_s, closed = now(), 0
    while closed < len(waiting):
        await asyncio.sleep(began_s + due_at_s(closed, len(waiting), window_s) - now())
        # one in any case: rounding must not make this wait for a moment that has come
        until = max(closed + 1, due(len(waiting), now() - began_s, window_s))
        for client in waiting[closed:until]:
            client.end(Close.DRAIN)
        closed = until
