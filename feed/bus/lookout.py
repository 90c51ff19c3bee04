"""Keeps looking where the masters are: at the start, when something suggests that they changed, and now and then."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from feed.bus.errors import BusDown
from feed.bus.masters import Masters
from feed.bus.topology import Topology
from feed.core.backoff import delay_s

# Looked for again so often, though nothing suggests it.
LOOK_S: Final = 10.0
# And not more often than this, however many calls are redirected.
LOOK_MIN_S: Final = 0.1
LOOK_MAX_S: Final = 1.0
# A master that died is one for its fellows until they agree on another: for so long after the last suspicion it is
# looked so often, or the successor would be found by whoever tries the dead one next, which is seconds later.
SUSPECTED_S: Final = 3.0
LOOK_AGAIN_S: Final = 0.25

log = structlog.get_logger(__name__)


class Lookout:
    """Tells `found` what it sees, each time."""

    def __init__(self, masters: Masters, found: Callable[[Topology], None]) -> None:
        self._masters = masters
        self._found = found
        self._astray = asyncio.Event()
        self._suspected = float("-inf")

    def astray(self) -> None:
        """Something suggests that the masters are others by now."""
        self._suspected = time.monotonic()
        self._astray.set()

    async def run(self) -> None:
        """Looks until cancelled. Raises BusRefused where nobody can ever be found."""
        failures = 0
        while True:
            self._astray.clear()
            try:
                topology = await self._masters.find()
            except BusDown as error:
                log.warning("redis_not_found", error=str(error))
                failures += 1
                await asyncio.sleep(delay_s(failures, LOOK_MIN_S, LOOK_MAX_S, random.random()))
                continue
            failures = 0
            self._found(topology)
            await asyncio.sleep(LOOK_MIN_S)
            with contextlib.suppress(TimeoutError):
                suspected = time.monotonic() - self._suspected < SUSPECTED_S
                async with asyncio.timeout(LOOK_AGAIN_S if suspected else LOOK_S):
                    await self._astray.wait()
