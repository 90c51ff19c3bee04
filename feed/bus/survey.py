"""Asks several nodes where the masters are, and believes the one that knows best."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from feed.bus.errors import BusDown
from feed.bus.topology import Node, View

# A node that says nothing for so long may hang: the others are asked beside it, and none of them is waited for longer.
PATIENCE_S: Final = 0.25


class Survey(NamedTuple):
    """What came of it: the best view, by whom, and what was wrong with the others."""

    view: View
    of: Node
    trouble: str


async def survey(nodes: Sequence[Node], ask: Callable[[Node], Awaitable[View]]) -> Survey:
    """Asks the first, and all others where it is silent or its view is not sound. The first sound view is the best.

    Raises BusDown where nobody tells, and what else `ask` raises.
    """
    best: Survey | None = None
    trouble: list[str] = []
    asked = {asyncio.ensure_future(ask(nodes[0])): nodes[0]}
    others = nodes[1:]
    waiting = set(asked)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            for each in sorted(done, key=list(asked).index):
                node = asked[each]
                try:
                    view = each.result()
                except BusDown as error:
                    trouble.append(f"{node}: {error}")
                    continue
                if view.sound:
                    return Survey(view, node, "")
                trouble.append(f"{node}: {view.flaw}")
                if best is None or view.rank > best.view.rank:
                    best = Survey(view, node, "")
            if best is not None and not done and not others:
                break
            asked |= (more := {asyncio.ensure_future(ask(node)): node for node in others})
            waiting |= set(more)
            others = ()
    finally:
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    words = "; ".join(sorted(trouble))  # in whichever order they came: another one is no news
    if best is None:
        raise BusDown(words)
    return best._replace(trouble=words)
