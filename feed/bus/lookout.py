"""Keeps looking where the masters are: at the start, when something suggests that they changed, and now and then."""

import asyncio
import contextlib
import random
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

log = structlog.get_logger(__name__)


class Lookout:
    """Tells `found` what it sees, each time."""

    def __init__(self, masters: Masters, found: Callable[[Topology], None]) -> None:
        self._masters = masters
        self._found = found
        self._astray = asyncio.Event()

    def astray(self) -> None:
        """Something suggests that the masters are others by now."""
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
                async with asyncio.timeout(LOOK_S):
                    await self._astray.wait()
