"""How many connections a principal has over all gateway processes, counted by leases in Redis that its death ends."""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable
from importlib.resources import files
from typing import Final

import structlog

from feed.bus import names
from feed.bus.connect import Link
from feed.bus.errors import BusDown, BusRefused
from feed.bus.masters import Masters
from feed.bus.replies import Command
from feed.core.backoff import delay_s
from feed.core.outage import Outage
from feed.settings import Redis

SCRIPT: Final = files("feed.bus").joinpath("leases.lua").read_text()
# A process that dies blocks its keys' connections for so long; two renewals may fail before a living one's count is
# forgotten.
LEASE_S: Final = 6.0
RENEW_S: Final = 2.0
RETRY_MAX_S: Final = 1.0
# Leases renewed in one write: some milliseconds of Redis, and then others' turn.
BATCH: Final = 256
# Telling Redis at the end is a courtesy to clients that come back elsewhere: it may not hold up the process' own end.
FREE_WITHIN_S: Final = 2.0
NO_LIMIT: Final = ""
# A client that one process sends away may be at the next before the first has said that it is gone: who is refused is
# looked at once more, because a refusal tells a client never to come back.
GRACE_S: Final = 0.5

log = structlog.get_logger(__name__)


class Leases:
    """Counts this process' connections by principal, and asks Redis whether there may be one more.

    While Redis is away the own count alone decides: a key may then have its limit on each process, and never more.
    """

    def __init__(self, settings: Redis, process_id: str) -> None:
        """`process_id` must be unique among processes and their lives: of two that share it, one's count is lost."""
        self._masters = Masters(settings, "feed-leases")
        self._process_id = process_id
        self._counts: dict[str, int] = {}
        self._unsaid: set[str] = set()  # principals whose count is not, or may not be, what Redis has
        self._wake = asyncio.Event()
        self._link: Link | None = None
        self._sha = b""
        self._outage = Outage()
        self._closed = False

    @property
    def alone(self) -> bool:
        """Whether this process counts without the others, because Redis is away."""
        return self._link is None

    def count(self, principal_id: str) -> int:
        """Connections of this process that the principal has."""
        return self._counts.get(principal_id, 0)

    async def take(self, principal_id: str, limit: int) -> bool:
        """Counts one connection more; False, and nothing counted, where all processes would have more than `limit`.

        A refusal takes GRACE_S.
        """
        if await self._take(principal_id, limit):
            return True
        await asyncio.sleep(GRACE_S)
        return await self._take(principal_id, limit)

    def give(self, principal_id: str) -> None:
        """One connection of it has ended; Redis hears of it from `run`. Raises ValueError where it has none."""
        count = self.count(principal_id) - 1
        if count < 0:
            raise ValueError(f"{principal_id} has no connection that could end")
        if count:
            self._counts[principal_id] = count
        else:
            del self._counts[principal_id]
        self._unsaid.add(principal_id)
        self._wake.set()

    async def run(self) -> None:
        """Keeps this process' leases in Redis true until cancelled, and reconnects by itself."""
        failures = 0
        while True:
            try:
                link = await self._masters.open_for(names.lease_key(""), "feed-leases", self._wake.set)
                try:
                    self._sha = await link.call("SCRIPT", "LOAD", SCRIPT)
                    # also where there is nothing to say: a slot whose keys have left takes connections, and no lease
                    await self._say(link, {"", *self._counts})
                    self._met(link)
                    failures = 0
                    await self._serve(link)
                finally:
                    self._link = None
                    await link.close()
            except (BusDown, BusRefused) as error:
                self._lost(error)
            failures += 1
            await asyncio.sleep(delay_s(failures, 0.05, RETRY_MAX_S, random.random()))

    async def close(self) -> None:
        """Ends all leases of this process, as far as Redis can be told; after `run` was cancelled."""
        self._closed = True
        principals = {*self._counts, *self._unsaid}
        if not principals or self._outage.lasts:
            return  # a Redis that was away a moment ago is not waited for: leases end by themselves
        try:
            async with asyncio.timeout(FREE_WITHIN_S):
                link = await self._masters.open_for(names.lease_key(""), "feed-leases")
                try:
                    self._sha = await link.call("SCRIPT", "LOAD", SCRIPT)
                    await self._say(link, principals)
                finally:
                    await link.close()
        except (BusDown, BusRefused, TimeoutError) as error:
            log.warning("leases_left", error=str(error) or "no answer in time", lease_s=LEASE_S)

    async def _take(self, principal_id: str, limit: int) -> bool:
        # counted before it is asked for: another connection that asks meanwhile must see it
        count = self._counts[principal_id] = self.count(principal_id) + 1
        granted = False
        try:
            granted = count <= limit and await self._allowed(principal_id, count, limit)
        finally:
            if not granted:
                self.give(principal_id)
        return granted

    async def _allowed(self, principal_id: str, count: int, limit: int) -> bool:
        link = self._link
        if link is None:
            self._unsaid.add(principal_id)
            return True
        try:
            reply = await link.call(*self._command(principal_id, count, limit))
        except (BusDown, BusRefused) as error:
            # whatever is refused now, the next connection loads the script anew and says all counts
            link.end(BusDown(f"a lease was refused: {error}"))
            return True
        if count != self.count(principal_id):
            self._unsaid.add(principal_id)  # what was asked for meanwhile may have been written in another order
            self._wake.set()
        return bool(reply)

    async def _serve(self, link: Link) -> None:
        """Says what changed when it does, and everything each RENEW_S, until the link ends with BusDown."""
        due = time.monotonic() + RENEW_S
        while True:
            link.check()
            if time.monotonic() >= due:
                await self._say(link, self._counts)
                due = time.monotonic() + RENEW_S
            elif self._unsaid:
                await self._say(link, self._unsaid)
            self._wake.clear()
            if not self._unsaid:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, due - time.monotonic())):
                        await self._wake.wait()

    async def _say(self, link: Link, principals: Iterable[str]) -> None:
        """Writes counts, many at a time. Raises BusDown."""
        left = list(principals)
        for at in range(0, len(left), BATCH):
            batch = left[at : at + BATCH]
            self._unsaid.difference_update(batch)
            try:
                replies = await link.calls([self._command(who, self._lasting(who), NO_LIMIT) for who in batch])
            except BaseException:
                self._unsaid.update(batch)
                raise
            refused = next((reply for reply in replies if isinstance(reply, BusRefused)), None)
            if refused is not None:
                self._unsaid.update(batch)
                raise BusDown(f"a lease was refused: {refused}")

    def _lasting(self, principal_id: str) -> int:
        return 0 if self._closed else self.count(principal_id)

    def _command(self, principal_id: str, count: int, limit: int | str) -> Command:
        key = names.lease_key(principal_id)
        return ("EVALSHA", self._sha, 1, key, self._process_id, count, limit, int(LEASE_S * 1_000))

    def _met(self, link: Link) -> None:
        self._link = link
        alone_s = self._outage.ends(time.monotonic())
        if alone_s is not None:
            log.info("connections_counted_together", principals=len(self._counts), alone_s=alone_s)

    def _lost(self, error: Exception) -> None:
        if self._outage.begins("", time.monotonic()):  # for which reasons others tell
            log.warning("connections_counted_alone", error=str(error))
