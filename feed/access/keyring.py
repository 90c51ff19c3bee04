"""The keys as a process knows them: read at its start, followed as they change, and asked for each client."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from feed import metrics
from feed.access.key_file import BrokenFile, KeyFile
from feed.access.principal import Credentials, Principal, Refused, Why
from feed.bus.errors import BusDown, BusRefused
from feed.bus.keys import RedisKeys
from feed.core.keys import ID, Edit, Fault, KeyRecord, Stored, check, digest, from_json, proof, standing
from feed.core.outage import Outage
from feed.settings import Values

# A key that is made works after a second at most, and one that is revoked ends within five: one small question a second
# costs nothing.
POLL_S: Final = 1.0
# Who is refused may have a key or a secret that was made a moment ago: the store is asked about it first, for all such
# clients together, and so often at most.
AGAIN_S: Final = 0.05
WAIT_S: Final = 2.0
MAYBE_NEW: Final = (Fault.NO_KEY, Fault.BAD_SECRET)
# How a store that can't be read fails; what it held before goes on to count.
UNREADABLE: Final = (BusDown, BusRefused, BrokenFile, OSError)

log = structlog.get_logger(__name__)


class KeyStore(Protocol):
    """Where keys are kept. Keys are added and replaced, and never deleted."""

    async def read(self, version: str) -> Stored | None:
        """All keys; None where nothing changed since `version`, which is "" before. Raises one of UNREADABLE."""
        ...

    async def change(self, edit: Edit) -> None:
        """Writes what `edit` makes of all keys, as one step. Raises what that raises, and one of UNREADABLE."""
        ...

    async def close(self) -> None: ...


def key_store(values: Values) -> KeyStore:
    """The store that the settings name: `auth.key_file`, or Redis."""
    return KeyFile(Path(values.auth.key_file)) if values.auth.key_file else RedisKeys(values.redis)


class Keyring:
    """Decides on keys from memory: no client waits for a store, and none is let out because it is away."""

    required = True

    def __init__(self, store: KeyStore, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives Unix seconds."""
        self._store = store
        self._clock = clock
        self._version = ""
        self._raw: dict[str, bytes] = {}
        self._records: dict[str, KeyRecord] = {}
        self._outage = Outage()
        self._running = False
        self._wanted = asyncio.Event()
        self._looked = asyncio.Event()  # set when a look has ended that began after this was made

    @property
    def ready(self) -> bool:
        """Whether the keys were read once; before that nobody is let in."""
        return self._version != ""

    @property
    def current(self) -> bool:
        """Whether the last look at the store succeeded: changes are known."""
        return self.ready and not self._outage.lasts

    def lookup(self, key_id: str) -> KeyRecord | None:
        return self._records.get(key_id)

    async def authenticate(self, credentials: Credentials) -> Principal:
        """The key's principal. Raises Refused; its `who` is the key's id, where it has the form of one: any other text
        may be somebody's secret.
        """
        if not credentials.key:
            raise Refused(Why.NOT_ACCEPTED)
        who = credentials.key if ID.fullmatch(credentials.key) else ""
        if not self.ready:
            raise Refused(Why.UNAVAILABLE, who)
        record = self.lookup(credentials.key)
        fault = check(record, credentials.secret, self._clock())
        if fault in MAYBE_NEW and who and self._running:
            await self._look_soon()
            record = self.lookup(credentials.key)
            fault = check(record, credentials.secret, self._clock())
        if record is None or fault is not None:
            raise Refused(Why(fault or Fault.NO_KEY), who)
        return Principal(record.id, record.grant, proof=proof(digest(credentials.secret)))

    def standing(self, principal: Principal, now: float) -> Why | None:
        """Why a connection that this keyring let in may not stay, at Unix time `now`; None where all is well."""
        fault = standing(self.lookup(principal.id), principal.proof, now)
        return None if fault is None else Why(fault)

    async def run(self) -> None:
        """Looks for changes each second, and when somebody is about to be refused, until cancelled."""
        self._running = True
        try:
            while True:
                self._wanted.clear()
                looked, self._looked = self._looked, asyncio.Event()
                await self.look()
                looked.set()
                await asyncio.sleep(AGAIN_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S - AGAIN_S):
                        await self._wanted.wait()
        finally:
            self._running = False
            self._looked.set()
            await self._store.close()

    async def _look_soon(self) -> None:
        """Waits for a look that begins from now on; not for long, where the store is away."""
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await self._looked.wait()

    async def look(self) -> None:
        """Reads what changed. A store that can't be read is told of in the log, once, and changes nothing."""
        try:
            stored = await self._store.read(self._version)
        except UNREADABLE as error:
            trouble = str(error) or type(error).__name__
            if self._outage.begins(trouble, time.monotonic()):
                log.error("keys_lost", error=trouble, known=len(self._records))
            metrics.AUTH_CURRENT.labels("keys").set(0)
            return
        if (away_s := self._outage.ends(time.monotonic())) is not None:
            log.info("keys_back", known=len(self._records), away_s=away_s)
        metrics.AUTH_CURRENT.labels("keys").set(1)
        if stored is not None:
            self._take(stored)

    def _take(self, stored: Stored) -> None:
        """Makes these all keys. One that can't be read lets nobody in, whatever it said before: it was changed."""
        records = {}
        for key_id, data in stored.keys.items():
            if self._raw.get(key_id) == data:
                if key_id in self._records:
                    records[key_id] = self._records[key_id]
                continue
            try:
                records[key_id] = from_json(key_id, data)
            except ValueError as error:
                log.error("key_unreadable", error=str(error))
        self._raw, self._records, self._version = dict(stored.keys), records, stored.version
        log.info("keys_read", keys=len(records))
