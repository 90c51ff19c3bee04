"""The witness: hears the channels of sampled streams, so that what clients get is joined with when it was published.

Redis' own protocol, by hand: it only keeps bytes while it is measured, and reads them afterwards.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import cast

from feed.bench.delays import Published
from feed.bus.entry import unpack_message
from feed.core.streams import parse_stream


class Witness(asyncio.Protocol):
    """Hears the channels from `listen` on; `take` gives what came since it was last asked."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = channels
        self._data = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self.confirmed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        words = [b"SUBSCRIBE", *(channel.encode() for channel in self._channels)]
        command = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self._transport.write(b"*%d\r\n%s" % (len(words), command))

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.confirmed.is_set() and self._data.count(b"$9\r\nsubscribe\r\n") == len(self._channels):
            self.confirmed.set()

    def take(self) -> list[Published]:
        """What was published since. Only what is whole by now, so ask when all is quiet."""
        data, self._data = bytes(self._data), bytearray()
        found = []
        for channel, payload in pushes(data):
            stream = parse_stream(channel.strip("{}"))
            message = unpack_message(stream.symbol, payload)
            found.append(Published(stream.key, message.first, len(message.entries), message.ts_pub))
        return found

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def listen(port: int, channels: Sequence[str]) -> Witness:
    """A witness of these channels of the Redis on 127.0.0.1."""
    _, witness = await asyncio.get_running_loop().create_connection(lambda: Witness(channels), "127.0.0.1", port)
    async with asyncio.timeout(10):
        await witness.confirmed.wait()
    return witness


def pushes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Channel and payload of each whole message in what a RESP2 server pushed."""
    at = 0
    while (words := _array(data, at)) is not None:
        parts, at = words
        if parts[0] == b"message":
            yield parts[1].decode(), parts[2]


def _array(data: bytes, at: int) -> tuple[list[bytes], int] | None:
    """The array of words at `at` and where it ends; None where it isn't whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        return None
    words: list[bytes] = []
    many, at = int(data[at + 1 : end]), end + 2
    for _ in range(many):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        number, tag, at = int(data[at + 1 : end]), data[at], end + 2
        if tag == ord(b":"):
            words.append(b"%d" % number)
            continue
        if at + number + 2 > len(data):
            return None
        words.append(data[at : at + number])
        at += number + 2
    return words, at
