"""One client of a replay: what it is subscribed to, and the bytes that wait for it."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from feed.ingest.replay.personas import Dialogue, Rhythm
from feed.ingest.replay.pulse import Beat, Pulse
from feed.ingest.replay.recording import Frame
from feed.wire.frames import TEXT, frame

PING = 0x89


class Client:
    """Frames are gathered by `offer` and written by `flush`, many in one write."""

    def __init__(
        self, ws: web.WebSocketResponse, transport: asyncio.Transport, dialogue: Dialogue, rhythm: Rhythm, now_s: float
    ) -> None:
        self.ws = ws
        self.dialogue = dialogue
        self.pulse = Pulse(rhythm, now_s)
        self._heartbeat = rhythm.heartbeat or b""
        self._transport = transport
        self._waiting: list[bytes] = []

    @property
    def backlog_bytes(self) -> int:
        """What the client has not taken yet, beyond what the kernel holds."""
        return self._transport.get_write_buffer_size()

    def offer(self, recorded: Frame, topic: str) -> None:
        """A recorded frame goes to the client if it asked for its topic."""
        if topic in self.dialogue.topics:
            self._waiting.append(frame(TEXT, self.dialogue.payload(recorded)))

    def say(self, texts: Iterable[bytes], now_s: float) -> None:
        """Writes the venue's own frames, after what waits."""
        self._waiting += [frame(TEXT, text) for text in texts]
        self.flush(now_s)

    def flush(self, now_s: float) -> None:
        """Writes what waits. It goes nowhere if the client is gone or going."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        if not self.ws.closed and not self._transport.is_closing():
            self._transport.write(b"".join(waiting))
            self.pulse.sent(now_s)

    def beat(self, now_s: float) -> None:
        """Sends the ping or the heartbeat that is due, or gives up a client that answers no more."""
        for beat in self.pulse.due(now_s, bool(self.dialogue.topics)):
            match beat:
                case Beat.PING if not self.ws.closed and not self._transport.is_closing():
                    self._transport.write(frame(PING, b"%d" % int(now_s * 1_000)))
                case Beat.HEARTBEAT:
                    self.say([self._heartbeat], now_s)
                case Beat.DEAD:
                    self.drop()

    def drop(self) -> None:
        """Disconnects at once: a close frame would wait behind what the client does not read."""
        self._transport.abort()
