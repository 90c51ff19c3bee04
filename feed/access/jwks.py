"""An issuer's published keys, read again as they change."""

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from feed import metrics
from feed.access.principal import Refused, Why
from feed.access.signers import Published, Signer, of_jwks
from feed.core.outage import Outage

# Made-up key ids cost the issuer one request in this time, and us nothing more; a key that is new waits for it at most.
AGAIN_S: Final = 10.0
TIMEOUT_S: Final = 5.0  # an issuer answers in a fraction of a second; a client that waits has 10 s to authenticate
MAX_BYTES: Final = 1_048_576

log = structlog.get_logger(__name__)


class Unread(Exception):
    """A JWKS that could not be had; what it was before goes on to count."""


class Jwks:
    """The signers of a JWKS, a file or a URL. Known key ids are answered from memory, at once."""

    def __init__(
        self,
        source: str,
        refresh_s: float,
        *,
        trust: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`refresh_s` between looks; `trust` whom to believe instead of the system's certificates."""
        self._source = source
        self._refresh_s = refresh_s
        self._trust = trust
        self._clock = clock
        self._published: Published | None = None
        self._outage = Outage()
        self._running = False
        self._asked_at = 0.0
        self._wanted = asyncio.Event()
        self._reading: asyncio.Event | None = None  # set once what is read now has been read

    @property
    def read(self) -> bool:
        """Whether the keys were read once."""
        return self._published is not None

    @property
    def current(self) -> bool:
        """Whether the last look succeeded."""
        return self._published is not None and not self._outage.lasts

    async def signer(self, algorithm: str, kid: str | None) -> Signer | None:
        """The signer of a token; None where the issuer publishes none. Raises Refused where nothing was read yet.

        Waits only for a key id that is not known, and only where the set may be read again.
        """
        signer = self._known(algorithm, kid)
        if signer is None and self._running:
            if self._reading is None and self._clock() - self._asked_at >= AGAIN_S:
                self._reading = asyncio.Event()
                self._wanted.set()
            if self._reading is not None:
                await self._reading.wait()
                signer = self._known(algorithm, kid)
        if self._published is None:
            raise Refused(Why.UNAVAILABLE)
        return signer

    async def run(self) -> None:
        """Reads at once, every `refresh_s`, and when a token names a key id that is not known, until cancelled."""
        self._running = True
        try:
            while True:
                await self.look()
                try:
                    async with asyncio.timeout(
                        min(self._refresh_s, AGAIN_S) if self._outage.lasts else self._refresh_s
                    ):
                        await self._wanted.wait()
                except TimeoutError:
                    continue
        finally:
            self._running = False
            self._read()

    async def look(self) -> None:
        """Reads the set; one that can't be read is told of in the log, once, and changes nothing."""
        self._asked_at = self._clock()
        self._wanted.clear()
        if self._reading is None:
            self._reading = asyncio.Event()
        try:
            published = await self._published_now()
        except Unread as error:
            if self._outage.begins("", self._clock()):
                log.error("jwks_lost", source=_name(self._source), error=str(error), known=self._count())
        else:
            self._take(published)
        metrics.AUTH_CURRENT.labels("jwks").set(self.current)
        self._read()

    def _take(self, published: Published) -> None:
        before = self._published
        away_s = self._outage.ends(self._clock())
        if away_s is not None:
            log.info("jwks_back", source=_name(self._source), keys=len(published.signers), away_s=away_s)
        elif before is None or before.signers.keys() != published.signers.keys():
            log.info("jwks_read", source=_name(self._source), keys=len(published.signers))
        if published.left_out and (before is None or before.left_out != published.left_out):
            log.warning("jwks_keys_left_out", source=_name(self._source), why=list(published.left_out))
        # A set without keys is an answer too: what was signed before is refused. Connections that were admitted stay
        # until their token's end: keys are replaced as a matter of course, and each time would cut everyone off.
        self._published = published

    def _read(self) -> None:
        if self._reading is not None:
            self._reading.set()
            self._reading = None

    def _known(self, algorithm: str, kid: str | None) -> Signer | None:
        return self._published.find(algorithm, kid) if self._published is not None else None

    def _count(self) -> int:
        return len(self._published.signers) if self._published is not None else 0

    async def _published_now(self) -> Published:
        data = await (self._fetched() if "://" in self._source else asyncio.to_thread(_file, self._source))
        if len(data) > MAX_BYTES:
            raise Unread(f"more than {MAX_BYTES} bytes")
        try:
            return of_jwks(data)
        except ValueError as error:
            raise Unread(str(error)) from error

    async def _fetched(self) -> bytes:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), auto_decompress=False) as session,
                # a redirect could lead from https to anywhere
                session.get(
                    self._source,
                    allow_redirects=False,
                    ssl=self._trust or True,
                    headers={"Accept-Encoding": "identity"},
                ) as response,
            ):
                if response.status != 200:
                    raise Unread(f"status {response.status}")
                data = b""
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) > MAX_BYTES:
                        break
                return data
        except aiohttp.InvalidURL:
            raise Unread("not a URL") from None  # its text is the URL, which may have a password
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unread(str(error) or "no answer in time") from error


def _file(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unread(error.strerror or type(error).__name__) from error


def _name(source: str) -> str:
    """A source for the log: a URL without what it may have of secrets."""
    if "://" not in source:
        return source
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
