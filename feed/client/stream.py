"""One connection to a feed at depth two, made again whenever it is lost."""

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import aiohttp
import msgpack

from feed.client.address import Address
from feed.core.backoff import delay_s
from feed.wire.closing import Close

SUBPROTOCOL: Final = "feed.v1.msgpack"
NANOSECONDS: Final = 2  # what msgpack shall make of a Timestamp: an integer
CONNECT_S: Final = 10.0
# A gateway that has nothing to send sends heartbeats: this much silence is a lost connection.
SILENCE_S: Final = 10.0
STEADY_S: Final = 5.0
RETRY_MIN_S: Final = 0.5
RETRY_MAX_S: Final = 15.0

# Closing is no use to a peer that is gone; this is how long a dead one may hold up the next attempt.
TIMEOUT: Final = aiohttp.ClientWSTimeout(ws_receive=SILENCE_S, ws_close=1.0)


class Refused(Exception):
    """The gateway will not have this client, or was not there in the first place: its text is one line for people."""


class Reader(Protocol):
    """What a stream tells of. Calls return at once."""

    def connecting(self) -> None: ...

    def connected(self) -> None: ...

    def lost(self, why: str, delay_s: float) -> None: ...

    def frame(self, messages: Sequence[dict[str, Any]], size: int) -> None:
        """A frame of `size` bytes; times in its messages are integer nanoseconds."""
        ...


class _Lost(NamedTuple):
    """How a connection ended; `lived_s` is None where there never was one."""

    why: str
    lived_s: float | None


async def follow(address: Address, subscribe: dict[str, Any], reader: Reader) -> None:
    """Subscribes and reads, over and over, until cancelled. Raises Refused where trying again is of no use.

    A gateway that was never reached counts as a wrong address, not as one to wait for.
    """
    failures, reached = 0, False
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S)) as session:
        while True:
            reader.connecting()
            lost = await _connect(session, address, subscribe, reader)
            if lost.lived_s is None and not reached:
                raise Refused(lost.why)
            reached = True
            # One that greets and closes at once must not be asked ever faster.
            failures = 1 if lost.lived_s is not None and lost.lived_s > STEADY_S else failures + 1
            delay = delay_s(failures, RETRY_MIN_S, RETRY_MAX_S, random.random())
            reader.lost(lost.why, delay)
            await asyncio.sleep(delay)


async def _connect(
    session: aiohttp.ClientSession, address: Address, subscribe: dict[str, Any], reader: Reader
) -> _Lost:
    loop = asyncio.get_running_loop()
    try:
        async with session.ws_connect(address.url, protocols=(SUBPROTOCOL,), timeout=TIMEOUT) as ws:
            if ws.protocol != SUBPROTOCOL:
                raise Refused(f"{address.host} does not speak {SUBPROTOCOL}")
            since = loop.time()
            reader.connected()
            await ws.send_bytes(msgpack.packb(subscribe))
            why = await _read(ws, reader)
            return _Lost(why, loop.time() - since)
    except aiohttp.WSServerHandshakeError as error:
        return _Lost(_answer(address, error.status), None)
    except aiohttp.ClientConnectorError as error:
        return _Lost(f"cannot connect to {address.host}: {_reason(error.os_error)}", None)
    except TimeoutError:
        return _Lost(f"cannot connect to {address.host}: no answer in {CONNECT_S:.0f} s", None)
    except (aiohttp.ClientError, OSError) as error:
        return _Lost(f"cannot connect to {address.host}: {error or type(error).__name__}", None)


async def _read(ws: aiohttp.ClientWebSocketResponse, reader: Reader) -> str:
    """Reads until the connection ends, and says why it did. Raises Refused if it ended for good."""
    while True:
        try:
            frame = await ws.receive()
        except TimeoutError:
            return f"silent for {SILENCE_S:.0f} s"
        if frame.type is not aiohttp.WSMsgType.BINARY:
            break
        reader.frame(msgpack.unpackb(frame.data, timestamp=NANOSECONDS), len(frame.data))
    code = ws.close_code or 1006
    reason = f"closed with {code} {frame.extra or ''}".rstrip()
    if code == Close.TOO_BIG or 4500 <= code <= 4999:
        raise Refused(f"the gateway {reason}")
    return reason


def _answer(address: Address, status: int) -> str:
    if status == 404:
        return f"no feed {address.feed!r} at {address.host} (404)"
    if status == 503:
        return f"{address.host} takes no more connections now (503)"
    return f"{address.host} refused the connection with status {status}"


def _reason(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    if error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.strerror or error).lower()  # of a name that has no address
