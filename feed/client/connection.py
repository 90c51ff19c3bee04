"""One WebSocket to a gateway, at depth two."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgpack
import orjson

from feed.client.address import Address
from feed.client.credentials import Credentials
from feed.client.decode import Encoding, Message, messages_of
from feed.client.errors import Refused

CONNECT_S: Final = 10.0
# A gateway that has nothing to send sends heartbeats: this much silence is a lost connection.
SILENCE_S: Final = 10.0
# A gateway drops who sends nothing for 10 s after its ping, and pings are answered only while frames are read.
PONG_S: Final = 5.0
# The answer to a subscription of very many streams is the largest frame there is.
MAX_FRAME_BYTES: Final = 16_777_216
# Closing is no use to a peer that is gone; this is how long a dead one may hold up the next attempt.
CLOSE_S: Final = 1.0
TIMEOUT: Final = aiohttp.ClientWSTimeout(ws_receive=SILENCE_S, ws_close=CLOSE_S)


class Ended(Exception):
    """A connection ended, or never began. `code` is the close code, None where it wasn't closed by one."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code


class Connection:
    """Open from the start. Sends a pong now and then unasked: one who is busy elsewhere is not to be taken for dead."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, encoding: Encoding) -> None:
        self._ws = ws
        self._encoding = encoding
        self._ponging = asyncio.get_running_loop().create_task(self._pong(), name="feed.client pong")

    async def send(self, command: dict[str, Any]) -> None:
        """Raises Ended."""
        try:
            async with asyncio.timeout(SILENCE_S):
                if self._encoding == "json":
                    await self._ws.send_str(orjson.dumps(command).decode())
                else:
                    await self._ws.send_bytes(msgpack.packb(command))
        except TimeoutError as error:
            raise Ended(f"took no command for {SILENCE_S:.0f} s") from error
        except ConnectionError as error:
            raise Ended("cut off") from error

    async def receive(self) -> tuple[list[Message], int]:
        """The next frame's messages, and its size in bytes. Raises Ended, Unreadable."""
        try:
            frame = await self._ws.receive()
        except TimeoutError as error:
            raise Ended(f"silent for {SILENCE_S:.0f} s") from error
        if frame.type is aiohttp.WSMsgType.BINARY or frame.type is aiohttp.WSMsgType.TEXT:
            return messages_of(frame.data, self._encoding), len(frame.data)
        # the frame's own: aiohttp forgets it where its answer finds nobody, as behind a proxy that closes at once
        told = frame.data if frame.type is aiohttp.WSMsgType.CLOSE else self._ws.close_code
        code = told or aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        if code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:
            raise Ended("cut off", int(code))
        reason = frame.extra if isinstance(frame.extra, str) else ""
        raise Ended(f"closed with {int(code)} {reason}".rstrip(), int(code))

    async def close(self) -> None:
        self._ponging.cancel()
        await asyncio.wait([self._ponging])
        # a peer that goes on sending would have its frames read to their end
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._ws.close()

    async def _pong(self) -> None:
        # who reads learns that the connection is gone
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(PONG_S)
                await self._ws.pong()


class Dialer:
    """Makes connections, one after the other, each with the credentials. `tls` None: believe whom the system does."""

    def __init__(
        self,
        encoding: Encoding,
        headers: Mapping[str, str],
        credentials: Credentials,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._encoding = encoding
        self._headers = dict(headers)
        self._credentials = credentials
        self._tls = tls or True
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_connect=CONNECT_S),
            middlewares=(_straight,),
        )

    async def dial(self, address: Address) -> Connection:
        """Raises Ended where there is no gateway now, Refused where there is something else, and whatever a source of
        tokens raises.
        """
        subprotocol = f"feed.v1.{self._encoding}"
        headers = self._headers | await self._presented()
        try:
            async with asyncio.timeout(CONNECT_S):
                ws = await self._http.ws_connect(
                    address.url,
                    protocols=(subprotocol,),
                    timeout=TIMEOUT,
                    max_msg_size=MAX_FRAME_BYTES,
                    headers=headers,
                    ssl=self._tls,
                )
        except aiohttp.WSServerHandshakeError as error:
            # it has the request's headers, secrets and all, which a traceback's reader is not to see
            raise Ended(_answer(address, error.status)) from None
        except aiohttp.ClientConnectorCertificateError as error:
            raise Ended(f"the certificate of {address.host} is not to be trusted: {_distrust(error)}") from error
        except aiohttp.ClientConnectorError as error:
            raise Ended(f"cannot connect to {address.host}: {_reason(error.os_error)}") from error
        except TimeoutError as error:
            raise Ended(f"cannot connect to {address.host}: no answer in {CONNECT_S:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Ended(f"cannot connect to {address.host}: {error or type(error).__name__}") from None
        if ws.protocol != subprotocol:
            await ws.close()
            raise Refused(f"{address.host} does not speak {subprotocol}")
        return Connection(ws, self._encoding)

    async def close(self) -> None:
        await self._http.close()

    async def _presented(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(CONNECT_S) as limit:
                return await self._credentials.headers()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Ended(f"the source of tokens gave none in {CONNECT_S:.0f} s") from error


def trusting(ca_file: str) -> ssl.SSLContext:
    """TLS that believes those alone whose certificates (PEM) are in a file. Raises ValueError for what is no such."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "holds no certificate (PEM)"
        raise ValueError(f"ca_file {ca_file!r}: {why}") from error


async def _straight(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Follows no redirect: credentials are for the gateway that was named."""
    response = await send(request)
    if 300 <= response.status < 400:
        response.close()
        raise Ended(
            f"{request.url.authority} sends clients elsewhere (status {response.status}), which is not followed"
        )
    return response


def _answer(address: Address, status: int) -> str:
    if status == 404:
        return f"no feed {address.feed!r} at {address.host} (404)"
    if status == 503:
        return f"{address.host} takes no more connections now (503)"
    if status == 429:
        return f"{address.host} takes no more connections from this address now (429)"
    if status == 421:
        return f"{address.host} does not answer to that name (421)"
    return f"{address.host} refused the connection with status {status}"


def _reason(error: OSError) -> str:
    if error.errno is None:
        return str(error)
    if error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error.strerror or error).lower()  # of a name that has no address


def _distrust(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = error.certificate_error
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)
